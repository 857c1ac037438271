"""The options of a run: one flat set; a field, its YAML key and its flag share one name.

Weights of terms (`beta`) and the knobs of terms and networks (`fm_layers`, `disc_depth`, ...) are not listed
here: `config_type` adds them from all registered terms and the constructors of all registered networks.
"""

import math
import re
from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo

from vaegan.augment.diffaugment import DIFFAUGMENTS
from vaegan.augment.training_images import AUGMENTATIONS
from vaegan.config.interval import Interval
from vaegan.config.knobs import DISC_PREFIX, Knob, knobs, term_knobs
from vaegan.config.option import Nature, Part, declared, option
from vaegan.errors import UserError, flag
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.nets.knob_types import LISTED
from vaegan.objective.terms import PARTS, TERMS, Term, registered_terms
from vaegan.objective.weights import Weight
from vaegan.objective.weights.constant import Constant
from vaegan.objective.weights.forms import Course
from vaegan.pixels import PixelRange
from vaegan.seeds import LARGEST_SEED

ALL = "all"  # the sections of an evaluation
DEFAULT_FAMILY = "conv"
DEFAULT_ADV = "nonsaturating"
DEFAULT_LR = 1e-3
DEFAULT_BETAS = (0.9, 0.999)
FEW_EPOCHS = 20  # runs of at most so many save and draw after every epoch
MOST_GRIDS = 30  # of samples, drawn over the epochs of a longer run
ENDING = ("cosine", "poly", "tanh")  # schedules whose learning rates depend on their end
DEFAULT_BATCH_SIZE = 64
LEAST_BATCHES = 2  # of training images
INIT_PARTS = ("encoder", "decoder", "pbp", "disc")  # parts whose initial weights may be another run's

Beta = Annotated[FiniteFloat, Field(ge=0, lt=1)]
Betas = tuple[Beta, Beta]
Ends = tuple[FiniteFloat, FiniteFloat]


def _over_time(given: Weight) -> Weight:
    """Raises: ValueError for a form that depends on more than the time."""
    if not isinstance(given, Constant | Course):
        raise ValueError("a form for weights of loss terms; here, a number or a course over time is accepted")
    return given


def _above_0(given: Any) -> Any:
    """Raises: ValueError for what is neither a form nor a number above 0."""
    if isinstance(given, Weight) or "(" in str(given):
        return given
    try:
        value = float(given)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    if value <= 0:
        raise ValueError("must be greater than 0")
    return given


OverTime = Annotated[Weight, AfterValidator(_over_time)]
Rate = Annotated[OverTime, BeforeValidator(_above_0)]


def families() -> list[str]:
    """The names that are registered both as an encoder and as a decoder."""
    return sorted({name for name, _ in ENCODERS.entries()} & {name for name, _ in DECODERS.entries()})


def _unquoted_01(given: Any) -> Any:
    """01 as text: without quotes, YAML reads it as the number 1."""
    return "01" if given == 1 else given


def two_shares(given: str | None) -> str | None:
    """Check shares such as "80/20". Raises: ValueError for all but two whole numbers above 0."""
    if given is not None and not re.fullmatch(r"0*[1-9]\d{0,5}/0*[1-9]\d{0,5}", given):
        raise ValueError("the shares to train on and to hold out are accepted, as in 80/20")
    return given


class Section(BaseModel):
    """A group of options; the docstring is its heading in --help."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true for a number: YAML reads `yes` and `on` as true, which pydantic would take for 1."""
        if isinstance(value, bool) and "bool" not in str(cls.model_fields[info.field_name].annotation):
            raise ValueError("true and false are not accepted here")
        return value


