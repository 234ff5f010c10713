"""Assignment 00a: the price of a belief, a wrong step, slopes through a broadcast, and an autograd of one's own."""

from minillm.course.checks.tensors.autograd import AUTOGRAD
from minillm.course.checks.tensors.belief import BELIEF
from minillm.course.checks.tensors.broadcast import BROADCAST
from minillm.course.checks.tensors.step import STEP

QUESTIONS = (BELIEF, STEP, BROADCAST, AUTOGRAD)
