"""Contracts of a run's parts, which are tested on a few images before anything is written."""

import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vaegan.config.knobs import signature_knobs
from vaegan.config.schema import Config
from vaegan.errors import OptionError, UserError
from vaegan.failures import in_a_line, out_of_memory
from vaegan.losses.adversarial import AdversarialLoss
from vaegan.nets.players import Players
from vaegan.objective.balance import pixel_gradients
from vaegan.objective.objective import Objective
from vaegan.objective.terms import Term, is_from_outside
from vaegan.objective.weights.relative import ByGradient

N_IMAGES = 5  # differs from the channels and usual latent_dim, so that a swapped axis is noticed
NOUNS = {
    "encoder": "the encoder",
    "decoder": "the decoder",
    "gan": "the generator",
    "disc": "the discriminator",
    "pbp": "the PBP loss",
    "adv": "the adversarial loss",
}
MADE = {
    "encoder": "an encoder is a class derived from nn.Module, called with (image_shape, latent_dim)",
    "decoder": "a decoder is a class derived from nn.Module, called with (image_shape, latent_dim)",
    "gan": "a decoder is a class derived from nn.Module, called with (image_shape, latent_dim)",
    "disc": "a discriminator is a class derived from nn.Module, called with (image_shape)",
    "pbp": "a PBP loss is a class derived from nn.Module, called without arguments",
    "adv": "an adversarial loss is a class derived from AdversarialLoss, called with (label_smoothing)",
}
GIVES = {
    "encoder": "an encoder gives two, mu and logvar, each [B, latent_dim]",
    "decoder": "a decoder gives pixel logits, [B, C, H, W]",
    "gan": "a decoder gives pixel logits, [B, C, H, W]",
    "disc": "a discriminator gives one logit an image, [B], or a map of them, [B, h, w]; squeeze [B, 1]",
    "pbp": "a PBP loss gives a scalar, summed over pixels, averaged over the batch",
    "adv": "it gives a scalar, averaged over the batch",
}


def option_of(config: Config, role: str) -> str:
    """The option that chose a part; for an encoder or a decoder it may be `vae`."""
    return role if getattr(config, role) else "vae"


def make(
    config: Config, role: str, part: Callable, arguments: list[Any], keywords: dict[str, Any]
) -> nn.Module | AdversarialLoss:
    """Call a registered part's class or function.

    Raises: OptionError if the call does not fit its parameters, fails, or returns something else than that
    part. ValueError, UserError and OSError raised by the part itself pass through.
    """
    option = option_of(config, role)
    try:
        inspect.signature(part).bind(*arguments, **keywords)
    except TypeError as error:
        problem = f"{NOUNS[role]} takes {_parameters(part)} ({error}); {MADE[role]}, and its knobs by keyword"
        raise OptionError(option, problem) from None
    try:
        made = part(*arguments, **keywords)
    except (ValueError, UserError, OSError):
        raise
    except Exception as error:
        said = "cannot be made" if isinstance(part, type) else "is a plain function, which fails"
        raise _failure(option, f"{NOUNS[role]} {said}", error, MADE[role]) from error
    if not isinstance(made, AdversarialLoss if role == "adv" else nn.Module):
        raise OptionError(option, f"what is registered gives {_described(made)}; {MADE[role]}")
    return made


def check_parts(
    config: Config,
    players: Players,
    adversarial: AdversarialLoss | None,
    image_shape: tuple[int, int, int],
) -> None:
    """Try each part on a few grey images, as in training.

    players: on the CPU; their statistics change.
    Raises: OptionError for the first part that fails or breaks its contract.
    """
    x = torch.full((N_IMAGES, *image_shape), 0.5)
    z = torch.zeros(N_IMAGES, config.latent_dim)
    if players.encoder is not None:
        _try(config, "encoder", players.encoder, [x], _two_of(z.shape))
    logits = _try(config, "gan" if config.gan else "decoder", players.decoder, [z], _one_of(x.shape))
    if players.pbp is not None:
        _try(config, "pbp", players.pbp, [logits, players.pixels(logits), x], _one_of(()))
    if adversarial is not None:
        logits = _try(config, "disc", players.disc, [x], _is_logits)
        _check_sides(config, adversarial, logits.shape)


