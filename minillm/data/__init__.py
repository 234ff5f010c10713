"""What a model reads: the invented world, corpora, batches, chats and preferences."""
