"""`python -m vaegan`: its commands, its help, its errors."""

import re
import subprocess
import sys

import pytest

from vaegan.__main__ import main, names


def run(capsys, line: str) -> tuple[int, str, str]:
    status = main(line.split())
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(("line", "status"), [("", 2), ("--help", 0), ("-h", 0)])
def test_the_overview_has_a_line_for_each_command(capsys, line, status):
    got, output, _ = run(capsys, line)
    assert got == status
    for name in names():
        (shown,) = [row for row in output.splitlines() if row.startswith(f"  {name} ")]
        assert len(shown) <= 110


@pytest.mark.parametrize("name", names())
def test_each_command_has_help(capsys, name):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m vaegan {name}" in capsys.readouterr().out


def test_the_commands():
    assert names() == [
        *("ablate", "check-data", "configs", "dashboard", "draw-cartoon", "evaluate", "export"),
        *("interpolate", "reconstruct", "report", "sample", "train"),
    ]


@pytest.mark.parametrize("name", names())
def test_an_unknown_flag_is_refused_in_a_line(capsys, name):
    status, _, errors = run(capsys, f"{name} --sede 1 x --entity y")
    assert status == 2
    assert errors.startswith("--sede: unknown flag; ")
    assert errors.count("\n") == 1


def test_an_unknown_command_is_refused_with_the_nearest(capsys):
    status, output, errors = run(capsys, "chekdata .")
    assert (status, output) == (2, "")
    assert errors == (f'chekdata: unknown command; did you mean "check-data"? Known: {", ".join(names())}.\n')


def test_the_version(capsys):
    assert run(capsys, "--version")[::2] == (0, "")
    assert re.fullmatch(r"vaegan \d+\.\d+\.\d+\S*\n", run(capsys, "--version")[1])


@pytest.mark.parametrize("line", ["", "--help", "--version", "nonsense"])
def test_what_needs_no_command_imports_nothing_heavy(line):
    code = (
        "import sys; from vaegan.__main__ import main; main(sys.argv[1:]); "
        "print({'torch', 'numpy', 'pydantic', 'yaml', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_help_names_the_program_as_it_was_started(capsys):
    main(["--help"], prog="vaegan")
    assert capsys.readouterr().out.startswith("usage: vaegan COMMAND ")
    for name in ("evaluate", "train"):
        with pytest.raises(SystemExit):
            main([name, "--help"], prog="vaegan")
        assert capsys.readouterr().out.startswith(f"usage: vaegan {name} ")