class Networks(Section):
    """Networks"""

    vae: str | None = option(
        None, "family of the encoder and the decoder", shown="conv", names=families, needs=("vae",)
    )
    encoder: str | None = option(None, "encoder", shown="the --vae family", registry=ENCODERS, needs=("vae",))
    decoder: str | None = option(None, "decoder", shown="the --vae family", registry=DECODERS, needs=("vae",))
    gan: str | None = option(
        None, "generator fed with noise, in place of a VAE", shown="none", registry=DECODERS
    )
    disc: str | None = option(
        None,
        "discriminator that adds a learned loss, or that a GAN plays against",
        shown="none: a VAE alone",
        registry=DISCRIMINATORS,
        of_disc=True,
        from_combo=True,
    )
    latent_dim: int = option(20, "latent dimensions", ge=1)
    pixel_range: Annotated[PixelRange | None, BeforeValidator(_unquoted_01)] = option(
        None,
        "pixels in [0, 1] behind a sigmoid (01), or in [-1, 1] behind a tanh (pm1)",
        shown="01; pm1 with --gan",
    )
    init: Literal["default", "dcgan"] | None = option(
        None, "initial weights: PyTorch's, or DCGAN's N(0, 0.02)", shown="default; dcgan with --gan deep_conv"
    )


class Start(Section):
    """Weights to begin with"""

    init_from: str | None = option(
        None,
        "run, or RUN:CHECKPOINT, to take initial weights from, for all networks that they fit",
        shown="none",
    )
    init_parts: Annotated[list[Literal["encoder", "decoder", "pbp", "disc"]] | None, LISTED] = option(
        None, "parts to take from that run, separated by commas", shown="all that fit"
    )


class Losses(Section):
    """Losses and their weights"""

    pbp: str = option("bce", "pixel-by-pixel loss, summed over pixels", registry=PBP_LOSSES, needs=("vae",))
    pbp_decay: FiniteFloat = option(
        1.0,
        "factor on the PBP weight after every --pbp-decay-every combo epochs",
        gt=0,
        needs=("vae",),
        weight_for="gen",
        from_combo=True,
    )
    pbp_decay_every: int = option(
        25, "combo epochs between two decays", ge=1, needs=("vae",), weight_for="gen", from_combo=True
    )
    adv: str | None = option(
        None,
        "adversarial loss of both players",
        shown=DEFAULT_ADV,
        registry=ADVERSARIAL,
        needs=("disc",),
        of_disc=True,
    )


class Balance(Section):
    """Keeping the two players in balance"""

    disc_steps: int | None = option(
        None,
        "discriminator's steps for one of the generator",
        shown="1; 5 with --gan and a wgan",
        ge=1,
        needs=("disc",),
        of_disc=True,
    )
    fakes: Literal["reconstructions", "samples", "both"] | None = option(
        None,
        "decoded images that D sees and the adversarial loss acts on; samples are decoded from the prior",
        shown="reconstructions",
        needs=("vae", "disc"),
        of_disc=True,
        off="reconstructions",
    )
    adv_to: Literal["both", "decoder"] | None = option(
        None,
        "networks that the adversarial loss trains: encoder and decoder, or the decoder alone",
        shown="both",
        needs=("vae", "disc"),
        off="both",
    )
    penalty_every: int | None = option(
        None,
        "compute penalties only in every so many steps of D, with a weight larger by this factor",
        shown="1",
        ge=1,
        needs=("disc",),
        of_disc=True,
        off=1,
        weight_for="disc",
    )
    weight_clip: FiniteFloat | None = option(
        None,
        "bound on D's weights after each of its steps",
        shown="none",
        gt=0,
        needs=("disc",),
        of_disc=True,
    )
    spectral_norm: bool | None = option(
        None, "spectral norm in all of D's layers", shown="false", needs=("disc",), of_disc=True, off=False
    )
    label_smoothing: FiniteFloat | None = option(
        None,
        "subtracted from the originals' label of 1",
        shown="0",
        ge=0,
        lt=1,
        needs=("disc",),
        of_disc=True,
        off=0,
    )
    instance_noise: OverTime | None = option(
        None,
        "standard deviation of Gaussian noise on D's inputs, in the model's pixel range",
        shown="0",
        needs=("disc",),
        of_disc=True,
        off=Constant(0.0),
    )
    instance_noise_epochs: int | None = option(
        None,
        "epochs over which that noise falls linearly to 0",
        shown="all in which D is trained",
        ge=1,
        needs=("disc",),
        of_disc=True,
    )
    disc_sees_8bit: bool | None = option(
        None,
        "round D's inputs to 8-bit levels, as in image files; gradients pass as if they were not rounded",
        shown="false",
        needs=("disc",),
        of_disc=True,
        off=False,
    )
    diffaug: Annotated[list[str] | None, LISTED] = option(
        None,
        "DiffAugment's random transforms of D's inputs, separated by commas",
        shown="none",
        names=DIFFAUGMENTS.names,
        needs=("disc",),
        of_disc=True,
        off=[],
    )
    ema: FiniteFloat | None = option(
        None,
        "decay per step of an average of the decoder's weights, which then draws samples and is evaluated",
        shown="none",
        gt=0,
        lt=1,
    )


