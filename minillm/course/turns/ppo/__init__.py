"""The turns of lesson 10b, and the course's versions of what they ask for."""

from minillm.course.turns.ppo import clipping, crediting, rewarding
from minillm.course.turns.ppo.clipping import ppo_loss
from minillm.course.turns.ppo.crediting import gae
from minillm.course.turns.ppo.rewarding import token_rewards

turns = (rewarding.turn, crediting.turn, clipping.turn)  # as on the page

__all__ = ["gae", "ppo_loss", "token_rewards", "turns"]
