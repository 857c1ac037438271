"""Random changes to images: those that are trained on, and all that D sees."""
