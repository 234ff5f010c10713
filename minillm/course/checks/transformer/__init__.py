"""Assignment 06: the price of experts, a stream that forgets, a deeper model that says the same, shares of heads."""
