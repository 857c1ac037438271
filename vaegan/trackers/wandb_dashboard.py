"""The dashboard of a W&B project as data: panels for the runs' curves and pictures."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vaegan import quantities
from vaegan.errors import UserError
from vaegan.trackers.wandb_tracker import let_go

NAME = "vaegan"
LIMITS = {"share": (0.0, 1.0), "1 for on": (0.0, 1.0)}  # of an axis, by unit
PATIENCE_S = 5  # for an answer of W&B's server, seconds
EXTRA = "wandb-workspaces is missing; pip install 'vaegan[dashboards]'"


@dataclass(frozen=True)
class Curves:
    """Curves of metrics.jsonl against the epoch, in one panel."""

    title: str
    keys: tuple[str, ...]
    unit: str
    limits: tuple[float, float] | None = None
    log: bool = False


@dataclass(frozen=True)
class Pictures:
    """A picture of the run folder, with a slider over the epochs."""

    title: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: tuple[Curves | Pictures, ...]


PICTURES = Section(
    "Pictures",
    (
        Pictures("Reference images and their reconstructions", ("figures/reconstructions",)),
        Pictures("Samples from the prior", ("figures/samples",)),
        Pictures("Curves of a finished run", ("figures/curves",)),
    ),
)


def curves(section: str) -> Section:
    """The figures of a section of the vocabulary.

    Figures on training and on held-out images get a panel each. Others share a panel if they name the same
    one.
    """
    panels: dict[str, Curves] = {}
    for key, each in quantities.entries():
        if each.section == section and not key.startswith("weight/"):
            title = each.heading if each.splits else each.panel or each.heading
            before = panels[title].keys if title in panels else ()
            shown = (*before, *quantities.recorded(key, each))
            panels[title] = Curves(title, shown, each.unit, LIMITS.get(each.unit), each.log)
    return Section(section, tuple(panels.values()))


def weights() -> Section:
    """The weight of each term, its contribution to the total, and the learning rates."""
    terms = _gen_terms()
    added = tuple(f"train/{key}_weighted" for key in terms)
    of_terms = [f"weight/{key}" for key in terms]
    return Section(
        "Weights of the terms and learning rates",
        (
            Curves("What each term adds to the total", added, "an image"),
            *(Curves(quantities.find(key).heading, (key,), "") for key in of_terms),
            *curves(quantities.RATES).panels,
        ),
    )


def ledger() -> Section:
    """Shares, cosines and norms of the gradients of all terms that act through the pixels."""
    through_pixels = [key for key in _gen_terms() if key != "gen/kl"]
    learned = [key for key in through_pixels if key != "gen/pbp"]

    def panel(title: str, ending: str, terms: list[str] = through_pixels, log: bool = False) -> Curves:
        unit = "share" if ending == quantities.SHARE else ""
        return Curves(title, tuple(f"train/{key}{ending}" for key in terms), unit, LIMITS.get(unit), log)

    return Section(
        "Ledger: the terms' gradients",
        (
            panel("Shares of the gradient at the pixel logits", quantities.SHARE),
            panel("Cosine of the gradient with the PBP loss's", "_cosine", learned),
            panel("Norm of the gradient at the pixel logits", "_grad_logits", log=True),
            panel("Norm of the gradient at x_hat", "_grad_x_hat", log=True),
            panel("Norm of the gradient at the decoder's last layer", "_grad_last_layer", log=True),
        ),
    )


def _gen_terms() -> list[str]:
    return [key for key, each in quantities.entries() if each.weighted and key.startswith("gen/")]


def sections() -> tuple[Section, ...]:
    """All sections of the dashboard."""
    import vaegan.losses  # its terms bring their entries, and PyTorch, which --help can do without
    import vaegan.training.alarms  # noqa: F401  as these do

    shown = map(curves, (*quantities.LOSSES, quantities.GRADIENTS))
    return (PICTURES, *shown, ledger(), weights(), curves(quantities.COST))


def keys() -> list[str]:
    """Every key of metrics.jsonl and every picture that the dashboard shows."""
    return [key for section in sections() for panel in section.panels for key in panel.keys]


def text() -> Iterator[str]:
    """The dashboard in lines: sections, panels and their keys."""
    for section in sections():
        yield section.title
        for panel in section.panels:
            unit = f" [{panel.unit}]" if isinstance(panel, Curves) and panel.unit else ""
            scale = ", logarithmic" if isinstance(panel, Curves) and panel.log else ""
            yield f"  {panel.title}{unit}{scale}: {', '.join(panel.keys)}"


def workspace(entity: str, project: str) -> Any:
    """The dashboard as an unsaved W&B workspace. Raises: UserError without the extra."""
    try:
        from wandb_workspaces import workspaces
        from wandb_workspaces.reports import v2 as reports
    except ImportError:
        raise UserError(EXTRA) from None

    def built(panel: Curves | Pictures) -> Any:
        if isinstance(panel, Pictures):
            return reports.MediaBrowser(
                title=panel.title, media_keys=list(panel.keys), mode="gallery", gallery_axis="step"
            )
        return reports.LinePlot(
            title=panel.title,
            x="epoch",
            y=list(panel.keys),
            title_x="epoch",
            title_y=panel.unit or None,
            range_y=panel.limits or (None, None),
            log_y=panel.log or None,
        )

    return workspaces.Workspace(
        name=NAME,
        entity=entity,
        project=project,
        sections=[
            workspaces.Section(name=section.title, panels=[*map(built, section.panels)], is_open=True)
            for section in sections()
        ],
        settings=workspaces.WorkspaceSettings(x_axis="epoch"),
    )


def save(entity: str, project: str) -> str:
    """Make the dashboard in a project; returns its address.

    Raises: UserError without the extra, without a key, and if the server refuses it.
    """
    os.environ.setdefault("WANDB_HTTP_TIMEOUT", str(PATIENCE_S))
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # see trackers.py
    import wandb

    wandb.setup(wandb.Settings(silent=True, mode="online"))
    try:
        if wandb.login(prompt=False, verify=False):  # no question is asked
            new = workspace(entity, project)
            new.save()
            return new.url
    except UserError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "did not respond in time" in reason:  # W&B says so of its own process
            reason = f"no answer within {os.environ['WANDB_HTTP_TIMEOUT']} s"
        raise UserError(f"W&B did not take the dashboard for {entity}/{project}: {reason}") from None
    finally:
        let_go()
    raise UserError("there is no key for W&B; `wandb login` stores one")
