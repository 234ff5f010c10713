"""Assignment 09: reading a chat back, a chat too long for its row, two adapters in one, and a row by hand."""
