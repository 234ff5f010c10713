"""What the lessons share beyond the package: trained models, loss bands, the runs of a sweep, the claims they test.

And what learners write: turns (`your_turn`, `mine`), guesses (`predict`, `predict_number`), exercises with their
checks and grading, and `swap_in`.
"""

from minillm.course.learner.decorator import your_turn
from minillm.course.learner.guess import predict, predict_number
from minillm.course.swapping import swap_in

__all__ = ["predict", "predict_number", "swap_in", "your_turn"]
