"""Drawn faces with known factors, made when they are needed."""

from vaegan.datasets.cartoon import source  # registers it

__all__ = ["source"]
