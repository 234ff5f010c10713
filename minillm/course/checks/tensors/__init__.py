"""Assignment 00a: a top-k accuracy with a silent broadcast, padded batches, and what a strided tensor reads."""
