"""Assignment 11a: a vote, the first wrong step, a loss that favors long wrong answers, and the curve of a training."""
