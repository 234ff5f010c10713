"""What a model reads: corpora, batches, chats and preferences."""
