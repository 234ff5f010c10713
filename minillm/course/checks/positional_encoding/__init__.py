"""Assignment 03: places among padding, a rotation whose table pairs other numbers, weights of the other kind, and a
cache that moves up."""

from minillm.course.checks.positional_encoding.move_up import MOVE_UP
from minillm.course.checks.positional_encoding.places import PLACES
from minillm.course.checks.positional_encoding.to_halves import TO_HALVES
from minillm.course.checks.positional_encoding.turn import TURN

QUESTIONS = (PLACES, TURN, TO_HALVES, MOVE_UP)
