"""Learned losses: VAEs, and VAEs whose loss a discriminator completes.

    import vaegan
    run = vaegan.train(vae="conv", disc="resnet", epochs=4)
    run = vaegan.load("runs/NAME")

Both come from vaegan/api.py, which is imported when one of them is used: `import vaegan` alone costs nothing.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["TrainedRun", "TrainingError", "UserError", "load", "train"]
_FROM = {"TrainingError": "vaegan.errors", "UserError": "vaegan.errors"}

_here = Path(__file__).resolve().parent
if not (_here / "datasets").is_dir():  # datasets/ is next to this folder in a checkout, in it if installed
    __path__.append(str(_here.parent))


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'vaegan' has no attribute {name!r}")
    return getattr(import_module(_FROM.get(name, "vaegan.api")), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
