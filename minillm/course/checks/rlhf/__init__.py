"""Assignment 10: a whole ranking as a loss, padding that speaks, a policy for a budget of nats, and a league table."""
