"""The turns of lesson 14, and the course's versions of what they ask for."""

from minillm.course.turns.your_assistant import judging, scoring, showing, testing
from minillm.course.turns.your_assistant.judging import wilson
from minillm.course.turns.your_assistant.scoring import score
from minillm.course.turns.your_assistant.showing import few_shot
from minillm.course.turns.your_assistant.testing import paired_test

turns = (scoring.turn, judging.turn, showing.turn, testing.turn)  # as on the page

__all__ = ["few_shot", "paired_test", "score", "turns", "wilson"]
