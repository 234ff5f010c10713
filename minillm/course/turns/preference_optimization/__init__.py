"""The turns of lesson 11, and the course's versions of what they ask for."""

from minillm.course.turns.preference_optimization import averaging, comparing, preferring
from minillm.course.turns.preference_optimization.averaging import aggregate
from minillm.course.turns.preference_optimization.comparing import group_advantages
from minillm.course.turns.preference_optimization.preferring import dpo_loss

turns = (preferring.turn, comparing.turn, averaging.turn)  # as on the page

__all__ = ["aggregate", "dpo_loss", "group_advantages", "turns"]
