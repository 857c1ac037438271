"""Drawn faces with known factors, made when they are asked for."""

from vaegan.datasets.cartoon import source  # registers it

__all__ = ["source"]
