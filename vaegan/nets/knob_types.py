"""Types for the knobs that networks share: keyword arguments of their constructors.

A constructor's keyword-only arguments are its knobs. Flags, YAML keys, help and errors are derived from
its signature. A knob annotated with a type from here gets the meaning and the limits given here; any
other gets them from its own annotation.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field


def as_list(given: Any) -> Any:
    """A flag's "a,b" as the list that YAML would give; a number alone is a list of one."""
    if isinstance(given, str):
        return [part.strip() for part in given.split(",")]
    return [given] if isinstance(given, (int, float)) else given


LISTED = BeforeValidator(as_list)  # of a knob or an option that takes several values

Activation = Annotated[
    Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"],
    Field(description="activation between layers"),
]
Norm = Annotated[
    Literal["auto", "batch", "group", "none"],
    Field(description="normalisation between layers; auto is batch"),
]
KERNEL_SIZES = (3, 4, 5, 7, 9, 11)


def _known_kernel_size(size: int) -> int:
    if size not in KERNEL_SIZES:
        raise ValueError(f"known kernel sizes: {', '.join(map(str, KERNEL_SIZES))}")
    return size


HiddenDim = Annotated[int, Field(ge=1, description="units in each hidden layer")]
NumLayers = Annotated[int, Field(ge=1, description="hidden layers")]
BaseChannels = Annotated[
    int, Field(ge=1, description="channels of the stage at the largest map; doubled at each halving")
]
Depth = Annotated[int, Field(ge=1, description="stages; each halves (or doubles) the image")]
KernelSize = Annotated[
    int,
    AfterValidator(_known_kernel_size),
    Field(description=f"side of the convolutions, pixels ({', '.join(map(str, KERNEL_SIZES))})"),
]
Pretrained = Annotated[bool, Field(description="start from timm's pretrained weights (downloaded)")]
