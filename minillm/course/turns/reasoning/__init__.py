"""The turns of lesson 11a, and the course's versions of what they ask for."""

from minillm.course.turns.reasoning import gradient, sampling, verifying
from minillm.course.turns.reasoning.gradient import policy_gradient_loss
from minillm.course.turns.reasoning.sampling import pass_at_k
from minillm.course.turns.reasoning.verifying import verifier

turns = (verifying.turn, gradient.turn, sampling.turn)  # as on the page

__all__ = ["pass_at_k", "policy_gradient_loss", "turns", "verifier"]
