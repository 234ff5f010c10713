"""The turns of lesson 05, and the course's versions of what they ask for."""

from minillm.course.turns.feed_forward import layer, memory, writing
from minillm.course.turns.feed_forward.layer import feed_forward
from minillm.course.turns.feed_forward.memory import recall
from minillm.course.turns.feed_forward.writing import write_fact

turns = (layer.turn, memory.turn, writing.turn)

__all__ = ["feed_forward", "recall", "turns", "write_fact"]
