"""The checks of assignment 14, your assistant: a module for each question, and what they share."""