class Epochs(Section):
    """Epochs"""

    epochs: int = option(16, "epochs in all", ge=1, changeable=True, from_combo=True)
    solo_epochs: int | None = option(
        None,
        "epochs of the VAE alone at the start",
        shown="half of --epochs with --disc",
        ge=0,
        needs=("vae", "disc"),
        off_without={"disc": 0, "vae": 0},
    )
    disc_warmup_epochs: int | None = option(
        None,
        "the last of these epochs, in which D trains on the reconstructions while the VAE trains alone",
        shown="0",
        ge=0,
        needs=("vae", "disc"),
        of_disc=True,
        off=0,
    )
    max_disc_loss: FiniteFloat | None = option(
        None,
        "leave the adversarial loss out of the VAE's or generator's update for one epoch after an epoch "
        "whose D loss, without penalties, was above this (a draw is 1.386 for logistic losses)",
        shown="never",
        ge=0,
        needs=("disc",),
    )
    gates: Annotated[Ends | None, LISTED] = option(
        None,
        "equilibrium and margin of D's losses on originals and on fakes, two numbers (0.68,0.4): D rests in "
        "a step after one was below their difference; after one above their sum the learned loss is left out",
        shown="none",
        needs=("disc",),
        of_disc=True,
    )


class Training(Section):
    """Training"""

    batch_size: int | None = option(
        None, "images a step", shown=f"{DEFAULT_BATCH_SIZE}, or less so that there are two batches", ge=1
    )
    lr: Rate | None = option(
        None, "Adam's learning rate", shown=f"{DEFAULT_LR}; with --gan 2e-4, wgan 5e-5, wgan-gp 1e-4"
    )
    disc_lr: Rate | None = option(
        None, "the discriminator's learning rate", shown="--lr", needs=("disc",), of_disc=True
    )
    betas: Annotated[Betas | None, LISTED] = option(
        None, "Adam's betas, two numbers", shown="0.9,0.999; with --gan 0.5,0.999, a wgan 0,0.9"
    )
    disc_betas: Annotated[Betas | None, LISTED] = option(
        None, "the discriminator's betas", shown="--betas", needs=("disc",), of_disc=True
    )
    lr_schedule: Literal["constant", "cosine", "poly", "step", "tanh"] = option(
        "constant", "timm's schedule of both learning rates over the run"
    )
    lr_epochs: int | None = option(
        None,
        f"epochs of the run after which {', '.join(ENDING)} have ended",
        shown="--epochs",
        ge=1,
        changeable=True,
    )
    lr_decay: FiniteFloat | None = option(None, "factor of --lr-schedule step", shown="0.1", gt=0, le=1)
    lr_decay_every: int | None = option(None, "epochs between two such factors", shown="30", ge=1)
    warmup_epochs: int = option(0, "epochs over which the learning rates rise at the start", ge=0)
    seed: int = option(0, "seed of weights, order and noise", ge=0, le=LARGEST_SEED, one_run=True)
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to train; auto takes a GPU if there is one", changeable=True
    )
    precision: Literal["auto", "fp32", "bf16"] | None = option(
        None,
        "arithmetic of the networks; weights stay fp32; auto measures which is faster, and records it",
        shown="auto with CUDA, else fp32",
    )
    accumulate: int = option(
        1,
        "number of parts of a batch that are computed one after the other, to save memory",
        ge=1,
        changeable=True,
    )


