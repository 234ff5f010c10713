"""Assignment 03: places among padding, a rotation whose table pairs other numbers, weights of the other kind, and a
cache that moves up."""

from minillm.course.checks.position.move_up import MOVE_UP
from minillm.course.checks.position.places import PLACES
from minillm.course.checks.position.to_halves import TO_HALVES
from minillm.course.checks.position.turn import TURN

QUESTIONS = (PLACES, TURN, TO_HALVES, MOVE_UP)
