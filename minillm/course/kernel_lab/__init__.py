"""The lab about kernels in C (lesson 12): a learner's function is compiled, checked and timed, in a process of its own.

    your_kernel   compile C from the page, hold it against the readable form, and say what is wrong
    ready         a kernel of the course's that the page doesn't ask for
    ladder        time kernels as rungs, in turns, on matrices of SmolLM2's shapes, and print the table
    climb         the same without a word, for a benchmark
    compared      whether one rung is faster than another
    share_waited  how much of each rung's time goes away if one layer stays in the processor's cache
    stored        the ladder that `benchmarks/kernel.py` measured, where there is one

A wrong index in C ends its process. So nothing of the page's runs in the notebook: the child gets arrays, and answers
with numbers (`child`). Where there is no compiler, `your_kernel` says so and the page reads what is stored.
"""

from minillm.course.kernel_lab.asking import Kernel, ready, your_kernel
from minillm.course.kernel_lab.climbing import Rung, climb, compared, ladder, share_waited, stored

__all__ = ["Kernel", "Rung", "climb", "compared", "ladder", "ready", "share_waited", "stored", "your_kernel"]
