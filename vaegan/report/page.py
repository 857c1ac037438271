"""report.html: one run's figures and pictures on a page that needs no other file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import vaegan.losses  # noqa: F401  its terms bring their entries
from vaegan import quantities
from vaegan.errors import UserError
from vaegan.report.rendering import ABSENT, duration, figure, inlined, words, write_page
from vaegan.report.tables import view
from vaegan.report.verdict import HEALTH, reasons, verdict_of
from vaegan.run.layout import EVALUATION, RunPaths
from vaegan.run.reading import RunFiles, read_run


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Writes a run's report.html from the files in its folder, and returns its path.

    out: folder for the page instead of the run's; an evaluation and pictures there replace the run's.
    Raises: UserError for a folder that is not a run, and for a run that has not been evaluated; OSError if
    the page cannot be written.
    """
    out = out or folder
    run = read_run(folder, out if RunPaths(out).evaluation.is_file() else folder)
    if run.evaluation is None:
        raise UserError(f"{folder}: the run has no {EVALUATION} yet; evaluate it first")
    sections = [view(name, section) for name, section in run.evaluation["sections"].items()]
    listed = run.evaluation["pictures"]
    places = [(each, _picture(each["file"], out, folder)) for each in listed]
    path = RunPaths(out).report
    write_page(
        path,
        "page.html.j2",
        name=run.evaluation["run"],
        what=describe(run),
        environment=run.environment,
        verdict=verdict_of(run.evaluation),
        reasons=reasons(run.evaluation),
        rules=HEALTH,
        headlines=run.evaluation["headlines"],
        left_out=run.evaluation.get("left_out", []),
        pictures=[(each, inlined(place)) for each, place in places if place is not None],
        missing=[each["file"] for each, place in places if place is None],
        sections=sections,
        losses=list(last_losses(run.records)),
        n_epochs=len(run.records),
        checkpoint=run.evaluation["checkpoint"],
        config=run.config,
        versions=versions(run),
    )
    return path


def _picture(name: str, *folders: Path) -> Path | None:
    """The picture in the first of the folders that contains it."""
    places = (RunPaths(folder).figures / name for folder in folders)
    return next((place for place in places if place.is_file()), None)


def describe(run: RunFiles) -> str:
    """One or two sentences on the networks, the data and the length of the training."""
    config = run.config
    if "gan" in config:
        networks = f"A GAN, {config['gan']} against {config['disc']}"
    else:
        parts = [config.get("encoder", config["vae"]), config.get("decoder", config["vae"])]
        networks = f"A VAE, {' to '.join(dict.fromkeys(parts))}"
        if "disc" in config:
            networks += f", with a learned loss from {config['disc']} (weight {words(config['disc_weight'])})"
    size = config["image_size"]
    sentence = (
        f"{networks}; {config['latent_dim']} latents; {config['dataset']} at {size} x {size} pixels; "
        f"{run.evaluation['epochs']} of {config['epochs']} epochs"
    )
    seconds = sum(record.get("time/epoch_s", 0) for record in run.records)
    return f"{sentence}, trained in {duration(seconds)}." if seconds else f"{sentence}."


def last_losses(records: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    """Key, title, training and test value of the figures with a curve, in the last epoch."""
    if not records:
        return
    last = records[-1]
    for key, quantity in quantities.curves(last):
        values = [last.get(f"{split}/{key}") for split in quantities.SPLITS]
        unit = f" ({quantity.unit})" if quantity.unit else ""
        train, test = (ABSENT if value is None else figure(value) for value in values)
        yield key, quantity.heading + unit, train, test


def versions(run: RunFiles) -> list[tuple[str, str, str]]:
    """Package, version in training, version in the evaluation."""
    trained: Mapping[str, Any] = {"python": run.environment["python"], **run.environment["packages"]}
    evaluated: Mapping[str, Any] = run.evaluation["versions"]
    names = dict.fromkeys([*trained, *evaluated])
    return [(name, str(trained.get(name) or ABSENT), str(evaluated.get(name) or ABSENT)) for name in names]
