"""The dashboard of a W&B project, as data: what the runs' curves and pictures are shown in."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vaegan.errors import UserError
from vaegan.trackers.wandb_tracker import let_go

NAME = "vaegan"
SHARE = (0.0, 1.0)
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


def both(key: str) -> tuple[str, str]:
    """The key on training and on held-out images."""
    return f"train/{key}", f"test/{key}"


DASHBOARD = (
    Section(
        "Pictures",
        (
            Pictures("Reference images and their reconstructions", ("figures/reconstructions",)),
            Pictures("Samples from the prior", ("figures/samples",)),
            Pictures("Curves of a finished run", ("figures/curves",)),
        ),
    ),
    Section(
        "VAE or generator",
        (
            Curves("PBP loss", both("gen/pbp"), "an image"),
            Curves("PBP loss above the images' own entropy", both("gen/pbp_excess"), "nats an image"),
            Curves("KL divergence", both("gen/kl"), "nats an image"),
            Curves("Adversarial loss, unweighted", both("gen/adv"), ""),
            Curves(
                "What each term adds to the total",
                ("train/gen/pbp_weighted", "train/gen/kl_weighted", "train/gen/adv_weighted"),
                "an image",
            ),
            Curves("Total, weighted", both("gen/total"), "an image"),
        ),
    ),
    Section(
        "Discriminator",
        (
            Curves("Loss on originals", both("disc/real"), ""),
            Curves("Loss on fakes", both("disc/fake"), ""),
            Curves("Loss on pairs (rpgan)", both("disc/pairs"), ""),
            Curves("Without penalties (draw: 1.386 for logistic losses)", both("disc/adv"), ""),
            Curves("Total", both("disc/total"), ""),
            Curves(
                "Penalties, unweighted", ("train/disc/gp", "train/disc/r1", "train/disc/r2"), "", log=True
            ),
        ),
    ),
    Section(
        "Distance between originals and fakes",
        (
            Curves("Jensen-Shannon divergence, at least", both("disc/jsd"), "nats"),
            Curves("Wasserstein-1 (gradient penalty)", both("disc/w1"), ""),
            Curves("Wasserstein-1 up to an unknown scale (clipping)", both("disc/w1_up_to_scale"), ""),
            Curves("Distance among samples over that among originals", ("test/gen/diversity",), "ratio"),
        ),
    ),
    Section(
        "Who is winning",
        (
            Curves("Originals that D recognises", both("disc/acc_real"), "share", SHARE),
            Curves("Fakes that D recognises", both("disc/acc_fake"), "share", SHARE),
            Curves("Pairs in which D prefers the original", both("disc/acc_pairs"), "share", SHARE),
            Curves("Gap between D's logits of originals and fakes", both("disc/logit_gap"), ""),
            Curves("Saturated logits", both("disc/saturated"), "share", SHARE),
            Curves("Alarms", ("alarm/collapse", "alarm/disc_wins", "alarm/posterior"), "", SHARE),
        ),
    ),
    Section(
        "Gradients",
        (
            Curves("Gradient norm of the VAE or generator", ("train/gen/grad_norm",), "", log=True),
            Curves("Gradient norm of D", ("train/disc/grad_norm",), "", log=True),
        ),
    ),
    Section(
        "Weights of the terms and learning rates",
        (
            Curves("PBP loss", ("weight/gen/pbp",), ""),
            Curves("KL divergence", ("weight/gen/kl",), ""),
            Curves("Adversarial loss", ("weight/gen/adv",), ""),
            Curves("Learning rates", ("lr/gen", "lr/disc"), "", log=True),
        ),
    ),
    Section(
        "Throughput",
        (
            Curves("Images a second", ("time/images_per_s",), "images/s"),
            Curves("Time of an epoch", ("time/epoch_s", "time/test_s"), "s"),
            Curves("Peak memory", ("memory/peak_mib",), "MiB"),
        ),
    ),
)


def keys() -> list[str]:
    """Every key of metrics.jsonl and every picture that the dashboard shows."""
    return [key for section in DASHBOARD for panel in section.panels for key in panel.keys]


def text() -> Iterator[str]:
    """The dashboard in lines: sections, panels and the keys in them."""
    for section in DASHBOARD:
        yield section.title
        for panel in section.panels:
            unit = f" [{panel.unit}]" if isinstance(panel, Curves) and panel.unit else ""
            scale = ", logarithmic" if isinstance(panel, Curves) and panel.log else ""
            yield f"  {panel.title}{unit}{scale}: {', '.join(panel.keys)}"


def workspace(entity: str, project: str) -> Any:
    """The dashboard as a W&B workspace that is not saved yet. Raises: UserError without the extra."""
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
            for section in DASHBOARD
        ],
        settings=workspaces.WorkspaceSettings(x_axis="epoch"),
    )


def save(entity: str, project: str) -> str:
    """Make the dashboard in a project; returns its address.

    Raises: UserError without the extra, without a key, and for whatever the server has against it.
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
        if "did not respond in time" in reason:  # is said of a process of W&B's own
            reason = f"no answer within {os.environ['WANDB_HTTP_TIMEOUT']} s"
        raise UserError(f"W&B did not take the dashboard for {entity}/{project}: {reason}") from None
    finally:
        let_go()
    raise UserError("there is no key for W&B; `wandb login` stores one")
