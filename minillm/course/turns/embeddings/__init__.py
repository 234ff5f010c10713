"""The turns of lesson 02, and the course's versions of what they ask for."""

from minillm.course.turns.embeddings import lookup, neighbors, sums
from minillm.course.turns.embeddings.lookup import embed
from minillm.course.turns.embeddings.neighbors import nearest
from minillm.course.turns.embeddings.sums import analogy

turns = (lookup.turn, neighbors.turn, sums.turn)  # as on the page

__all__ = ["analogy", "embed", "nearest", "turns"]
