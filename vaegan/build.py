"""From a config and the images' shape to networks and schedule."""

from typing import Any

import torch
from torch import nn

from vaegan.config import Config
from vaegan.errors import OptionError, OptionErrors, flag
from vaegan.knobs import DISC_PREFIX, signature_knobs
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.blocks import forget_running_statistics
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.nets.players import Players
from vaegan.schedule import Schedule
from vaegan.seeds import seed_for


def build_players(config: Config, image_shape: tuple[int, int, int]) -> Players:
    """The networks, on the current default device; weights follow from the seed.

    Raises: OptionError for a knob that the chosen networks do not have and for one whose value they
    cannot take, such as a size that the depth does not divide.
    """
    torch.manual_seed(seed_for(config.seed, "init"))
    encoder, encoder_arguments = ENCODERS.find(config.encoder_name)
    decoder, decoder_arguments = DECODERS.find(config.decoder_name)
    typed = config.typed_knobs()
    _refuse_unknown(typed, [(config.encoder_name, encoder), (config.decoder_name, decoder)], "")
    parts = [
        _build(config, "encoder", encoder, [*encoder_arguments, image_shape, config.latent_dim], typed),
        _build(config, "decoder", decoder, [*decoder_arguments, image_shape, config.latent_dim], typed),
        PBP_LOSSES.find(config.pbp)[0](),
    ]
    if config.disc:
        disc, disc_arguments = DISCRIMINATORS.find(config.disc)
        typed = config.typed_knobs(DISC_PREFIX)
        _refuse_unknown(typed, [(config.disc, disc)], DISC_PREFIX)
        built = _build(config, "disc", disc, [*disc_arguments, image_shape], typed, DISC_PREFIX)
        parts.append(forget_running_statistics(built))
    return Players(
        *parts, latent_dim=config.latent_dim, pixel_range=config.pixel_range, precision=config.precision
    )


def build_schedule(config: Config) -> Schedule:
    """The schedule of a resolved config."""
    return Schedule(
        beta=config.beta,
        pbp_weight=config.pbp_weight,
        pbp_decay=config.pbp_decay,
        pbp_decay_every=config.pbp_decay_every,
        disc_weight=config.disc_weight if config.disc else None,
        solo_epochs=config.solo_epochs or 0,
        max_disc_loss=config.max_disc_loss,
    )


def _build(
    config: Config, role: str, network: type, arguments: list, typed: dict[str, Any], prefix: str = ""
) -> nn.Module:
    """The network, given those of the typed knobs that it has."""
    own = {name: value for name, value in typed.items() if name in signature_knobs(network)}
    try:
        return network(*arguments, **own)
    except OptionError as error:
        option = prefix + error.option if error.option in signature_knobs(network) else error.option
        raise OptionError(option, error.problem) from None
    except ValueError as error:
        raise OptionError(role if getattr(config, role) else "vae", str(error)) from None


def _refuse_unknown(typed: dict[str, Any], networks: list[tuple[str, type]], prefix: str) -> None:
    """Raises: OptionErrors for the typed knobs that none of the networks has."""
    known = sorted({knob for _, network in networks for knob in signature_knobs(network)})
    whose = " and ".join(dict.fromkeys(name for name, _ in networks))
    has = ", ".join(flag(prefix + knob) for knob in known) or "nothing"
    unknown = [name for name in typed if name not in known]
    if unknown:
        problem = f"not a knob of {whose}; what can be set: {has}"
        raise OptionErrors([OptionError(prefix + name, problem) for name in unknown])
