"""Assignment 05: which neuron wrote a word, a network put together from its cards, experts, and a fact written into a
matrix."""

from minillm.course.checks.feed_forward.cards import CARDS
from minillm.course.checks.feed_forward.experts import EXPERTS
from minillm.course.checks.feed_forward.write import WRITE
from minillm.course.checks.feed_forward.writers import WRITERS

QUESTIONS = (WRITERS, CARDS, EXPERTS, WRITE)
