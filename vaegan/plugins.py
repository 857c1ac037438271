"""Plug-ins: a user's files, folders and modules with own parts of runs, which register when imported.

A plug-in is Python that calls the decorators of the registries (`register_discriminator`, `register_term`,
...). Installed packages declare theirs by the entry point group `vaegan.plugins`.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from vaegan import quantities
from vaegan.errors import UserError
from vaegan.failures import in_a_line
from vaegan.files import write_whole
from vaegan.marks import CONFIG, ENVIRONMENT
from vaegan.registry import Registry

GROUP = "vaegan.plugins"


@dataclass(frozen=True)
class Plugin:
    """A plug-in as it was imported.

    given: as it was typed. name: of its file, folder or module. origin: its path, or the module's name.
    sources: the content of each of its files by its path below the name ("" for a single file).
    installed: found by its entry point, not typed.
    """

    given: str
    name: str
    origin: str
    sources: Mapping[str, bytes] = field(repr=False)
    installed: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the names and contents of its files, independent of where they are."""
        whole = hashlib.sha256()
        for path, content in sorted(self.sources.items()):
            whole.update(f"{path}\0{len(content)}\0".encode() + content)
        return whole.hexdigest()

    def note(self) -> dict[str, Any]:
        """The plug-in's entry in a run's files."""
        return {"name": self.name, "given": self.given, "digest": self.digest, "installed": self.installed}


_loaded: dict[str, Plugin] = {}  # by name; for the life of the process, like the registries


_brought: dict[str, Set[tuple[int, str]]] = {}  # by name: what each plug-in has registered


def _stores() -> list[dict[str, Any]]:
    """Everything that a plug-in may add to."""
    return [*(registry._entries for registry in Registry.every), quantities._ENTRIES]


def _registered() -> dict[tuple[int, str], Any]:
    """Everything that is registered now, by store and name."""
    return {(i, name): entry for i, store in enumerate(_stores()) for name, entry in store.items()}


def _restore(entries: Mapping[tuple[int, str], Any]) -> None:
    """Make these the registered ones: no half of a plug-in that failed, no part that an edit took out."""
    stores = _stores()
    for store in stores:
        store.clear()
    for (i, name), entry in entries.items():
        stores[i][name] = entry


def loaded() -> list[Plugin]:
    """The plug-ins of this process, in the order of their import."""
    return list(_loaded.values())


def brought(plugin: Plugin) -> set[str]:
    """The names under which a plug-in has registered something; of "timm:NAME" the part before the colon."""
    return {name.partition(":")[0] for _, name in _brought.get(plugin.name, ())}


def load(given: Iterable[str], say: Callable[[str], None] = print) -> list[Plugin]:
    """Import plug-ins: each a .py file, a folder of them, or the name of a module that Python finds.

    A plug-in that this process has imported already is imported again only if its files have changed.
    say: called with a line about a plug-in that registers nothing.
    Raises: UserError for one that does not exist, fails on import or has the name of another one.
    """
    return [_load(each, say) for each in dict.fromkeys(given)]


def load_installed(say: Callable[[str], None] = print) -> None:
    """Import the plug-ins of installed packages. One that fails costs a line and is skipped."""
    for entry in entry_points(group=GROUP):
        if entry.value in _loaded:
            continue
        before = _registered().keys()
        try:
            module = entry.load()
            module = module if isinstance(module, ModuleType) else sys.modules[entry.module]
            _loaded[entry.value] = Plugin(
                entry.value, entry.value, entry.module, _sources(module.__spec__), installed=True
            )
            _brought[entry.value] = _registered().keys() - before
        except Exception as error:
            say(f"note: the installed plug-in {entry.name} is left out: {_failed(error)}")


def keep(plugins: Iterable[Plugin], folder: Path) -> None:
    """Write a copy of the plug-ins' files into the folder; copies of other versions stay."""
    for plugin in plugins:
        copy = _copy(folder, plugin.note())
        for below, content in plugin.sources.items():
            path = copy / below if below else copy
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, lambda temporary, content=content: temporary.write_bytes(content))


def check(noted: Iterable[Mapping[str, Any]], whose: str, copies: Path) -> list[str]:
    """Compare the plug-ins of this process with those of a run; returns a line for each that differs.

    noted: the run's, from `Plugin.note`. whose: the run's name in the lines. copies: the folder of the run's
    copies, which are never imported unless they are typed.
    Raises: UserError with the flag to add, if one of them is missing.
    """
    missing, lines = [], []
    for each in noted:
        ours = _loaded.get(each["name"])
        if ours is None and each["installed"]:
            lines.append(f"note: {whose} was made where the plug-in {each['name']} was installed")
        elif ours is None:
            copy = _copy(copies, each)
            missing.append(os.path.relpath(copy) if copy.exists() else each["given"])
        elif ours.digest != each["digest"]:
            copy = _copy(copies, each)
            there = f"; its copy is {copy}" if copy.exists() else ""
            lines.append(f"note: {ours.given} differs from what {whose} was made with{there}")
    if missing:
        raise UserError(
            f"{whose}: made with parts of your own, which are not imported unless you say so; "
            f"add --plugins {shlex.join(missing)}"
        )
    return lines


