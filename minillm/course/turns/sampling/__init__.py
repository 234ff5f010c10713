"""The turns of lesson 07, and the course's versions of what they ask for."""

from minillm.course.turns.sampling import cutting, drawing, looping, remembering
from minillm.course.turns.sampling.cutting import top_p
from minillm.course.turns.sampling.drawing import sample
from minillm.course.turns.sampling.looping import generate
from minillm.course.turns.sampling.remembering import remember

turns = (drawing.turn, cutting.turn, looping.turn, remembering.turn)  # as on the page

__all__ = ["generate", "remember", "sample", "top_p", "turns"]
