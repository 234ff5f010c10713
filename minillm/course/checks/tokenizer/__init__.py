"""Assignment 01: the next pair, a merge to mend, encoding in the order of learning, and text that comes in pieces."""

from minillm.course.checks.tokenizer.encode import ENCODE
from minillm.course.checks.tokenizer.merge import MERGE
from minillm.course.checks.tokenizer.pairs import NEXT_PAIR
from minillm.course.checks.tokenizer.stream import SHOW

QUESTIONS = (NEXT_PAIR, MERGE, ENCODE, SHOW)
