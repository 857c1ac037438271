"""Learned losses: VAEs, and VAEs whose loss a discriminator completes."""

from pathlib import Path

_here = Path(__file__).resolve().parent
if not (_here / "datasets").is_dir():  # in a checkout that folder lies beside this one; installed, in it
    __path__.append(str(_here.parent))
