"""Assignment 08: one norm for a whole gradient, a batch in parts, an exam from the book, a table in two vectors."""

from minillm.course.checks.pretraining.clip import CLIP
from minillm.course.checks.pretraining.factored import FACTORED
from minillm.course.checks.pretraining.overlap import OVERLAP
from minillm.course.checks.pretraining.parts import PARTS

QUESTIONS = (CLIP, PARTS, OVERLAP, FACTORED)