class Data(Section):
    """Data"""

    dataset: str = option(
        "cartoon:2000",
        "data set, or the path of a folder, an archive, an array or parquet files of images",
        changeable=True,
        is_path=True,
        images="all",
    )
    image_size: int | None = option(
        None, "side of the images, pixels", shown="the data set's own", ge=1, images="all"
    )
    data_dir: str | None = option(
        None,
        "folder that holds the data sets' files",
        shown="$VAEGAN_DATA, or data",
        changeable=True,
        housekeeping=True,
        is_path=True,
    )
    split_seed: int = option(
        0,
        "seed of the split into train and test, for a data set without a split",
        ge=0,
        le=LARGEST_SEED,
        images="all",
    )
    train_images: int | None = option(
        None, "training images to use, picked by --split-seed", shown="all", ge=1, images="training"
    )
    test_images: int | None = option(
        None, "held-out images to use, picked by --split-seed", shown="all", ge=1, images="all"
    )
    split: Annotated[str | None, AfterValidator(two_shares)] = option(
        None,
        "shares of a folder's images to train on and to hold out, even if it has a split of its own",
        shown="its own: folders train and test or val; else 80/20",
        changeable=True,
        images="all",
    )
    labels: Literal["auto", "none"] = option(
        "auto",
        "classes of a folder's images: its class folders or labels.csv, or none",
        changeable=True,
        images="all",
    )
    crop: int | None = option(
        None,
        "side of the square cut out of the middle of a folder's images, pixels",
        shown="the largest there is",
        ge=1,
        images="all",
    )
    value_range: Annotated[Ends | None, LISTED] = option(
        None,
        "values that become black and white in a folder's images of more than 8 bits, two numbers",
        shown="found from all these images together",
        images="all",
    )
    augment: Annotated[list[str] | None, LISTED] = option(
        None,
        "random changes to training images, separated by commas, some with a strength (rotate:20)",
        shown="none",
        names=AUGMENTATIONS.names,
        images="training",
        off=[],
    )
    memory_limit: int = option(
        1024,
        "MiB of decoded images to hold in memory; larger sets are read from the cache",
        ge=0,
        changeable=True,
        housekeeping=True,
    )
    cache_dir: str | None = option(
        None,
        "folder that caches drawn and decoded images",
        shown="$VAEGAN_CACHE, or vaegan in the user's folder for caches",
        changeable=True,
        housekeeping=True,
        is_path=True,
    )


class Output(Section):
    """Output"""

    run_name: str | None = option(
        None,
        "name of the run's folder",
        shown="made from data set, networks and loss, with a counter",
        changeable=True,
        housekeeping=True,
        one_run=True,
    )
    runs_dir: str = option(
        "runs", "folder of the run folders", changeable=True, housekeeping=True, one_run=True
    )
    figure_epochs: Annotated[list[PositiveInt] | None, LISTED] = option(
        None,
        "epochs after which pictures are drawn, from 1; they are always drawn after the last",
        shown=f"all of up to {FEW_EPOCHS}, else up to {MOST_GRIDS} as far as time allows",
        changeable=True,
        housekeeping=True,
    )
    save_every: Interval | None = option(
        None,
        "steps (500) or minutes (10min) between checkpoints within an epoch; each epoch ends with one, too",
        shown=f"10min; with more than {FEW_EPOCHS} epochs, after as many as time allows, and the last",
        changeable=True,
        housekeeping=True,
    )
    keep_epochs: Annotated[list[PositiveInt] | None, LISTED] = option(
        None,
        "epochs after which the checkpoint is kept, from 1",
        shown="none: only the last two are kept",
        changeable=True,
        housekeeping=True,
        off=[],
    )
    keep_best: str | None = option(
        None,
        "key of metrics.jsonl; the checkpoint of its best epoch is kept: KEY, the lowest, or KEY:max; totals "
        "and weighted terms are compared only among epochs with the same weights as the last",
        shown="none",
        housekeeping=True,
    )
    evaluate: bool = option(
        True,
        "evaluate the run after its last epoch, and write its report",
        changeable=True,
        housekeeping=True,
        one_run=True,
    )
    features: str = option(
        "auto",
        "feature networks for the evaluation's distances, separated by commas, as in `evaluate --help`",
        changeable=True,
        housekeeping=True,
    )
    sections: Annotated[list[str], LISTED] = option(
        [ALL],
        "sections of the evaluation, separated by commas, as in `evaluate --help`",
        shown=ALL,
        changeable=True,
        housekeeping=True,
    )


