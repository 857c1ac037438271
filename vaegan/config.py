"""What a run is made from: one flat set of options; a field, its YAML key and its flag share one name.

The networks' knobs (`hidden_dim`, `disc_depth`, ...) are not written here: `config_type` adds them,
read from the constructors of whatever is registered.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from vaegan.augment import AUGMENTATIONS, build_augmentation
from vaegan.errors import OptionError, OptionErrors, did_you_mean
from vaegan.knobs import DISC_PREFIX, Knob, knobs
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.pixels import INTERVALS, PixelRange
from vaegan.seeds import LARGEST_SEED
from vaegan.weights import Weight

DEFAULT_DISC_WEIGHT = Weight(10.0)


def families() -> list[str]:
    """The names that stand for both an encoder and a decoder."""
    return sorted({name for name, _ in ENCODERS.entries()} & {name for name, _ in DECODERS.entries()})


def option(
    default: Any,
    description: str,
    *,
    shown: str | None = None,
    names: Callable[[], list[str]] = list,
    **limits,
) -> Any:
    """A field of the config.

    description: meaning and unit. shown: the default in words, where it depends on other options.
    names: gives the registered names that it takes, for --help. limits: pydantic's (`gt`, `ge`, ...).
    """
    extra = {"shown": shown, "names": names}
    return Field(default, description=description, json_schema_extra=extra, **limits)


def _listed(given: Any) -> Any:
    """A flag's "a,b" as the list that YAML would give."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


class Section(BaseModel):
    """A group of options; the docstring is its heading in --help."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `yes` and `on` as true, which pydantic would take for 1."""
        if isinstance(value, bool) and "bool" not in str(cls.model_fields[info.field_name].annotation):
            raise ValueError("true and false are not accepted here")
        return value


class Networks(Section):
    """Networks"""

    vae: str = option("conv", "family of the encoder and the decoder", names=families)
    encoder: str | None = option(None, "encoder", shown="the --vae family", names=ENCODERS.names)
    decoder: str | None = option(None, "decoder", shown="the --vae family", names=DECODERS.names)
    disc: str | None = option(
        None,
        "discriminator that adds a learned loss",
        shown="none: a VAE alone",
        names=DISCRIMINATORS.names,
    )
    latent_dim: int = option(20, "latent dimensions", ge=1)
    # YAML reads an unquoted 01 as the number 1
    pixel_range: Annotated[PixelRange, BeforeValidator(lambda given: "01" if given == 1 else given)] = option(
        "01", "pixels in [0, 1] behind a sigmoid (01), or in [-1, 1] behind a tanh (pm1)"
    )


class Losses(Section):
    """Losses and their weights"""

    pbp: str = option("bce", "pixel-by-pixel loss, summed over pixels", names=PBP_LOSSES.names)
    beta: Weight = option(Weight(1.0), "weight of the KL divergence")
    pbp_weight: Weight = option(Weight(1.0), "weight of the PBP loss in combo epochs")
    pbp_decay: FiniteFloat = option(
        1.0, "factor on the PBP weight after every --pbp-decay-every combo epochs", gt=0
    )
    pbp_decay_every: int = option(25, "combo epochs between two decays", ge=1)
    disc_weight: Weight | None = option(
        None, "weight of the learned loss", shown=f"{DEFAULT_DISC_WEIGHT} with --disc"
    )


class Epochs(Section):
    """Epochs"""

    epochs: int = option(16, "epochs in all", ge=1)
    solo_epochs: int | None = option(
        None, "epochs of the VAE alone at the start", shown="half of --epochs with --disc", ge=0
    )
    max_disc_loss: FiniteFloat | None = option(
        None,
        "leave the learned loss out in the epoch after one whose D loss was above this (a draw is 1.386)",
        shown="never",
        ge=0,
    )


class Training(Section):
    """Training"""

    batch_size: int = option(64, "images a step", ge=1)
    lr: FiniteFloat = option(1e-3, "Adam's learning rate", gt=0)
    disc_lr: FiniteFloat | None = option(None, "the discriminator's learning rate", shown="--lr", gt=0)
    seed: int = option(0, "seed of weights, order and noise", ge=0, le=LARGEST_SEED)
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to train; auto takes a GPU if there is one"
    )
    precision: Literal["fp32", "bf16"] = option("fp32", "arithmetic of the networks; weights stay fp32")


