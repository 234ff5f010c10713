"""Assignment 11: raters who slip, each answer against the others, the token that closes it, and thumbs for pairs."""
