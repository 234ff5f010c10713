"""The turns of lesson 12, and the course's versions of what they ask for."""

from minillm.course.turns.inference_engine import accepting, caching, guessing, rounding
from minillm.course.turns.inference_engine.accepting import outcome
from minillm.course.turns.inference_engine.caching import cached_attention
from minillm.course.turns.inference_engine.guessing import look_up
from minillm.course.turns.inference_engine.rounding import quantize

turns = (caching.turn, rounding.turn, accepting.turn, guessing.turn)  # as on the page

__all__ = ["cached_attention", "look_up", "outcome", "quantize", "turns"]
