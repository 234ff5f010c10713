"""What the lessons share beyond the package: trained models, loss bands, the runs of a sweep, the claims they test.

And what exercises are held against: checks, their grading, and `swap_in`.
"""

from minillm.course.swapping import swap_in

__all__ = ["swap_in"]
