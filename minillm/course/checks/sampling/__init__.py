"""Assignment 07: a penalty that counts, a nucleus for each text of a batch, a dial in nats, and the likeliest text."""