class Tracking(Section):
    """Tracking"""

    tracker: Annotated[list[str], LISTED] = option(
        ["wandb"],
        "services that show the run, separated by commas, or none",
        shown="wandb",
        changeable=True,
        housekeeping=True,
    )
    wandb: Literal["auto", "online", "offline", "disabled"] = option(
        "auto",
        "W&B: online with a key, else offline into the run's folder; $WANDB_MODE overrides this",
        changeable=True,
        housekeeping=True,
    )
    wandb_project: str | None = option(
        None, "project of the runs", shown="$WANDB_PROJECT, or vaegan", changeable=True, housekeeping=True
    )
    wandb_group: str | None = option(
        None,
        "group of runs that the run belongs to",
        shown="none",
        changeable=True,
        housekeeping=True,
        one_run=True,
    )
    wandb_tags: Annotated[list[str] | None, LISTED] = option(
        None,
        "tags to find the run by, separated by commas",
        shown="none",
        changeable=True,
        housekeeping=True,
        off=[],
    )
    wandb_notes: str | None = option(
        None, "note on the run", shown="none", changeable=True, housekeeping=True
    )


SECTIONS = (Networks, Start, Losses, Balance, Epochs, Training, Data, Output, Tracking)


class Config(Tracking, Output, Data, Training, Epochs, Balance, Losses, Start, Networks):
    """A run's options. `config_type` gives the class that also has the networks' knobs."""

    @property
    def encoder_name(self) -> str:
        """The encoder; a GAN has none."""
        return "" if self.gan else self.encoder or self.vae or DEFAULT_FAMILY

    @property
    def decoder_name(self) -> str:
        """The decoder, which is a GAN's generator."""
        return self.gan or self.decoder or self.vae or DEFAULT_FAMILY

    @property
    def slope_penalties(self) -> list[str]:
        """The options that set the weights of this run's penalties on D's slope."""
        names = [term.weight.name for term in registered_terms() if term.slope_penalty]
        return [name for name in names if getattr(self, name) is not None]

    def typed_knobs(self, prefix: str = "") -> dict[str, Any]:
        """The networks' knobs that were set: those with the prefix `disc_`, or the others."""
        return {
            knob.name: getattr(self, knob.option)
            for knob in knobs(prefix)
            if getattr(self, knob.option, None) is not None
        }

    def to_dict(self) -> dict[str, Any]:
        """The options that have a value, as YAML values; read back, they make the same run.

        The run's name is omitted, since two runs cannot share one.
        """
        unused = needing("vae") if self.gan else ()
        return self.model_dump(mode="json", exclude_none=True, exclude={"run_name", *unused})


def config_type() -> type[Config]:
    """The config's class, with a field for each registered term's weight and each knob of a network."""
    registries = (TERMS, ENCODERS, DECODERS, DISCRIMINATORS)
    return _with_registered(Config, *(tuple(registry.entries()) for registry in registries))


@cache
def _with_registered(base: type[Config], *registered: tuple[tuple[str, Any], ...]) -> type[Config]:
    """The class for the registered terms and networks, which define weights and knobs.

    Raises: UserError for a term of which an option has the name of another one.
    """
    of_networks = {
        knob.option: _knob_field(knob, prefix) for prefix in ("", DISC_PREFIX) for knob in knobs(prefix)
    }
    fields = {}
    for term in registered_terms():
        if term.weight.name in fields or term.weight.name in base.model_fields:
            raise UserError(f"loss term {term.key}: there is another option {flag(term.weight.name)}")
        fields[term.weight.name] = _weight_field(term)
        for knob in term_knobs(term):
            if knob.option in {*fields, *base.model_fields, *of_networks}:
                problem = f"its knob `{knob.name}` has the name of another option, {flag(knob.option)}"
                raise UserError(f"loss term {term.key}: {problem}")
            fields[knob.option] = _term_knob_field(knob, term)
    fields |= of_networks
    looks = (
        (name, str(kind), repr(info.default), repr(declared(info))) for name, (kind, info) in fields.items()
    )
    names = (base, *looks)
    if names not in _config_types:  # one class for one set of knobs, so that equal configs compare equal
        _config_types[names] = create_model("Config", __base__=base, **fields)
    return _config_types[names]