class Data(Section):
    """Data"""

    dataset: str = option("digits", "data set, or the path of a folder of images")
    image_size: int | None = option(None, "side of the images, pixels", shown="the data set's own", ge=1)
    data_dir: str | None = option(
        None, "folder that holds the data sets' files", shown="$VAEGAN_DATA, or data"
    )
    split_seed: int = option(
        0, "seed of the split into train and test, where a data set has none", ge=0, le=LARGEST_SEED
    )
    crop: int | None = option(
        None,
        "side of the square cut out of the middle of a folder's images, pixels",
        shown="the largest there is",
        ge=1,
    )
    augment: Annotated[list[str] | None, BeforeValidator(_listed)] = option(
        None,
        "random changes to training images, separated by commas, some with a strength (rotate:20)",
        shown="none",
        names=AUGMENTATIONS.names,
    )
    memory_limit: int = option(
        1024, "MiB of decoded images to hold in memory; larger sets are read from the cache", ge=0
    )
    cache_dir: str | None = option(
        None,
        "folder for what is drawn or decoded once",
        shown="$VAEGAN_CACHE, or vaegan in the user's folder for caches",
    )


class Output(Section):
    """Output"""

    run_name: str | None = option(None, "name of the run's folder", shown="what it is, and a counter")
    runs_dir: str = option("runs", "folder of the run folders")


class Tracking(Section):
    """Weights & Biases"""

    wandb: Literal["auto", "online", "offline", "disabled"] = option(
        "auto", "online where there is a key, else offline into the run's folder; $WANDB_MODE wins"
    )
    wandb_project: str | None = option(None, "project of the runs", shown="$WANDB_PROJECT, or vaegan")
    wandb_group: str | None = option(None, "what the run belongs to", shown="none")
    wandb_tags: Annotated[list[str] | None, BeforeValidator(_listed)] = option(
        None, "words to find the run by, separated by commas", shown="none"
    )
    wandb_notes: str | None = option(None, "a remark on the run", shown="none")


SECTIONS = (Networks, Losses, Epochs, Training, Data, Output, Tracking)


