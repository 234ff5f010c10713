"""The turns of lesson 06, and the course's versions of what they ask for."""

from minillm.course.turns.transformer import adding, comparing, normalizing, stacking
from minillm.course.turns.transformer.adding import block
from minillm.course.turns.transformer.comparing import differs
from minillm.course.turns.transformer.normalizing import rms_norm
from minillm.course.turns.transformer.stacking import transformer

turns = (normalizing.turn, adding.turn, stacking.turn, comparing.turn)

__all__ = ["block", "differs", "rms_norm", "transformer", "turns"]
