"""Learned losses: VAEs, and VAEs whose loss a discriminator completes."""