def check_terms(
    config: Config, terms: Iterable[Term], objective: Objective, image_shape: tuple[int, int, int]
) -> None:
    """Try the terms from outside the package, and those that use other networks, on a few grey images.

    Raises: OptionError for the first that fails, gives no scalar, or has a weight by its gradient at the
    pixel logits and none there.
    """
    x = torch.full((N_IMAGES, *image_shape), 0.5)
    views = objective.views(x, torch.zeros(N_IMAGES, objective.players.latent_dim))
    for term in terms:
        if term.disc_features and not hasattr(objective.players.disc, "with_features"):
            problem = "this discriminator does not hand out its features; it has no method with_features"
            raise OptionError(term.weight.name, problem)
        if not (is_from_outside(term.compute) or signature_knobs(term.compute)):
            continue
        views.turn(term.player, with_features=term.disc_features)
        compute = objective.terms[term.player][term.name]
        contract = "a term is called with the views of a batch, and gives a scalar"
        try:
            given = compute(views)
        except Exception as error:
            raise _failure(term.weight.name, f"the term {term.key} fails", error, contract) from error
        if not _one_of(())(given):
            problem = f"the term {term.key} gives {_described(given)}; {contract}"
            raise OptionError(term.weight.name, problem)
        steered = isinstance(getattr(config, term.weight.name), ByGradient)
        if steered and not pixel_gradients({term.name: given}, views.ends):
            problem = f"the term {term.key} does not act through the decoder's pixels; give a number"
            raise OptionError(term.weight.name, problem)


def _check_sides(config: Config, adversarial: AdversarialLoss, shape: torch.Size) -> None:
    """Check that both players' sides give scalars, on logits of D's shape, [B] or [B, h, w]."""
    logits = torch.linspace(-1, 1, shape.numel()).reshape(shape)
    for name in (*adversarial.disc_weights, "gen"):
        side = getattr(adversarial, name, None)
        if side is None:
            raise OptionError("adv", f"its disc_weights name `{name}`, and it has no such method")
        real = logits if name != "gen" or adversarial.gen_sees_originals else None
        _try(config, "adv", side, [real, logits], _one_of(()), f"`{name}` of {NOUNS['adv']}")


def _try(
    config: Config,
    role: str,
    part: Callable,
    inputs: list[Tensor | None],
    accepts: Callable[[Any], bool],
    name: str = "",
) -> Any:
    """The part's output for these inputs. Raises: OptionError if it fails or its output is not accepted."""
    option, name = option_of(config, role), name or NOUNS[role]
    of = ", ".join(map(_described, inputs))
    try:
        given = part(*inputs)
    except Exception as error:
        raise _failure(option, f"{name} fails on {of}", error, GIVES[role]) from error
    if not accepts(given):
        raise OptionError(option, f"{name} gives {_described(given)} for {of}; {GIVES[role]}")
    return given


def _is_logits(given: Any) -> bool:
    return (
        isinstance(given, Tensor) and given.dim() in (1, 3) and len(given) == N_IMAGES and given.numel() > 0
    )


def _one_of(shape: tuple[int, ...]) -> Callable[[Any], bool]:
    return lambda given: isinstance(given, Tensor) and given.shape == shape


def _two_of(shape: tuple[int, ...]) -> Callable[[Any], bool]:
    def accepts(given: Any) -> bool:
        return (
            isinstance(given, tuple | list | Tensor) and len(given) == 2 and all(map(_one_of(shape), given))
        )

    return accepts


def _failure(option: str, said: str, error: Exception, contract: str) -> Exception:
    """An error in a part's own code in one line, with its place; an out-of-memory error unchanged."""
    if out_of_memory(error) or isinstance(error, UserError | OSError):
        return error
    return OptionError(option, f"{said}: {in_a_line(error)}{_place(error)}; {contract}")


def _place(error: Exception) -> str:
    """The last line of the part's own code in the traceback: neither ours nor PyTorch's."""
    not_theirs = (__file__, str(Path(torch.__file__).parent))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(not_theirs)]
    return f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""


def _parameters(part: Callable) -> str:
    """The parameters of a registered class or function, without their types: "(channels, *, depth)"."""
    parameters = inspect.signature(part).parameters.values()
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return str(inspect.Signature(plain))


def _described(value: Any) -> str:
    """A value as messages show it: the shapes of tensors, the types of others."""
    if isinstance(value, Tensor):
        return str(list(value.shape)) if value.ndim else "a scalar"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_described, value))})"
    return "None" if value is None else f"a value of type {type(value).__name__}"
