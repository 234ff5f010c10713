"""Assignment 13: rounding with dice, a gradient on several cards, a model that will be used, and a pipeline."""
