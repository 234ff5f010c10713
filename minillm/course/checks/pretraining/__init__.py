"""Assignment 08: an ablation with its error, gradient accumulation, contamination, and Adafactor."""
