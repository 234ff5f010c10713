"""The turns of lesson 09, and the course's versions of what they ask for."""

from minillm.course.turns.sft import adapting, losing, masking, templating
from minillm.course.turns.sft.adapting import lora
from minillm.course.turns.sft.losing import sft_loss
from minillm.course.turns.sft.masking import answer_mask
from minillm.course.turns.sft.templating import encode_chat

turns = (templating.turn, masking.turn, losing.turn, adapting.turn)  # as on the page

__all__ = ["answer_mask", "encode_chat", "lora", "sft_loss", "turns"]
