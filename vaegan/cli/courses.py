"""Weights and learning rates that change over a run: a line of blocks for each, and values at its bends."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten

from vaegan.config.build import build_schedule, config_terms
from vaegan.config.schema import Config, disc_begins, played_alone
from vaegan.objective.schedule import Phase, Schedule
from vaegan.objective.weights import Relative, Time, Weight

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"  # where the output has no blocks
LABEL, COLUMNS = 13, 64  # of a line of 80, one of which marks the first combo epoch


@dataclass(frozen=True)
class Drawn:
    """A weight or learning rate to be drawn.

    text: as it was typed. bends: the steps at which it begins or ends to change. at: its
    value in a step; None where it does not exist.
    """

    name: str
    text: str
    bends: Sequence[int]
    at: Callable[[int], float | None]


def typed_courses(config: Config) -> dict[str, Weight]:
    """The options of terms' weights that are courses over time, by the key of their terms."""
    weights = {term.key: getattr(config, term.weight.name) for term in config_terms(config)}
    return {key: weight for key, weight in weights.items() if weight.bends(Time())}


def courses_of(config: Config, steps_per_epoch: int) -> list[Drawn]:
    """The weights and learning rates that change over the run because their options say so."""
    schedule = build_schedule(config)
    run = Time(0, 0, config.epochs, schedule.solo_epochs, steps_per_epoch)
    courses = []
    for key, typed in typed_courses(config).items():
        player, _, term = key.partition("/")
        bends = schedule.weights[player][term].bends(run)
        courses.append(Drawn(key, str(typed), bends, _weight(schedule, player, term, run)))
    if config.instance_noise is not None and config.instance_noise.bends(run):

        def noise(step: int) -> float:
            return _phase(schedule, step, run).noise_at(step)

        bends = schedule.instance_noise.bends(run)
        courses.append(Drawn("disc/noise", str(config.instance_noise), bends, noise))
    return [*courses, *_rates(config, run)]


def _weight(schedule: Schedule, player: str, term: str, run: Time) -> Callable[[int], float | None]:
    def at(step: int) -> float | None:
        weight = _phase(schedule, step, run).at(step).get(player, {}).get(term)
        return weight.level if isinstance(weight, Relative) else weight

    return at


def _phase(schedule: Schedule, step: int, run: Time) -> Phase:
    return schedule.at(step // run.steps_per_epoch, steps_per_epoch=run.steps_per_epoch)


def _rates(config: Config, run: Time) -> Iterable[Drawn]:
    """The learning rates' own courses. timm's schedules are not drawn: importing timm takes seconds."""
    rates = {"gen": (config.lr, 0)}
    if config.disc:
        rates["disc"] = (config.disc_lr, disc_begins(config))
    for player, (rate, begin) in rates.items():

        def at(step: int, rate: Weight = rate, begin: int = begin) -> float:
            return rate.at(replace(run, epoch=step // run.steps_per_epoch, step=step).since(begin))

        if rate.bends(run):
            bends = [begin * run.steps_per_epoch + bend for bend in rate.bends(run.since(begin))]
            yield Drawn(f"lr/{player}", str(rate), bends, at)


def course_lines(
    courses: Sequence[Drawn], config: Config, steps_per_epoch: int, blocks: str = BLOCKS
) -> list[str]:
    """For each course blocks over the run, from 0 to its highest value; its text; its values at the bends."""
    total = config.epochs * steps_per_epoch
    columns = min(COLUMNS, total)
    middles = [(2 * column + 1) * total // (2 * columns) for column in range(columns)]
    first_combo = played_alone(config) * steps_per_epoch if config.disc else 0
    mark = next((column for column, step in enumerate(middles) if step >= first_combo), 0)
    lines = []
    for course in courses:
        bends = sorted({bend for bend in course.bends if bend < total} | {total - 1})
        values = {step: course.at(step) for step in (*middles, *bends)}
        highest = max((value for value in values.values() if value is not None), default=0) or 1
        drawn = "".join(_block(values[step], highest, blocks) for step in middles)
        if 0 < mark < columns:
            drawn = f"{drawn[:mark]}|{drawn[mark:]}"
        said = [f"{values[bend] or 0:.4g} after {bend / steps_per_epoch:.4g}" for bend in bends]
        if len(bends) > 1 and values[bends[-1]] == values[bends[-2]]:
            said.pop()
        else:
            said[-1] = f"{values[bends[-1]] or 0:.4g} at the end"
        lines.append(f"{course.name:{LABEL}}{drawn}")
        lines.append(f"{'':{LABEL}}{shorten(course.text, COLUMNS)}")
        lines.append(f"{'':{LABEL}}{_listed(said)}")
    return lines


def _listed(said: list[str]) -> str:
    """The texts in a line, of which some in the middle may be left out."""
    line, kept = ", ".join(said), len(said) - 1
    while len(line) > COLUMNS and kept > 1:
        kept -= 1
        line = ", ".join([*said[:kept], "...", said[-1]])
    return line


def _block(value: float | None, highest: float, blocks: str) -> str:
    if value is None:
        return " "
    return blocks[round((len(blocks) - 1) * value / highest)]
