"""From values in YAML files or flags to a config: checked, switched-off options dropped, resolved."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from vaegan.config.checks import contradictions, unknown_names
from vaegan.config.knobs import DISC_PREFIX, knobs
from vaegan.config.schema import (
    DEFAULT_ADV,
    DEFAULT_BATCH_SIZE,
    DEFAULT_BETAS,
    DEFAULT_FAMILY,
    DEFAULT_LR,
    LEAST_BATCHES,
    Config,
    config_type,
    literals,
    natures,
    options,
    place_in_help,
    played_alone,
)
from vaegan.errors import OptionError, OptionErrors, did_you_mean
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.objective.terms import registered_terms
from vaegan.objective.weights.constant import Constant


def make_config(values: Mapping[str, Any]) -> Config:
    """A config from values in a YAML file or flags; missing options take their defaults.

    Raises: OptionErrors with everything that is wrong: unknown options, wrong types, values out of
    range, unknown names and combinations that cannot work.
    """
    cls = config_type()
    values = {name: None if unsets(name, value) else value for name, value in values.items()}
    errors = list(unknown_names(values))
    try:
        config = _without_off(cls(**values))
    except ValidationError as error:
        found = [_option_error(detail, cls) for detail in error.errors()]
        found.sort(key=lambda each: place_in_help(each.option))
        errors += {str(each): each for each in found}.values()  # a list may have the same error twice
    else:
        errors += contradictions(config)
    if errors:
        raise OptionErrors(errors)
    return config


def unsets(name: str, value: Any) -> bool:
    """True if the value is `none` and means "no value", not a registered part called none."""
    info = config_type().model_fields.get(name)
    return value == "none" and info is not None and info.default is None and "none" not in literals(info)


def _without_off(config: Config) -> Config:
    """The config without options that are switched off, so that equal runs have equal configs."""
    missing = {"vae": config.gan is not None, "disc": config.disc is None}
    dropped = []
    for name, nature in natures().items():
        off = [nature.off, *(value for part, value in nature.off_without.items() if missing[part])]
        if getattr(config, name) in off:
            dropped.append(name)
    for prefix in ("", DISC_PREFIX):
        networks = [config.disc or ""] if prefix else [config.encoder_name, config.decoder_name]
        for knob in knobs(prefix):
            defaults = [each for network in networks for each in knob.defaults_of(network)]
            given = getattr(config, knob.option)
            if (given is False and not any(defaults)) or (given == "none" and not defaults):
                dropped.append(knob.option)
    return config.model_copy(update=dict.fromkeys(dropped))


def _option_error(detail: Mapping[str, Any], cls: type[Config]) -> OptionError:
    """An error of pydantic in the wording of this program."""
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
    elif kind in ("missing", "too_long", "tuple_type"):  # of the fixed number of values in a tuple
        problem = "two numbers are accepted, separated by a comma"
    elif kind == "value_error":
        problem = str(context["error"])
    else:
        problem = detail["msg"].replace("Input should be", "must be")
    return OptionError(name, problem)


def fitting_batch_size(n_train: int | None) -> int:
    """The batch size for so many training images: 64, or the largest power of two that fits in twice.

    n_train: None if unknown.
    """
    size = DEFAULT_BATCH_SIZE
    while n_train is not None and size > 1 and n_train < LEAST_BATCHES * size:
        size //= 2
    return size


def resolved(
    config: Config,
    image_size: int,
    n_train: int | None = None,
    value_range: tuple[float, float] | None = None,
) -> Config:
    """The config with defaults filled in that depend on other options and on the images."""
    adversarial = ADVERSARIAL.find(config.adv or DEFAULT_ADV)[0]
    settings = adversarial if config.gan else None
    defaults: dict[str, Any] = {
        "batch_size": fitting_batch_size(n_train),
        "lr": Constant(settings.lr if settings else DEFAULT_LR),
        "betas": settings.betas if settings else DEFAULT_BETAS,
        "pixel_range": "pm1" if config.gan else "01",
        "init": "dcgan" if config.gan == "deep_conv" else "default",
        "value_range": value_range,
    }
    if not config.gan:
        defaults["vae"] = DEFAULT_FAMILY
    if config.lr_schedule == "step":
        defaults |= {"lr_decay": 0.1, "lr_decay_every": 30}
    if config.disc:
        solo_epochs = played_alone(config)
        defaults |= {
            "adv": DEFAULT_ADV,
            "solo_epochs": solo_epochs,
            "disc_lr": config.lr or defaults["lr"],
            "disc_betas": config.betas or defaults["betas"],
            "disc_steps": settings.disc_steps if settings else 1,
            "gp": None if adversarial.gp is None else Constant(adversarial.gp),
        }
        for term in registered_terms():
            if "disc" in term.needs and term.weight.default is not None:
                defaults[term.weight.name] = Constant(term.weight.default)
        if config.gan:
            defaults["disc_weight"] = Constant(1.0)  # the generator's one term
        if isinstance(config.instance_noise, Constant):
            defaults["instance_noise_epochs"] = max(1, config.epochs - solo_epochs)
    update = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return config.model_copy(update=update | {"image_size": image_size})


def changes(config: Config, made_with: Mapping[str, Any]) -> list[OptionError]:
    """Errors for options that differ from the resumed run's and may not change.

    made_with: from `Config.to_dict`. Raises: OptionErrors if this version does not accept it.
    """
    before, now = make_config(made_with).to_dict(), config.to_dict()
    changeable = options(lambda nature: nature.changeable)
    if "value_range" not in before:  # an older run without this option: its images are compared instead
        now.pop("value_range", None)
    return [
        OptionError(name, f"the run was made with {before.get(name, 'none')}, and cannot change it")
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and name not in changeable
    ]
