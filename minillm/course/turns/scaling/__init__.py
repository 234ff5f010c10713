"""The turns of lesson 13, and the course's versions of what they ask for."""

from minillm.course.turns.scaling import counting, fitting, leaving, splitting
from minillm.course.turns.scaling.counting import training_flops
from minillm.course.turns.scaling.fitting import fit_power
from minillm.course.turns.scaling.leaving import left_out
from minillm.course.turns.scaling.splitting import best_split

turns = (counting.turn, fitting.turn, leaving.turn, splitting.turn)  # as on the page

__all__ = ["best_split", "fit_power", "left_out", "training_flops", "turns"]
