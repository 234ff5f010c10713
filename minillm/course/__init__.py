"""What the lessons share beyond the package: the course's own trained models."""