def _copy(folder: Path, note: Mapping[str, Any]) -> Path:
    """The place of a run's copy of a plug-in."""
    return folder / note["digest"][:8] / note["name"]


def _load(given: str, say: Callable[[str], None]) -> Plugin:
    path = Path(given).expanduser().resolve()
    if path.exists():
        plugin, run = _of_path(given, path), partial(_run_path, path)
    else:
        sources, name = _sources(_find_module(given)), given.rpartition(".")[2]
        name += ".py" if "" in sources else ""  # called like its copy
        plugin, run = Plugin(given, name, given, sources), partial(_run_module, given)
    before = _loaded.get(plugin.name)
    if before is not None and before.digest == plugin.digest:
        return before
    if before is not None and before.origin != plugin.origin:
        raise _refused(given, f"another plug-in is called {plugin.name}: {before.given}; rename one")
    kept = _registered()
    _restore({key: value for key, value in kept.items() if key not in _brought.get(plugin.name, ())})
    before_import = _registered()
    try:
        run()
    except Exception as error:
        _restore(kept)
        files = [path / below if below else path for below in plugin.sources]
        raise _refused(given, _failed(error, files)) from error
    _brought[plugin.name] = _registered().keys() - before_import.keys()
    if not _brought[plugin.name]:
        say(f"note: the plug-in {given} registers nothing")
    _loaded[plugin.name] = plugin
    return plugin


def _of_path(given: str, path: Path) -> Plugin:
    if path.is_dir() and (path / CONFIG).is_file() and (path / ENVIRONMENT).is_file():
        raise _refused(given, "a run's folder, not a plug-in; name the run before --plugins")
    if path.is_dir():
        files = [each for each in sorted(path.rglob("*.py")) if not _is_hidden(each.relative_to(path))]
        if not files:
            raise _refused(given, "no Python file in this folder")
        sources = {each.relative_to(path).as_posix(): each.read_bytes() for each in files}
    elif path.suffix == ".py":
        sources = {"": path.read_bytes()}
    else:
        raise _refused(given, "not Python; a .py file, a folder of them or a module's name is accepted")
    return Plugin(given, path.name, str(path), sources)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _run_path(path: Path) -> None:
    """Import a file, or all the files of a folder as the modules of a package."""
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"vaegan_plugin_{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}_{place}"
    for old in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[old]
    importlib.invalidate_caches()
    if path.is_file():
        spec = importlib.util.spec_from_file_location(name, path)
    elif (path / "__init__.py").is_file():
        spec = importlib.util.spec_from_file_location(
            name, path / "__init__.py", submodule_search_locations=[str(path)]
        )
    else:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(path)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
        if path.is_dir():
            for file in sorted(path.glob("*.py")):
                if file.stem != "__init__" and not _is_hidden(Path(file.name)):
                    importlib.import_module(f"{name}.{file.stem}")
    except BaseException:
        del sys.modules[name]
        raise


def _find_module(given: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(given) if all(map(str.isidentifier, given.split("."))) else None
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise _refused(given, "no such file, folder or module")
    return spec


def _run_module(name: str) -> None:
    for old in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[old]  # as it was before an edit
    importlib.import_module(name)


def _sources(spec: ModuleSpec) -> dict[str, bytes]:
    """The files of a module, or of a package and all below it."""
    if spec.submodule_search_locations:
        folders = map(Path, spec.submodule_search_locations)
        found = [(folder, each) for folder in folders for each in sorted(folder.rglob("*.py"))]
        return {each.relative_to(folder).as_posix(): each.read_bytes() for folder, each in found}
    if spec.origin and spec.origin.endswith(".py"):
        return {"": Path(spec.origin).read_bytes()}
    raise _refused(spec.name, "a module without a Python file")


def _refused(given: str, problem: str) -> UserError:
    return UserError(f"--plugins {given}: {problem}")


def _failed(error: BaseException, files: Iterable[Path] = ()) -> str:
    """The reason for a failed import, with the last line of the plug-in's own code in the traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"cannot be imported: {error.msg} ({error.filename}, line {error.lineno})"
    theirs = {str(file) for file in files}
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename in theirs]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"cannot be imported: {in_a_line(error)}{place}"
