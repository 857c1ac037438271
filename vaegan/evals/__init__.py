"""Evaluations of a trained run on held-out images."""
