"""Assignment 06: the price of experts, a stream that forgets, a deeper model that says the same, shares of heads."""

from minillm.course.checks.transformer.deepen import DEEPEN
from minillm.course.checks.transformer.experts import EXPERTS
from minillm.course.checks.transformer.shares import SHARES
from minillm.course.checks.transformer.stream import STREAM

QUESTIONS = (EXPERTS, STREAM, DEEPEN, SHARES)
