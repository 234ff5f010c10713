"""Assignment 10: weights with their errors, padding that counts, a policy for a budget of nats, and a league table."""
