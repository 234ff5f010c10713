"""The turns of lesson 03, and the course's versions of what they ask for."""

from minillm.course.turns.positional_encoding import adding, pair, rotating
from minillm.course.turns.positional_encoding.adding import sinusoids
from minillm.course.turns.positional_encoding.pair import rotate_pair
from minillm.course.turns.positional_encoding.rotating import rotate

turns = (adding.turn, pair.turn, rotating.turn)

__all__ = ["rotate", "rotate_pair", "sinusoids", "turns"]
