"""The turns of lesson 01, and the course's versions of what they ask for."""

from minillm.course.turns.tokenizer import counting, encoding, learning, merging
from minillm.course.turns.tokenizer.counting import count_pairs
from minillm.course.turns.tokenizer.encoding import encode
from minillm.course.turns.tokenizer.learning import learn
from minillm.course.turns.tokenizer.merging import merge

turns = (counting.turn, merging.turn, learning.turn, encoding.turn)  # as on the page

__all__ = ["count_pairs", "encode", "learn", "merge", "turns"]
