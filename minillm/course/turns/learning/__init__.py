"""The turns of lesson 00b, and the course's versions of what they ask for."""

from minillm.course.turns.learning import backpropagation, loss, step
from minillm.course.turns.learning.backpropagation import backward
from minillm.course.turns.learning.loss import cross_entropy
from minillm.course.turns.learning.step import sgd_step

turns = (loss.turn, backpropagation.turn, step.turn)

__all__ = ["backward", "cross_entropy", "sgd_step", "turns"]
