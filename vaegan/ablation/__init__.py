"""Ablations: from one YAML file over many runs to one table."""