_config_types: dict[tuple[Any, ...], type[Config]] = {}


def _knob_field(knob: Knob, prefix: str) -> tuple[Any, Any]:
    nature = {"needs": ("disc",), "of_disc": True} if prefix == DISC_PREFIX else {}
    return (knob.annotation | None, option(None, knob.description, shown=knob.defaults, **nature))


def _term_knob_field(knob: Knob, term: Term) -> tuple[Any, Any]:
    nature = {"needs": needed_by(term), "weight_for": term.player}
    annotation = knob.annotation | None
    if LISTED in getattr(knob.annotation, "__metadata__", ()):  # where `is_listed` looks for it
        annotation = Annotated[annotation, LISTED]
    return (annotation, option(None, knob.description, shown=knob.defaults, **nature))


def needed_by(term: Term) -> tuple[Part, ...]:
    """The parts of a run without which a term's options cannot be given."""
    return tuple(part for part in PARTS if part in (*term.needs, *term.weight.needs))


def _weight_field(term: Term) -> tuple[Any, Any]:
    """The option of a term's weight. A weight of 0 means no such term, if that is the default."""
    default = None if term.weight.default is None else Constant(term.weight.default)
    nature: dict[str, Any] = {
        "needs": needed_by(term),
        "weight_for": term.player,
        "of_disc": term.player == "disc",
        "from_combo": term.weight.from_combo,
    }
    if default is None:
        nature["off"] = Constant(0.0)
    if "disc" in term.needs:  # the default is filled in if there is a D
        nature["off_without"] = {"disc": Constant(0.0)}
        default = None
    with_disc = " with --disc" if "disc" in term.needs else ""
    shown = term.weight.shown or (
        "none" if term.weight.default is None else f"{Constant(term.weight.default)}{with_disc}"
    )
    annotation = Weight | None if default is None else Weight
    return (annotation, option(default, term.weight.description, shown=shown, **nature))


def options_of(section: type[Section]) -> list[str]:
    """The options under a heading of --help: the section's own, and the terms' weights and knobs in it."""
    terms = [term for term in registered_terms() if term.weight.section == section.__doc__]
    of_terms = [[term.weight.name, *(knob.option for knob in term_knobs(term))] for term in terms]
    return [*section.model_fields, *chain.from_iterable(of_terms)]


def place_in_help(name: str) -> int:
    """The position of an option in --help among those under headings; networks' knobs come after all."""
    listed = [each for section in SECTIONS for each in options_of(section)]
    return listed.index(name) if name in listed else len(listed)


def natures() -> dict[str, Nature]:
    """The nature of every option by its name, in the order of config.yaml."""
    return {name: declared(info).nature for name, info in config_type().model_fields.items()}


def options(has: Callable[[Nature], Any]) -> list[str]:
    """The options whose nature fulfils a condition: `options(lambda nature: nature.changeable)`."""
    return [name for name, nature in natures().items() if has(nature)]


def needing(part: Part) -> list[str]:
    """The options that cannot be given without that part of a run."""
    return options(lambda nature: part in nature.needs)


def is_listed(info: FieldInfo) -> bool:
    """True if an option takes several values."""
    return LISTED in info.metadata


def literals(info: FieldInfo) -> list[str]:
    """The values that a `Literal` anywhere in an option's annotation accepts."""

    def of(annotation: Any) -> list[str]:
        if get_origin(annotation) is Literal:
            return list(get_args(annotation))
        return [value for part in get_args(annotation) for value in of(part)]

    return of(info.annotation)


def in_percent(config: Config) -> list[str]:
    """The options whose weights have lengths in percent of the run's epochs, or of the combo part's."""
    values = {name: getattr(config, name) for name in type(config).model_fields}
    return [name for name, value in values.items() if isinstance(value, Weight) and "%" in str(value)]


def played_alone(config: Config) -> int:
    """The solo epochs of a run with a discriminator, also before they are resolved."""
    if config.gan:
        return 0
    return config.epochs // 2 if config.solo_epochs is None else config.solo_epochs


def disc_begins(config: Config) -> int:
    """The epoch, from 0, in which a discriminator begins to train."""
    return played_alone(config) - (config.disc_warmup_epochs or 0)
