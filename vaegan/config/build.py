"""Builds networks, objective and schedule from a config and the images' shape."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from vaegan.config.contracts import check_parts, check_terms, make, option_of
from vaegan.config.knobs import DISC_PREFIX, signature_knobs, term_knobs
from vaegan.config.schema import Config
from vaegan.devices import one_thread
from vaegan.errors import OptionError, OptionErrors, flag
from vaegan.losses.adversarial import ADVERSARIAL, AdversarialLoss, DiscFigures, disc_terms
from vaegan.losses.kl import free_bits_figures
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.blocks import (
    dcgan_init,
    forget_running_statistics,
    is_batch_norm,
    is_norm,
    with_spectral_norm,
)
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.nets.players import Players
from vaegan.nets.signed_pixels import SignedPixels
from vaegan.nets.timm_backbone import TimmBackbone
from vaegan.objective.objective import Objective
from vaegan.objective.schedule import Schedule
from vaegan.objective.terms import TERMS, Compute, Term, registered_terms
from vaegan.objective.weights import Weight
from vaegan.objective.weights.combo import InCombo
from vaegan.objective.weights.constant import Constant
from vaegan.objective.weights.forms import Piecewise, Stairs
from vaegan.objective.weights.span import Span
from vaegan.seeds import seed_for


def build_players(config: Config, image_shape: tuple[int, int, int]) -> Players:
    """The networks, on the current default device; the initial weights follow from the seed.

    Raises: OptionError for a knob that the chosen networks do not have and for a value that they do not
    accept, such as a size that the depth does not divide.
    """
    torch.manual_seed(seed_for(config.seed, "init"))
    shape = [image_shape, config.latent_dim]
    decoder, decoder_arguments = DECODERS.find(config.decoder_name)
    typed = config.typed_knobs()
    if config.gan:
        _refuse_unknown(typed, [(config.gan, decoder)], "")
        encoder = pbp = None
        decoder = _build(config, "gan", decoder, [*decoder_arguments, *shape], typed)
    else:
        encoder, encoder_arguments = ENCODERS.find(config.encoder_name)
        _refuse_unknown(typed, [(config.encoder_name, encoder), (config.decoder_name, decoder)], "")
        encoder = _build(config, "encoder", encoder, [*encoder_arguments, *shape], typed)
        decoder = _build(config, "decoder", decoder, [*decoder_arguments, *shape], typed)
        pbp = make(config, "pbp", PBP_LOSSES.find(config.pbp)[0], [], {})
    disc = _build_disc(config, image_shape) if config.disc else None
    if config.init == "dcgan":
        pretrained = {encoder: config.typed_knobs(), disc: config.typed_knobs(DISC_PREFIX)}
        for network in filter(None, (encoder, decoder, disc)):
            if not pretrained.get(network, {}).get("pretrained"):
                network.apply(dcgan_init)
    if config.spectral_norm:
        disc.apply(with_spectral_norm)
    for module in _modules(encoder, disc):
        if isinstance(module, TimmBackbone) and module.pretrained_mean is not None:
            module.normalise(config.pixel_range, image_shape[0])
        elif isinstance(module, SignedPixels):
            module.pixel_range = config.pixel_range
    return Players(
        encoder,
        decoder,
        pbp,
        disc,
        latent_dim=config.latent_dim,
        pixel_range=config.pixel_range,
        precision=config.precision,
        ema=config.ema,
        disc_sees_8bit=bool(config.disc_sees_8bit),
    )


def _modules(*networks: nn.Module | None) -> Iterator[nn.Module]:
    for network in filter(None, networks):
        yield from network.modules()


def _build_disc(config: Config, image_shape: tuple[int, int, int]) -> nn.Module:
    """The discriminator. Raises: OptionError for one with batch norm under a penalty on its slope."""
    disc, arguments = DISCRIMINATORS.find(config.disc)
    typed = config.typed_knobs(DISC_PREFIX)
    _refuse_unknown(typed, [(config.disc, disc)], DISC_PREFIX)
    knob = signature_knobs(disc).get("norm")
    norm = typed.get("norm", knob.default if knob else "none")
    if config.slope_penalties and norm == "auto" and knob:
        typed["norm"] = "group"
    built = _build(config, "disc", disc, [*arguments, image_shape], typed, DISC_PREFIX)
    if config.slope_penalties and any(is_batch_norm(module) for module in built.modules()):
        option, use = ("disc_norm", "group or none") if norm == "batch" else ("disc", "another network")
        penalties = ", ".join(map(flag, config.slope_penalties))
        raise OptionError(
            option,
            f"batch norm makes each image's logit depend on the whole batch, and {penalties} needs the slope "
            f"for each image by itself; use {use}",
        )
    bounded = config.slope_penalties or config.weight_clip
    if build_adversarial(config).needs_bounded_slope and not bounded and any(map(is_norm, built.modules())):
        raise OptionError(
            "spectral_norm",
            f"--adv {config.adv} needs a bound on the critic's slope, and its normalisation layers undo this "
            "one; add --weight-clip or a penalty, or take --disc-norm none",
        )
    return forget_running_statistics(built)


def outline_players(config: Config, image_shape: tuple[int, int, int]) -> Players:
    """The networks without memory for weights, for names and shapes only. Raises: as `build_players`."""
    # no average: timm cannot copy such networks
    update = {"pretrained": None, "disc_pretrained": None, "ema": None}
    with torch.device("meta"):
        return build_players(config.model_copy(update=update), image_shape)


def try_parts(config: Config, image_shape: tuple[int, int, int]) -> Players:
    """Check, by building and calling them, that the parts of a resolved config meet their contracts.

    Returns the networks, not to be trained: the trial changes the statistics of batch norm. Takes 0.4 s for
    23 million parameters at 64 x 64.
    Raises: OptionError for the first part that does not.
    """
    update = {"pretrained": None, "disc_pretrained": None, "ema": None}
    with one_thread():
        players = build_players(config.model_copy(update=update), image_shape)
        check_parts(config, players, build_adversarial(config), image_shape)
        check_terms(config, config_terms(config), build_objective(config, players), image_shape)
    return players


def single_images_problem(config: Config, image_shape: tuple[int, int, int]) -> str:
    """Reason why these networks cannot train on batches of one image, and remedies; "" if they can."""
    ways = {}
    for part, network in outline_players(config, image_shape).networks().items():
        if any(map(is_batch_norm, network.modules())):
            option = DISC_PREFIX + "norm" if part == "disc" else "norm"
            has_knob = "norm" in signature_knobs(type(network))
            ways[part] = f"{flag(option)} group" if has_knob else f"another {flag(part)}"
    if not ways:
        return ""
    return (
        f"batch norm, here of the {' and the '.join(ways)}, needs two images or more at a time; "
        f"take a larger batch, or {' and '.join(dict.fromkeys(ways.values()))}"
    )


def build_adversarial(config: Config) -> AdversarialLoss | None:
    """The adversarial loss; None without a discriminator."""
    if not config.disc:
        return None
    smoothing = {"label_smoothing": config.label_smoothing or 0.0}
    return make(config, "adv", ADVERSARIAL.find(config.adv)[0], [], smoothing)


def build_objective(config: Config, players: Players) -> Objective:
    """The terms of each player of a resolved config."""
    unit_slope = config.gp is not None and config.weight_clip is None
    terms = config_terms(config)
    options = {term.key: _typed_knobs(config, term) for term in terms}
    fakes = config.fakes or "reconstructions"
    return objective_of(players, options, build_adversarial(config), unit_slope, fakes)


def _typed_knobs(config: Config, term: Term) -> dict[str, Any]:
    """The knobs of a term that were set."""
    knobs = {knob.name: getattr(config, knob.option) for knob in term_knobs(term)}
    return {name: value for name, value in knobs.items() if value is not None}


def objective_of(
    players: Players,
    keys: Mapping[str, Mapping[str, Any]] | Iterable[str],
    game: AdversarialLoss | None = None,
    unit_slope: bool = False,
    fakes: str = "reconstructions",
) -> Objective:
    """The objective made of these registered terms and both sides of the game, if there is one.

    keys: "gen/kl", in order, each with its knobs if it is a mapping. unit_slope: see DiscFigures.
    fakes: see Views.
    """
    knobs = keys if isinstance(keys, Mapping) else {key: {} for key in keys}
    terms: dict[str, dict[str, Compute]] = {"gen": {}}
    figures = {}
    if game is not None:
        terms["disc"] = disc_terms(game)
        figures["disc"] = DiscFigures.of(game, players.disc, unit_slope)
    use_features = []
    for key, of_term in knobs.items():
        term = TERMS.find(key)[0]
        terms[term.player][term.name] = partial(term.compute, **of_term)
        if term.disc_features:
            use_features.append(term.name)
    if free_bits := knobs.get("gen/kl", {}).get("free_bits"):
        figures["gen"] = partial(free_bits_figures, free_bits=free_bits)
    return Objective(players, terms, game, figures, use_features, fakes)


def build_schedule(config: Config) -> Schedule:
    """The schedule of a resolved config."""
    game = build_adversarial(config)
    weights: dict[str, dict[str, Weight]] = {"gen": {}}
    if game is not None:
        of_game = {name: Constant(weight) for name, weight in game.disc_weights.items()}
        weights = {"disc": of_game, "gen": {}}
    for term in config_terms(config):
        weights[term.player][term.name] = _weight(config, term)
    return Schedule(
        weights,
        epochs=config.epochs,
        learned=tuple(term.name for term in config_terms(config) if "disc" in term.needs),
        solo_epochs=config.solo_epochs or 0,
        disc_warmup_epochs=config.disc_warmup_epochs or 0,
        max_disc_loss=config.max_disc_loss,
        vae=not config.gan,
        disc_steps=config.disc_steps or 1,
        lazy=tuple(term.name for term in config_terms(config) if term.slope_penalty),
        lazy_every=config.penalty_every or 1,
        instance_noise=InCombo(_instance_noise(config)),
    )


def config_terms(config: Config) -> list[Term]:
    """The registered terms that apply to a resolved config: it has their parts and gives their weights."""
    parts = [*([] if config.gan else ["vae"]), *(["disc"] if config.disc else [])]
    return [term for term in registered_terms(parts) if getattr(config, term.weight.name) is not None]


def _weight(config: Config, term: Term) -> Weight:
    """A term's weight over time, from all options that affect it.

    The clock of a weight that acts in combo epochs alone starts with them, that of any other with the run.
    """
    weight = getattr(config, term.weight.name)
    if term.key == "gen/pbp":
        if isinstance(weight, Constant):  # other forms are refused with a decay
            weight = Stairs(weight.value, config.pbp_decay, Span(config.pbp_decay_every))
        return InCombo(weight, solo=1.0)
    if term.weight.from_combo:
        return InCombo(weight, solo=0.0)
    return InCombo(weight) if "disc" in term.needs else weight


def _instance_noise(config: Config) -> Weight:
    """The instance noise over combo epochs: a number falls to 0 from epoch to epoch, a form is as it says."""
    noise = config.instance_noise or Constant(0.0)
    if not isinstance(noise, Constant):
        return noise
    epochs = config.instance_noise_epochs or 1
    return Piecewise(tuple((Span(c), noise.value * (1 - c / epochs)) for c in range(epochs + 1)))


def _build(
    config: Config, role: str, network: type, arguments: list, typed: dict[str, Any], prefix: str = ""
) -> nn.Module:
    """The network, called with those of the typed knobs that it has."""
    own = {name: value for name, value in typed.items() if name in signature_knobs(network)}
    try:
        return make(config, role, network, arguments, own)
    except OptionError as error:
        option = prefix + error.option if error.option in signature_knobs(network) else error.option
        raise OptionError(option, error.problem) from None
    except ValueError as error:
        raise OptionError(option_of(config, role), str(error)) from None


def _refuse_unknown(typed: dict[str, Any], networks: list[tuple[str, type]], prefix: str) -> None:
    """Raises: OptionErrors for the typed knobs that none of the networks has."""
    known = sorted({knob for _, network in networks for knob in signature_knobs(network)})
    whose = " and ".join(dict.fromkeys(name for name, _ in networks))
    has = ", ".join(flag(prefix + knob) for knob in known) or "nothing"
    unknown = [name for name in typed if name not in known]
    if unknown:
        problem = f"not a knob of {whose}; what can be set: {has}"
        raise OptionErrors([OptionError(prefix + name, problem) for name in unknown])
