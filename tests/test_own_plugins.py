"""Plug-ins: files, folders and modules of a user's own, imported once and kept with a run."""

import shlex
import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from vaegan import plugins
from vaegan.errors import UserError
from vaegan.nets.discriminators import DISCRIMINATORS

PART = """
    from vaegan.nets.discriminators import register_discriminator

    @register_discriminator("{name}")
    class Mine:
        width = {width}
"""


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """Nothing that a test imports or registers is left behind."""
    monkeypatch.setattr(DISCRIMINATORS, "_entries", DISCRIMINATORS._entries.copy())
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "_brought", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path, text=PART, name="mine", width=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).format(name=name, width=width))
    return path


def forget():
    """As in another process."""
    plugins._loaded.clear()
    for name in ("mine", "other"):
        DISCRIMINATORS._entries.pop(name, None)


def width(name="mine"):
    return DISCRIMINATORS.find(name)[0].width


def test_a_file_is_imported_and_what_it_registers_is_known(tmp_path):
    (plugin,) = plugins.load([str(write(tmp_path / "my net.py"))])
    assert width() == 1
    assert plugins.loaded() == [plugin]
    assert plugin.note() == {
        "name": "my net.py",
        "given": str(tmp_path / "my net.py"),
        "digest": plugin.digest,
        "installed": False,
    }


def test_a_folder_is_a_package_whose_files_may_import_each_other(tmp_path):
    write(tmp_path / "parts" / "sizes.py", "WIDTH = 7")
    text = PART.replace("{width}", "WIDTH").replace("\n\n", "\n    from .sizes import WIDTH\n\n", 1)
    write(tmp_path / "parts" / "nets.py", text)
    plugins.load([str(tmp_path / "parts")])
    assert width() == 7


def test_a_package_s_folder_begins_with_its_init(tmp_path):
    write(tmp_path / "parts" / "__init__.py", "WIDTH = 8")
    text = PART.replace("{width}", "WIDTH").replace("\n\n", "\n    from . import WIDTH\n\n", 1)
    write(tmp_path / "parts" / "nets.py", text)
    plugins.load([str(tmp_path / "parts")])
    assert width() == 8


def test_a_module_is_found_as_python_finds_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "my_parts" / "__init__.py", "from my_parts import nets")
    write(tmp_path / "my_parts" / "nets.py", width=3)
    (plugin,) = plugins.load(["my_parts"])
    assert width() == 3
    assert set(plugin.sources) == {"__init__.py", "nets.py"}


def test_one_is_imported_once_and_again_when_its_file_has_changed(tmp_path):
    file = write(tmp_path / "net.py")
    first = plugins.load([str(file)])
    entry = DISCRIMINATORS.find("mine")
    assert plugins.load([str(file)]) == first
    assert DISCRIMINATORS.find("mine") == entry
    plugins.load([str(write(file, width=2))])
    assert width() == 2


def test_what_an_edit_takes_out_or_a_failed_import_began_is_forgotten(tmp_path):
    file = write(tmp_path / "net.py")
    plugins.load([str(file)])
    plugins.load([str(write(file, name="other"))])
    assert width("other") == 1 and "mine" not in DISCRIMINATORS.names()
    file.write_text(textwrap.dedent(PART).format(name="third", width=1) + "1 / 0\n")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        plugins.load([str(file)])
    assert width("other") == 1 and "third" not in DISCRIMINATORS.names()


def test_an_edited_package_is_imported_again_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "edited_parts" / "__init__.py", "from edited_parts import nets")
    write(tmp_path / "edited_parts" / "nets.py", width=3)
    plugins.load(["edited_parts"])
    write(tmp_path / "edited_parts" / "nets.py", width=44)
    plugins.load(["edited_parts"])
    assert width() == 44


def test_the_copy_of_a_module_is_what_its_run_asks_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "lone_part.py")
    (made,) = plugins.load(["lone_part"])
    plugins.keep([made], tmp_path / "my run" / "plugins")
    forget()
    with pytest.raises(UserError) as wanted:
        plugins.check([made.note()], "run", tmp_path / "my run" / "plugins")
    _, copy = shlex.split(str(wanted.value).rpartition("add ")[2])
    plugins.load([copy])
    assert plugins.check([made.note()], "run", tmp_path / "my run" / "plugins") == []


