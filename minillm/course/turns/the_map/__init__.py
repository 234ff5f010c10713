"""The turns of lesson 00, and the course's versions of what they ask for."""

from minillm.course.turns.the_map import choosing, surprising
from minillm.course.turns.the_map.choosing import next_token
from minillm.course.turns.the_map.surprising import surprise

turns = (choosing.turn, surprising.turn)  # as on the page

__all__ = ["next_token", "surprise", "turns"]
