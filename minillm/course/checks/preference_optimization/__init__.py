"""Assignment 11: estimators of the KL, each answer against the others, the token that closes it, thumbs for pairs."""
