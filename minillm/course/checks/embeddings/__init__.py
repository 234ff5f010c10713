"""Assignment 02: the rank of a neighbour, a gradient that loses repeats, a table from counts, and negative sampling."""
