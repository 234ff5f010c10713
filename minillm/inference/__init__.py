"""From logits to text: `sampling` chooses one token, `generate` repeats it."""
