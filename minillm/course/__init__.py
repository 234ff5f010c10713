"""What the lessons share beyond the package: the course's trained models, its loss bands, its sweep, and the claims it tests."""
