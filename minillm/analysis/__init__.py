"""What can be measured on a finished model. `compression`: how few bits it needs to store a text without loss."""
