"""Assignment 02: the rank of a neighbour, a gradient that loses repeats, a table from counts, and negative sampling."""

from minillm.course.checks.embeddings.association import ASSOCIATION
from minillm.course.checks.embeddings.gradient import GRADIENT
from minillm.course.checks.embeddings.noise import NOISE
from minillm.course.checks.embeddings.rank import RANK

QUESTIONS = (RANK, GRADIENT, ASSOCIATION, NOISE)
