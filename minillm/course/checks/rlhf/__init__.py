"""Assignment 10: weights with their errors, padding that speaks, a policy for a budget of nats, and a league table."""
