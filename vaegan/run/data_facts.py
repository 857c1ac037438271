"""Facts about a run's images, kept in its checkpoints: they identify the images."""

import hashlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vaegan.errors import OptionError
from vaegan.run.checksums import as_text, checksums, difference
from vaegan.training.pictures import N_REFERENCE

IMAGE_SHAPE = "image shape"  # [C, H, W]; without it networks cannot be built
TRAINING_CHECKSUMS = "checksums of training images"
HELD_OUT_CHECKSUMS = "checksums of held-out images"
HELD_OUT = "the first held-out images"  # their digest, which is all that older runs have


def data_facts(training: Any, held_out: Any, n_batches: int) -> dict[str, Any]:
    """Numbers, shape and checksums of a run's images.

    training, held_out: uint8 images, sliced to tensors [N, C, H, W]. n_batches: of an epoch.
    """
    return {
        IMAGE_SHAPE: list(training[:1].shape[1:]),
        "training images": len(training),
        "held-out images": len(held_out),
        "batches an epoch": n_batches,
        TRAINING_CHECKSUMS: as_text(checksums(training)),
        HELD_OUT_CHECKSUMS: as_text(checksums(held_out)),
        HELD_OUT: digest(held_out[:N_REFERENCE]),
    }


def check_data(data: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raises: OptionError when a resumed run had other images before, or a different number of batches.

    before: facts in the run's checkpoint; older ones lack some, which are not compared.
    """
    for name, value in data.items():
        if name in before and value != before[name]:
            if isinstance(value, int):
                said = f"{value:,} {name}, where it had {before[name]:,}"
            elif name in (TRAINING_CHECKSUMS, HELD_OUT_CHECKSUMS):
                said = f"{name.partition(' of ')[2]} that differ: {difference(value, before[name])}"
            else:
                said = name
            raise OptionError(
                "resume",
                f"the run had other images or batches ({said}); a run can be resumed only with its own",
            )


def check_held_out(images: Any, data: Mapping[str, Any]) -> None:
    """Raises: OptionError if the images are not those held out of the run: it may have trained on them.

    data: facts in the run's checkpoint.
    """
    problem = "other images than those that the run held out"
    if HELD_OUT_CHECKSUMS in data:
        if differing := difference(as_text(checksums(images)), data[HELD_OUT_CHECKSUMS]):
            raise OptionError("dataset", f"{problem} (those that differ: {differing})")
    elif digest(images[:N_REFERENCE]) != data[HELD_OUT]:
        raise OptionError("dataset", problem)


def digest(images: Tensor) -> str:
    """SHA-256 of uint8 images, the same on every device."""
    return hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()
