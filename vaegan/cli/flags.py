"""From a command line to a config: defaults, a preset, a YAML file and its bases, then flags."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaegan import plugins
from vaegan.cli.parser import Parser
from vaegan.cli.plugin_flags import add_plugins_argument
from vaegan.config import presets
from vaegan.config.knobs import DISC_PREFIX, knobs
from vaegan.config.make import make_config
from vaegan.config.option import declared
from vaegan.config.paths import path_options
from vaegan.config.presets import Preset, fitting
from vaegan.config.published import find_config
from vaegan.config.schema import SECTIONS, Config, config_type, is_listed, literals, options_of
from vaegan.config.yaml_files import looked_for, read_config
from vaegan.errors import OptionError, OptionErrors, UserError, did_you_mean, flag
from vaegan.run.layout import RunPaths, names_of_runs
from vaegan.run.reading import plugin_notes


@dataclass
class Given:
    """The user's options: values by name, and the origin of each ("--lr", "a.yaml: lr").

    texts: each value as it was typed. files: the YAML files of the values that come from one. preset: the
    name of the one below these values, and default_preset: True if nobody named it. dry_run: True to show the
    run instead of making it. resume: the folder of a run to resume. remarks: lines to print, on plug-ins that
    differ from the run's.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    preset: str | None = None
    default_preset: bool = False
    dry_run: bool = False
    resume: Path | None = None
    remarks: list[str] = field(default_factory=list)

    def add(self, values: Mapping[str, Any], file: Path | None = None) -> None:
        """Add values from flags or from a YAML file; they replace earlier ones."""
        for name, value in values.items():
            self.values[name] = value
            self.origins[name] = f"{file}: {name}" if file else flag(name)
            self.texts[name] = "none" if value is None else str(value)
            if file is None and value == []:
                self.values[name] = None
            elif file is None and isinstance(value, list):
                self.texts[name] = " ".join(map(str, value))
                self.values[name] = _parts(value) if all(isinstance(each, str) for each in value) else value
            self.files.pop(name, None)
            if file:
                self.files[name] = file

    def typed(self) -> set[str]:
        """The options on the command line itself."""
        return {name for name, origin in self.origins.items() if origin == flag(name)}

    def fitting_preset(self) -> Preset:
        """The preset below the given options, without what they contradict. Raises: as `fitting`."""
        return fitting(self.preset, self.values, by_default=self.default_preset)

    def config(self) -> Config:
        """The config. Raises: OptionErrors with all errors in the given options."""
        return make_config(self.fitting_preset().below(self.values))

    def explain(self, error: UserError) -> str:
        """The error in lines that begin with the flag or key as the user wrote it."""
        errors = error.errors if isinstance(error, OptionErrors) else [error]
        lines = [self._line(each) if isinstance(each, OptionError) else str(each) for each in errors]
        return "\n".join([*lines, *self.remarks])

    def _line(self, error: OptionError) -> str:
        name = error.option
        if name == "resume":
            return f"{flag(name)} {self.resume}: {error.problem}"
        if name not in self.origins:
            return str(error)
        separator = " " if self.origins[name].startswith("--") else ": "
        is_path = name in self.files and name in path_options()
        looked = looked_for(self.files[name], name) if is_path else ""
        looked = f" It was {looked}." if looked else ""
        return f"{self.origins[name]}{separator}{self.texts[name]}: {error.problem}{looked}"


def _parts(typed: list[str]) -> list[str] | str:
    """The items of a list typed as `a b`, `a,b` or `a, b`; a single word unchanged."""
    *before, last = typed
    joined = ",".join([*(each.removesuffix(",") for each in before), last])
    return [part.strip() for part in joined.split(",")] if "," in joined else joined


def parse(argv: list[str], *, prog: str, datasets: Iterable[str], trackers: Iterable[str] = ()) -> Given:
    """The options of a command line. datasets, trackers: the registered names, for --help.

    Raises: UserError for a flag that does not exist or has no value, and as `gather`.
    """
    parser = _parser(prog, {"dataset": datasets, "tracker": [*trackers, "none"]})
    typed = vars(parser.parse(argv))
    typed.pop("plugins", None)  # already imported
    return gather(typed)


