"""The README's commands, links and example, taken from its text."""

import re
import shlex
from pathlib import Path

import pytest

from vaegan.__main__ import find
from vaegan.cli.parser import Parser
from vaegan.nets.discriminators import DISCRIMINATORS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^ *(?:(?:\.venv/bin/)?python|torchrun .*) (train_vaegan\.py .*)$", README, re.MULTILINE
)
COMMANDS += re.findall(r"`python (train_vaegan\.py [^`]*)`", README)


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


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http|#)([^)]+)\)", README))
def test_each_link_leads_to_a_file(target):
    assert (ROOT / target).exists()


def test_the_example_discriminator_trains(command, monkeypatch):
    code = README.split("```python\n")[1].split("```")[0]
    exec(compile(code, "patch.py", "exec"), {})
    assert "patch" in dict(DISCRIMINATORS.entries())
    flags = "--disc patch --disc-channels 4 --vae dense --hidden-dim 4 --image-size 16 --epochs 1"
    status, output, errors = command(flags)
    assert status == 0, errors
    assert "disc      patch" in output


@pytest.mark.parametrize("line", re.findall(r"python -m vaegan ([^`\n]*)", README))
def test_each_other_command_is_one_that_is_taken(line):
    name, *flags = shlex.split(line, comments=True)
    parser = Parser()
    find(name).add_arguments(parser)
    parser.parse(flags)
