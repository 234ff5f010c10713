"""Assignment 07: the log-probability of a sampled text, Gumbel-max, a temperature for an entropy, and beam search."""
