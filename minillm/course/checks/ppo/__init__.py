"""The checks of assignment 10b, PPO: a module for each question, and what they share."""
