"""The turns of lesson 00a, and the course's versions of what they ask for."""

from minillm.course.turns.tensors import joining, multiplying, softening
from minillm.course.turns.tensors.joining import join_heads
from minillm.course.turns.tensors.multiplying import batched_product
from minillm.course.turns.tensors.softening import softmax

turns = (joining.turn, multiplying.turn, softening.turn)

__all__ = ["batched_product", "join_heads", "softmax", "turns"]
