"""Assignment 05: logits attributed to neurons, tensor parallelism, a mixture of experts, and edits of facts."""