def test_two_parts_of_one_name_are_refused(tmp_path):
    plugins.load([str(write(tmp_path / "a.py"))])
    with pytest.raises(UserError, match=r"'mine' is registered twice \(.*b\.py, line 4\)"):
        plugins.load([str(write(tmp_path / "b.py"))])


def test_two_plugins_of_one_name_are_refused(tmp_path):
    plugins.load([str(write(tmp_path / "a" / "net.py"))])
    with pytest.raises(UserError, match=r"another plug-in is called net\.py"):
        plugins.load([str(write(tmp_path / "b" / "net.py", name="other"))])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("nothing.py", "no such file, folder or module"),
        ("no_such_module", "no such file, folder or module"),
        ("a..b", "no such file, folder or module"),
        ("notes.txt", "not Python; a .py file, a folder of them or a module's name is accepted"),
        ("empty", "no Python file in this folder"),
        ("sys", "a module without a Python file"),
        ("broken.py", r"cannot be imported: ZeroDivisionError: division by zero \(.*broken\.py, line 2\)"),
        ("typo.py", r"cannot be imported: .*invalid syntax.* \(.*typo\.py, line 1\)"),
        ("needs.py", r"cannot be imported: ModuleNotFoundError: No module named 'nowhere' \(.*, line 1\)"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_line(tmp_path, monkeypatch, given, problem):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "empty").mkdir()
    for name, text in {
        "notes.txt": "",
        "broken.py": "x = 1\n1 / 0\n",
        "typo.py": "def (:\n",
        "needs.py": "import nowhere\n",
    }.items():
        (tmp_path / "here" / name).write_text(text)
    with pytest.raises(UserError, match=problem) as caught:
        plugins.load([given])
    assert "\n" not in str(caught.value)
    assert plugins.loaded() == []


def test_one_that_registers_nothing_is_said(tmp_path):
    said = []
    plugins.load([str(write(tmp_path / "a.py", "x = 1"))], said.append)
    plugins.load([str(write(tmp_path / "b.py"))], said.append)
    assert said == [f"note: the plug-in {tmp_path / 'a.py'} registers nothing"]


def test_the_copy_that_a_run_keeps_is_the_plugin(tmp_path):
    write(tmp_path / "parts" / "deep" / "nets.py")
    write(tmp_path / "parts" / "a.py", "from .deep import nets")
    made = plugins.load([str(tmp_path / "parts"), str(write(tmp_path / "net.py", name="other"))])
    plugins.keep(made, tmp_path / "run" / "plugins")
    kept = tmp_path / "run" / "plugins"
    copies = [kept / each.digest[:8] / each.name for each in made]
    assert copies[1].read_bytes() == (tmp_path / "net.py").read_bytes()
    forget()
    assert [each.digest for each in plugins.load(map(str, copies))] == [each.digest for each in made]


def test_a_run_asks_for_the_plugins_it_was_made_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "net.py")
    (made,) = plugins.load([str(file)])
    plugins.keep([made], tmp_path / "run" / "plugins")
    noted = [made.note()]
    assert plugins.check(noted, "run", tmp_path / "run" / "plugins") == []
    plugins._loaded.clear()
    with pytest.raises(
        UserError, match=r"^run: made with parts .*; add --plugins run/plugins/\w{8}/net\.py$"
    ):
        plugins.check(noted, "run", tmp_path / "run" / "plugins")
    plugins.load([str(write(file, width=2))])
    (line,) = plugins.check(noted, "run", tmp_path / "run" / "plugins")
    assert "net.py differs from what run was made with; its copy is " in line


def test_installed_packages_bring_theirs_and_a_broken_one_costs_a_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "good_parts.py", width=5)
    write(tmp_path / "bad_parts.py", "1 / 0")
    found = [EntryPoint(name, f"{name}_parts", plugins.GROUP) for name in ("good", "bad")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found)
    said = []
    plugins.load_installed(said.append)
    assert width() == 5
    assert said == [
        "note: the installed plug-in bad is left out: cannot be imported: ZeroDivisionError: division by zero"
    ]
    (plugin,) = plugins.loaded()
    assert plugin.note()["installed"]
    plugins._loaded.clear()
    assert plugins.check([plugin.note()], "run", tmp_path) == [
        "note: run was made where the plug-in good_parts was installed"
    ]