def gather(typed: dict[str, Any]) -> Given:
    """All given options, from parsed flags by name with `config`, `resume` and `dry_run`.

    Raises: UserError for a YAML file that cannot be read, and for a folder that holds no run.
    """
    resume, path = typed.pop("resume", None), typed.pop("config", None)
    resume = None if resume is None else Path(resume).expanduser()
    given = Given(dry_run=typed.pop("dry_run", False), resume=resume)
    origin = f"--config {path}"
    if resume is not None:
        if path is not None:
            raise UserError(f"{origin}: --resume takes the run's own config; leave out one of them")
        if presets.KEY in typed:
            named = f"{flag(presets.KEY)} {typed[presets.KEY]}"
            raise UserError(f"{named}: --resume takes the run's own options; leave out one of them")
        path, origin = _config_of_run(resume), f"--resume {resume}"
        given.remarks = plugins.check(plugin_notes(resume), origin, RunPaths(resume).plugins)
    elif path is not None:
        path = find_config(path, origin=origin)
    if path is not None:
        layers = read_config(path, origin=origin)
        if resume is not None and not layers[-1][1]:
            raise UserError(
                f"{origin}: {path} is empty, and had the run's options; put them back, or begin a new run "
                f"from its weights: --init-from {resume}"
            )
        for file, values in layers:
            given.add(values, file)
    others = "dataset" in typed and typed["dataset"] != given.values.get("dataset")
    # in a run's file, the range is that of the run's images
    if others and resume is None and "value_range" in given.files:
        for kept in (given.values, given.origins, given.texts, given.files):
            del kept["value_range"]
    given.add(typed)
    given.preset = given.values.pop(presets.KEY, None)
    if presets.KEY not in given.origins and path is None and _is_hybrid(given.values):
        given.preset, given.default_preset = presets.DEFAULT, True
    return given


def _is_hybrid(values: Mapping[str, Any]) -> bool:
    """True for the options of a VAE with a discriminator."""
    return values.get("disc") not in (None, "none") and values.get("gan") in (None, "none")


def _config_of_run(folder: Path) -> Path:
    """The file with a run's options. Raises: UserError for a folder that holds no run."""
    path = RunPaths(folder).config
    if not path.is_file():
        near = did_you_mean(folder.name, names_of_runs(folder.parent))
        raise UserError(f"--resume {folder}: there is no {path}; {near}the folder of a run is accepted")
    return path


def _parser(prog: str, registered: Mapping[str, Iterable[str]]) -> Parser:
    """Flags for every option, by section; all values stay text, and the config converts them.

    registered: names for --help, by option, for options whose names the config does not know.
    """
    parser = Parser(
        prog=prog,
        description="Train a VAE, a VAE with a discriminator that adds a learned loss, or a GAN.",
        epilog="Flags override the YAML file, which overrides the preset, which overrides the defaults. For "
        "an option that may be unset, `none` removes the value of a file: --disc none. Lists are typed with "
        "commas or spaces. "
        "FORM stands in quotes: 'linear(0, 1, 10)' rises from 0 to 1 over 10 epochs, 'share(0.2)' holds a "
        "learned term of the VAE at a fifth of the gradient; the forms are in docs/losses.md.",
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=110),
    )
    command = parser.add_argument_group("Command")
    command.add_argument(
        "--config",
        metavar="FILE",
        default=None,
        help="YAML file of options, e.g. a run's config.yaml, or a published config by its name, e.g. "
        "learned_loss/conv_resnet",
    )
    command.add_argument(
        "--preset",
        metavar="NAME",
        help=f"options for a learned loss, under those of a file and of flags: {', '.join(presets.names())}, "
        f"or none (default: {presets.DEFAULT} for a VAE with --disc and without --config)",
    )
    command.add_argument(
        "--resume",
        metavar="FOLDER",
        type=Path,
        default=None,
        help="resume the run in this folder; no other flag is needed, and more --epochs may be given",
    )
    command.add_argument(
        "--dry-run", action="store_true", default=False, help="show the run; train nothing, write nothing"
    )
    add_plugins_argument(command)
    cls = config_type()
    for section in SECTIONS:
        group = parser.add_argument_group(section.__doc__)
        for name in options_of(section):
            _add_option(group, cls, name, registered.get(name, ()))
    for prefix, title in (
        ("", "Knobs of the encoder and the decoder or generator"),
        (DISC_PREFIX, "Knobs of the discriminator"),
    ):
        group = parser.add_argument_group(
            title, "a network has the knobs for which its name is listed, with its default"
        )
        for knob in knobs(prefix):
            _add_option(group, cls, knob.option)
    return parser


def _add_option(group, cls: type[Config], name: str, names: Iterable[str] = ()) -> None:
    info = cls.model_fields[name]
    says = declared(info)
    kind = str(info.annotation)
    names = [*says.names(), *names, *literals(info)]
    parts = [info.description]
    if names:
        parts.append(f": {', '.join(names)}")
    parts.append(f" (default: {info.default if says.shown is None else says.shown})")
    options = {"help": "".join(parts).replace("%", "%%"), "metavar": _metavar(kind)}
    if "bool" in kind:
        options |= {"nargs": "?", "const": "true"}
    if is_listed(info):
        options |= {"nargs": "+"}
    group.add_argument(flag(name), dest=name, **options)


def _metavar(kind: str) -> str:
    for name, shown in (
        ("bool", "BOOL"),
        ("Literal", "NAME"),
        ("int", "INT"),
        ("float", "NUMBER"),
        ("Weight", "NUMBER|FORM"),
    ):
        if name in kind:
            return shown
    return "TEXT"
