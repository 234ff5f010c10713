"""Assignment 05: which neuron wrote a word, a network put together from its cards, experts, and a fact written into a
matrix."""
