"""The turns of lesson 04, and the course's versions of what they ask for."""

from minillm.course.turns.attention import head, heads, mask, shared
from minillm.course.turns.attention.head import attention
from minillm.course.turns.attention.heads import MultiHead
from minillm.course.turns.attention.mask import causal_mask
from minillm.course.turns.attention.shared import grouped_attention

turns = (mask.turn, head.turn, heads.turn, shared.turn)

__all__ = ["MultiHead", "attention", "causal_mask", "grouped_attention", "turns"]
