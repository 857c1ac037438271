"""Ablations: many runs from one YAML file, and one table of their results."""
