"""What can be measured on a finished model.

compression   how few bits it needs to store a text without loss
evaluation    how well it knows Ottermere, and whether what it writes could stand there
"""
