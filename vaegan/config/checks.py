"""Checks of a config: contradictory options and unknown names."""

from collections.abc import Iterable, Mapping
from typing import Any

from vaegan.augment.diffaugment import build_diffaugment
from vaegan.augment.training_images import build_augmentation
from vaegan.config.knobs import term_knobs
from vaegan.config.option import declared
from vaegan.config.schema import (
    DEFAULT_ADV,
    DEFAULT_BATCH_SIZE,
    ENDING,
    Config,
    config_type,
    disc_begins,
    families,
    needing,
    played_alone,
)
from vaegan.errors import OptionError, did_you_mean, flag
from vaegan.losses.adversarial import ADVERSARIAL, AdversarialLoss, is_adversarial
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.knob_types import as_list
from vaegan.objective.terms import registered_terms
from vaegan.objective.weights.constant import Constant
from vaegan.objective.weights.forms import Course
from vaegan.objective.weights.relative import ByGradient
from vaegan.parallel import LEAST_SHARE
from vaegan.pixels import INTERVALS


def contradictions(config: Config) -> Iterable[OptionError]:
    """Errors for options that cannot be combined."""
    if config.disc is None:
        for name in needing("disc"):
            if getattr(config, name) is not None:
                yield OptionError(name, "needs a discriminator; add --disc NAME")
        if config.gan:
            yield OptionError("gan", "a generator needs a discriminator to play against; add --disc NAME")
    else:
        yield from _game_contradictions(config)
    if config.gan:
        for name in needing("vae"):
            if name in config.model_fields_set and getattr(config, name) is not None:
                yield OptionError(
                    name, "a GAN has no encoder and no reconstructions; leave out this, or --gan"
                )
    elif config.disc and config.solo_epochs is not None and config.solo_epochs > config.epochs:
        yield OptionError(
            "solo_epochs", f"more than the {config.epochs} epochs in all; raise --epochs or lower it"
        )
    if config.disc and not config.gan and disc_begins(config) < 0:
        yield OptionError(
            "disc_warmup_epochs",
            f"more than the {played_alone(config)} solo epochs; raise --solo-epochs or lower it",
        )
    if config.pbp_decay != 1 and not isinstance(config.pbp_weight, Constant):
        yield OptionError(
            "pbp_decay", f"--pbp-weight {config.pbp_weight} has a course of its own; take one of the two"
        )
    batch_size = config.batch_size or DEFAULT_BATCH_SIZE
    if config.accumulate > 1 and batch_size < LEAST_SHARE * config.accumulate:
        yield OptionError(
            "accumulate", f"a batch of {batch_size} has fewer than {LEAST_SHARE} images for each part"
        )
    if config.init_parts is not None and config.init_from is None:
        yield OptionError("init_parts", "there is no run to take them from; add --init-from RUN")
    for name in ("lr", "disc_lr"):
        if isinstance(getattr(config, name), Course):
            yield from _course_contradictions(config, name)
    for name in ("lr_decay", "lr_decay_every"):
        if getattr(config, name) is not None and config.lr_schedule != "step":
            yield OptionError(name, f"--lr-schedule {config.lr_schedule} has none; step has")
    yield from _term_contradictions(config)
    if config.value_range is not None and not config.value_range[0] < config.value_range[1]:
        yield OptionError("value_range", "the first number becomes black and has to be the lower one")
    if config.warmup_epochs >= config.epochs > 1 or config.warmup_epochs > config.epochs:
        yield OptionError("warmup_epochs", f"all of the {config.epochs} epochs or more; lower it")
    if config.lr_epochs is not None:
        yield from _lr_epochs_contradictions(config, config.lr_epochs)
    known = dict(PBP_LOSSES.entries())
    given = config.pixel_range or "01"
    needed = getattr(known.get(config.pbp), "pixel_range", given)
    if not config.gan and given != needed:
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


def _term_contradictions(config: Config) -> Iterable[OptionError]:
    """Errors for weights that a term cannot have, and for options of terms that are not there."""
    there = []
    for term in registered_terms():
        weight = getattr(config, term.weight.name)
        if weight is None and term.weight.default is None:
            for knob in term_knobs(term):
                if getattr(config, knob.option) is not None:
                    yield OptionError(knob.option, f"there is no such term; add {flag(term.weight.name)}")
        if isinstance(weight, ByGradient) and not term.by_gradient:
            problem = (
                f"{weight.rule}(...) is for learned terms of the VAE, beside the PBP loss; give a number"
            )
            yield OptionError(term.weight.name, problem)
        elif isinstance(weight, ByGradient):
            there.append(term.weight.name)
    if config.gan and there:
        yield OptionError(there[0], "a GAN has no PBP loss to set it against; give a number")
    if there and config.pbp_weight == Constant(0.0):
        problem = (
            f"{flag(there[0])} {getattr(config, there[0])} is set against the PBP loss; give that a weight"
        )
        yield OptionError("pbp_weight", problem)


