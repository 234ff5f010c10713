"""Assignment 01: the next pair, a merge to mend, encoding in the order of learning, and text that comes in pieces."""
