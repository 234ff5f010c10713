"""Assignment 03: places among padding, a rotation whose table pairs other numbers, weights of the other kind, and a
cache that moves up."""
