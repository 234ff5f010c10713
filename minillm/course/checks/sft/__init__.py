"""Assignment 09: parsing a chat, influence of training conversations, joining LoRA adapters, and packing."""