class Config(Tracking, Output, Data, Training, Epochs, Losses, Networks):
    """A run's options. `config_type` gives the class that also has the networks' knobs."""

    @property
    def encoder_name(self) -> str:
        return self.encoder or self.vae

    @property
    def decoder_name(self) -> str:
        return self.decoder or self.vae

    def typed_knobs(self, prefix: str = "") -> dict[str, Any]:
        """The networks' knobs that were set: those with `disc_` in front, or the others."""
        return {
            knob.name: getattr(self, knob.option)
            for knob in knobs(prefix)
            if getattr(self, knob.option, None) is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """The options that have a value, as YAML takes them; given back, they make the same run.

        The run's name is left out, since two runs cannot share one.
        """
        return self.model_dump(exclude_none=True, exclude={"run_name"})


def config_type() -> type[Config]:
    """The config's class, with a field for each knob of the networks registered by now."""
    found = [knob for prefix in ("", DISC_PREFIX) for knob in knobs(prefix)]
    names = tuple(knob.option for knob in found)
    if names not in _config_types:  # one class for one set of knobs, so that equal configs compare equal
        fields = {knob.option: _knob_field(knob) for knob in found}
        _config_types[names] = create_model("Config", __base__=Config, **fields)
    return _config_types[names]


_config_types: dict[tuple[str, ...], type[Config]] = {}


def _knob_field(knob: Knob) -> tuple[Any, Any]:
    return (knob.annotation | None, option(None, knob.description, shown=knob.defaults))


def make_config(values: Mapping[str, Any]) -> Config:
    """A config from options as a YAML file or flags give them; what is missing takes its default.

    Raises: OptionErrors with everything that is wrong: unknown options, wrong types, values out of
    range, unknown names and combinations that cannot work.
    """
    cls = config_type()
    errors = list(_unknown_names(values))
    try:
        config = cls(**values)
    except ValidationError as error:
        errors += [_option_error(detail, cls) for detail in error.errors()]
    else:
        errors += _contradictions(config)
    if errors:
        raise OptionErrors(errors)
    return config


def resolved(config: Config, image_size: int) -> Config:
    """The config with the values that depend on other options written in."""
    update: dict[str, Any] = {"image_size": image_size}
    if config.disc:
        update["disc_weight"] = config.disc_weight or DEFAULT_DISC_WEIGHT
        update["solo_epochs"] = config.epochs // 2 if config.solo_epochs is None else config.solo_epochs
        update["disc_lr"] = config.disc_lr or config.lr
    return config.model_copy(update=update)


def _option_error(detail: Mapping[str, Any], cls: type[Config]) -> OptionError:
    """One of pydantic's errors in our words."""
    name = str(detail["loc"][0])
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "extra_forbidden":
        problem = f"unknown option; {did_you_mean(name, cls.model_fields)}--help lists them all"
    elif kind in ("float_parsing", "float_type", "finite_number"):
        problem = "not a finite number"
    elif kind in ("int_parsing", "int_type", "int_from_float"):
        problem = "not a whole number"
    elif kind in ("bool_parsing", "bool_type"):
        problem = "neither true nor false"
    elif kind == "string_type":
        problem = "not a text; put it in quotes"
    elif kind == "literal_error":
        accepted = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        problem = (
            f"unknown value; {did_you_mean(str(detail['input']), accepted)}Known: {', '.join(accepted)}."
        )
    elif kind == "value_error":
        problem = str(context["error"])
    else:
        problem = detail["msg"].replace("Input should be", "must be")
    return OptionError(name, problem)


def _contradictions(config: Config) -> Iterable[OptionError]:
    """Options that cannot go together."""
    if config.disc is None:
        needing = ["disc_weight", "solo_epochs", "max_disc_loss", "disc_lr"]
        needing += [DISC_PREFIX + name for name in config.typed_knobs(DISC_PREFIX)]
        for name in needing:
            if getattr(config, name) is not None:
                yield OptionError(name, "needs a discriminator; add --disc NAME")
    elif config.solo_epochs is not None and config.solo_epochs > config.epochs:
        yield OptionError(
            "solo_epochs", f"more than the {config.epochs} epochs in all; raise --epochs or lower it"
        )
    known = dict(PBP_LOSSES.entries())
    needed = getattr(known.get(config.pbp), "pixel_range", config.pixel_range)
    if config.pixel_range != needed:
        others = ", ".join(name for name, loss in known.items() if not hasattr(loss, "pixel_range"))
        problem = f"--pbp {config.pbp} needs pixels in {INTERVALS[needed]}; use {needed}, or --pbp {others}"
        yield OptionError("pixel_range", problem)
    for tag in config.wandb_tags or ():
        if not 1 <= len(tag) <= 64:
            yield OptionError("wandb_tags", "W&B takes tags of 1 to 64 characters")
    if config.wandb_project is not None and (
        not config.wandb_project or set(config.wandb_project) & set("/\\#?%:")
    ):
        yield OptionError("wandb_project", "not a project's name: W&B takes none with any of / \\ # ? % :")
    if config.run_name is not None and not _is_folder_name(config.run_name):
        yield OptionError("run_name", "not a folder's name; --runs-dir says where the folder goes")


def _is_folder_name(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name.encode()) <= 255


def _unknown_names(values: Mapping[str, Any]) -> Iterable[OptionError]:
    """The names that nothing is registered under."""
    for name, registry in (
        ("encoder", ENCODERS),
        ("decoder", DECODERS),
        ("disc", DISCRIMINATORS),
        ("pbp", PBP_LOSSES),
    ):
        if isinstance(given := values.get(name), str):
            try:
                registry.find(given)
            except ValueError as error:
                yield OptionError(name, str(error))
    augment = _listed(values.get("augment"))
    if isinstance(augment, list) and all(isinstance(name, str) for name in augment):
        try:
            build_augmentation(augment)
        except ValueError as error:
            yield OptionError("augment", str(error))
    family = values.get("vae")
    unused = "encoder" in values and "decoder" in values
    if isinstance(family, str) and family not in families() and not unused:
        hint = did_you_mean(family, families())
        yield OptionError("vae", f"unknown family; {hint}Known: {', '.join(families())}.")
