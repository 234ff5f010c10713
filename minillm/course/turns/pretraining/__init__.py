"""The turns of lesson 08, and the course's versions of what they ask for."""

from minillm.course.turns.pretraining import equalizing, looping, predicting, stepping
from minillm.course.turns.pretraining.equalizing import orthogonalize
from minillm.course.turns.pretraining.looping import train
from minillm.course.turns.pretraining.predicting import next_token_loss
from minillm.course.turns.pretraining.stepping import adamw_step

turns = (predicting.turn, stepping.turn, equalizing.turn, looping.turn)  # as on the page

__all__ = ["adamw_step", "next_token_loss", "orthogonalize", "train", "turns"]
