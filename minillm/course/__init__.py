"""What the lessons share beyond the package: trained models, loss bands, the runs of a sweep, the claims they test."""
