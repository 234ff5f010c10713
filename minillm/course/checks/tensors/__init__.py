"""Assignment 00a: the price of a belief, a wrong step, slopes through a broadcast, and an autograd of one's own."""
