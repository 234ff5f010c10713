"""Assignment 08: one norm for a whole gradient, a batch in parts, an exam from the book, a table in two vectors."""
