"""What the lessons share beyond the package: the course's trained models, its loss bands, and the claims it tests."""
