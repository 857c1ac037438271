"""The commands, links and examples of the README and of docs/, taken from their text."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import vaegan
from vaegan import plugins
from vaegan.__main__ import find
from vaegan.cli.parser import Parser
from vaegan.nets.discriminators import DISCRIMINATORS

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {page.relative_to(ROOT): page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *DOCS]}
TEXT = "\n".join(PAGES.values())
COMMANDS = re.findall(r"^ *(?:(?:\.venv/bin/)?python|torchrun .*) (train_vaegan\.py .*)$", TEXT, re.MULTILINE)
COMMANDS += re.findall(r"`python (train_vaegan\.py [^`]*)`", TEXT)
COMMANDS = [line for line in dict.fromkeys(COMMANDS) if "FILE" not in line]
BLOCKS = [block for text in PAGES.values() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
LINKS = [
    (page, target) for page, text in PAGES.items() for target in re.findall(r"\]\((?!http)([^)]+)\)", text)
]


def slugs(text: str) -> set[str]:
    """The names by which links lead to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one_that_the_program_takes(command, line, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "faces").mkdir()
    for i in range(700):
        (tmp_path / "faces" / f"{i}.png").write_bytes(b"")
    flags = shlex.split(line, comments=True)[1:]
    if "--resume" in flags:
        schedule = "--lr-schedule cosine" if "--lr-epochs" in flags else ""  # of which there is an end
        command(f"--vae dense --hidden-dim 4 --image-size 16 --epochs 1 --run-name NAME {schedule}")
    places = {"path/to/faces": str(tmp_path / "faces"), "runs/NAME": str(tmp_path / "runs" / "NAME")}
    flags = [places.get(flag, flag) for flag in flags]
    status, output, errors = command("", *flags, "--dry-run")
    assert status == 0, errors
    assert "# run folder" in output


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda value: str(value))
def test_each_link_leads_to_a_file_and_a_heading(page, target):
    path, _, heading = target.partition("#")
    leads_to = (ROOT / page).parent / path if path else ROOT / page
    assert leads_to.exists()
    if heading:
        assert heading in slugs(leads_to.read_text(encoding="utf-8"))


def test_the_readme_leads_to_every_page():
    linked = {target.partition("#")[0] for page, target in LINKS if page == Path("README.md")}
    assert {str(page.relative_to(ROOT)) for page in DOCS if page.parent.name == "docs"} <= linked


def test_the_example_discriminator_trains(command, monkeypatch, tmp_path):
    monkeypatch.setattr(DISCRIMINATORS, "_entries", DISCRIMINATORS._entries.copy())
    monkeypatch.setattr(plugins, "_loaded", {})
    code = next(block for block in BLOCKS if block.startswith("# tiles.py"))
    (tmp_path / "tiles.py").write_text(code)
    flags = "--disc tiles --disc-channels 4 --vae dense --hidden-dim 4 --image-size 16 --epochs 1"
    status, output, errors = command(flags, "--plugins", str(tmp_path / "tiles.py"))
    assert status == 0, errors
    assert "disc      tiles" in output


@pytest.mark.parametrize("code", [block for block in BLOCKS if "import vaegan" in block])
def test_the_python_examples_use_what_there_is(code):
    used = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    places = {"vaegan": vaegan, "run": vaegan.TrainedRun}
    names = [(node.value.id, node.attr) for node in used if isinstance(node.value, ast.Name)]
    assert names
    for place, name in names:
        assert hasattr(places[place], name)


@pytest.mark.parametrize("line", dict.fromkeys(re.findall(r"python -m vaegan ([^`\n]*)", TEXT)))
def test_each_other_command_is_one_that_is_taken(line):
    name, *flags = shlex.split(line, comments=True)
    parser = Parser()
    find(name).add_arguments(parser)
    parser.parse(flags)
