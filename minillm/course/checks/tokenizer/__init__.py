"""Assignment 01: bits per byte of a bigram model, a merge by text replacement, Unigram segmentation, streamed text."""