def _course_contradictions(config: Config, name: str) -> Iterable[OptionError]:
    """Errors for a second schedule beside a learning rate that has a course of its own."""
    course = f"{flag(name)} {getattr(config, name)}"
    if config.lr_schedule != "constant":
        yield OptionError("lr_schedule", f"{course} says itself how the rate changes; take one of the two")
    if config.warmup_epochs:
        problem = f"{course} says itself how the rate begins; take one of the two"
        yield OptionError("warmup_epochs", problem)


def _lr_epochs_contradictions(config: Config, lr_epochs: int) -> Iterable[OptionError]:
    """Errors for lengths that no schedule of the learning rates can have."""
    if config.lr_schedule not in ENDING:
        problem = f"--lr-schedule {config.lr_schedule} has no end; {', '.join(ENDING)} have"
        yield OptionError("lr_epochs", problem)
    elif lr_epochs <= config.warmup_epochs:
        yield OptionError("lr_epochs", f"it ends within --warmup-epochs {config.warmup_epochs}; raise it")
    elif config.disc and lr_epochs <= (before := disc_begins(config)):
        problem = f"D, which plays after {before} solo epochs, would never learn; raise it"
        yield OptionError("lr_epochs", problem)


def _game_contradictions(config: Config) -> Iterable[OptionError]:
    """Errors for options of the adversarial game that cannot be combined."""
    name = config.adv or DEFAULT_ADV
    adversarial = dict(ADVERSARIAL.entries()).get(name)
    if not is_adversarial(adversarial):  # reported by unknown_names
        return
    penalties = config.slope_penalties + (["gp"] if adversarial.gp else [])
    # build refuses spectral norm with normalisation layers
    bounded = penalties or config.weight_clip or config.spectral_norm
    if adversarial.needs_bounded_slope and not bounded:
        yield OptionError(
            "adv",
            "without a bound on the critic's slope its loss falls for ever; "
            "add --weight-clip 0.01, --gp 10, --r1 1 or --spectral-norm, or use wgan-gp",
        )
    if adversarial.gp and "gp" in config.model_fields_set and config.gp is None:
        yield OptionError("gp", f"--adv {name} is the loss with this penalty; take --adv wgan without it")
    if config.weight_clip and config.spectral_norm:
        yield OptionError(
            "weight_clip",
            "--spectral-norm divides weights by their size, so clipping bounds nothing; take one",
        )
    if config.label_smoothing and not adversarial.takes_smoothing:
        games = [(known, loss) for known, loss in ADVERSARIAL.entries() if is_adversarial(loss)]
        with_labels = [known for known, loss in games if loss.takes_smoothing]
        yield OptionError(
            "label_smoothing", f"--adv {name} has no labels to smooth; {', '.join(with_labels)} have"
        )
    if config.gates is not None:
        yield from _gates_contradictions(name, adversarial, config.gates)
    if config.penalty_every is not None and not penalties:
        known = [flag(term.weight.name) for term in registered_terms() if term.slope_penalty]
        yield OptionError("penalty_every", f"there is no penalty; add {', '.join(known[:-1])} or {known[-1]}")
    if config.instance_noise_epochs is not None and config.instance_noise is None:
        yield OptionError("instance_noise_epochs", "there is no noise; add --instance-noise")
    elif config.instance_noise_epochs is not None and not isinstance(config.instance_noise, Constant):
        yield OptionError(
            "instance_noise_epochs", f"--instance-noise {config.instance_noise} says itself how it falls"
        )


def _gates_contradictions(
    name: str, adversarial: type[AdversarialLoss], gates: tuple[float, float]
) -> Iterable[OptionError]:
    """Errors for gates of a game whose losses do not say how far it is from its draw."""
    if gates[1] < 0:
        yield OptionError("gates", "the margin, the second number, is below 0")
    if not {"real", "fake"} <= adversarial.disc_weights.keys() or adversarial.needs_bounded_slope:
        problem = f"--adv {name} has no losses on originals and on fakes with a value at a draw; "
        yield OptionError("gates", problem + "nonsaturating, lsgan and hinge have")


def _is_folder_name(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name.encode()) <= 255


def unknown_names(values: Mapping[str, Any]) -> Iterable[OptionError]:
    """Errors for names that are not registered, and for `adv` classes that are no adversarial loss."""
    for name, info in config_type().model_fields.items():
        registry = declared(info).registry
        if registry is not None and isinstance(given := values.get(name), str):
            try:
                entry, _ = registry.find(given)
            except ValueError as error:
                yield OptionError(name, str(error))
                continue
            if name == "adv" and not is_adversarial(entry):
                yield OptionError(
                    name, "not one: an adversarial loss is a class derived from AdversarialLoss"
                )
    for name, build in (("augment", build_augmentation), ("diffaug", build_diffaugment)):
        given = as_list(values.get(name))
        if isinstance(given, list) and all(isinstance(part, str) for part in given):
            try:
                build(given)
            except ValueError as error:
                yield OptionError(name, str(error))
    family = values.get("vae")
    unused = "encoder" in values and "decoder" in values
    if isinstance(family, str) and family not in families() and not unused:
        hint = did_you_mean(family, families())
        yield OptionError("vae", f"unknown family; {hint}Known: {', '.join(families())}.")
