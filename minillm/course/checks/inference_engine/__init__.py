"""Assignment 12: products of whole numbers, padding that is taken for text, a run of guesses, and a cache in pages."""
