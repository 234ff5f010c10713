"""Assignment 02: recall at k, a gradient that loses repeats, embeddings from counts, and negative sampling."""
