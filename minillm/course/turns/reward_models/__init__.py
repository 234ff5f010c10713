"""The turns of lesson 10, and the course's versions of what they ask for."""

from minillm.course.turns.reward_models import preferring, reading, topping
from minillm.course.turns.reward_models.preferring import preference_loss
from minillm.course.turns.reward_models.reading import reward_at_end
from minillm.course.turns.reward_models.topping import bayes_ceiling

turns = (preferring.turn, topping.turn, reading.turn)  # as on the page

__all__ = ["bayes_ceiling", "preference_loss", "reward_at_end", "turns"]
