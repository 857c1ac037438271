"""ablate: dry runs, answers to a user's mistakes, and the runs that begin; no run is trained."""

import json
import os
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml

from vaegan.__main__ import main
from vaegan.ablation.plan import digest
from vaegan.ablation.table import ArmRuns, Table
from vaegan.cli import again
from vaegan.commands import ablate
from vaegan.run.reading import RunFiles

SPEC = """\
options: {dataset: digits, vae: dense, hidden_dim: 4, latent_dim: 2, image_size: 16, disc: dense,
  disc_hidden_dim: 4, epochs: 4}
grid:
  disc_weight: [0, 10]
controls: [no_disc]
seeds: [0, 1]
"""


@pytest.fixture
def typed(tmp_path, capsys, monkeypatch):
    """Runs the command in the test's folder, with spec.yaml in it; returns (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # other tests' too
    (tmp_path / "spec.yaml").write_text(SPEC)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["ablate", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def timed(monkeypatch):
    """Every solo epoch takes 2 s and every combo epoch 5 s."""

    def seconds(config):
        return {"solo": 2.0 if config.solo_epochs != 0 else 0.0, "combo": 5.0 if config.disc else 0.0}

    monkeypatch.setattr(ablate, "timed", lambda configs: list(map(seconds, configs)))


@pytest.fixture
def begun(monkeypatch):
    """The runner's arguments; it makes no run, and reports that it was stopped."""
    given = {}

    class Runner:
        def __init__(self, plan, pool, group):
            given.update(plan=plan, group=group)

        def run(self, show, stopped):
            return False

    monkeypatch.setattr(ablate, "Runner", Runner)
    return given


def files():
    return sorted(str(Path(folder, name)) for folder, _, names in os.walk(".") for name in names)


def test_a_dry_run_shows_the_arms_and_what_they_cost(typed, timed):
    """The VAE alone leads: 4 x 2 s; the others fork 2 epochs from it: 2 x 5 s; each with two seeds."""
    assert typed("spec.yaml", "--dry-run") == (
        0,
        "spec: 3 arms, 2 seeds, 6 runs\n"
        "\n"
        "arm               epochs  solo epoch  combo epoch  a run\n"
        "disc weight 0          4       2.0 s        5.0 s  10 s  "
        "baseline, its first 2 epochs from another run\n"
        "disc weight 10         4       2.0 s        5.0 s  10 s  its first 2 epochs from another run\n"
        "no discriminator       4       2.0 s               8 s\n"
        "\n"
        "about 56 s of training, one run after the other; estimated from a few steps\n"
        "evaluations, pictures and checkpoints come on top\n",
        "",
    )
    assert files() == ["spec.yaml"]


def test_a_dry_run_counts_what_is_done(typed, timed):
    config = ablate.resolved_arms(ablate.read_spec(Path("spec.yaml"), {}), {})["no discriminator"]
    folder = Path("runs", "arms", f"digits_dense-s1-{digest(config)}")
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps({"epochs": 4}))
    _, output, _ = typed("spec.yaml", "--dry-run", "--workers", "2")
    assert "no discriminator       4       2.0 s               8 s  1 of 2 done\n" in output
    assert "\nabout 48 s of training" in output
    assert (
        f"\ntimed with the number of threads that each of 2 workers gets: {torch.get_num_threads()}\n"
        in output
    )


def test_a_dry_run_really_times_a_step(typed):
    status, output, _ = typed("spec.yaml", "--dry-run", "--seeds", "5")
    assert (status, files()) == (0, ["spec.yaml"])
    assert output.startswith("spec: 3 arms, 1 seed, 3 runs\n")


def test_equal_time_has_the_epochs_that_were_timed(typed, timed):
    """Two epochs of 2 s and two of 5 s are seven of 2 s."""
    Path("spec.yaml").write_text(SPEC.replace("no_disc", "equal_time"))
    _, output, _ = typed("spec.yaml", "--dry-run")
    assert output.startswith("timing a step of the baseline and of the VAE alone, for equal time\n")
    assert "no discriminator, equal time       7       2.0 s               14 s\n" in output
    assert files() == ["spec.yaml"]


def test_equal_time_is_timed_once(typed, timed, begun):
    Path("spec.yaml").write_text(SPEC.replace("no_disc", "equal_time"))
    for expected in ("timing a step", "stopped; "):
        _, output, _ = typed("spec.yaml")
        assert output.startswith(expected)
        assert begun["plan"].arms[2].config.epochs == 7


def test_what_begins_and_the_command_that_goes_on(typed, begun):
    more = ["--runs-dir", "my runs", "--out", "here", "--workers", "2", "--seeds", "4", "--seeds", "3"]
    status, output, errors = typed("spec.yaml", *more, "--set", "beta=2", "epochs=6", "--set", "disc-lr=1e-4")
    assert (status, errors) == (128, "")
    assert output == (
        f"stopped; to continue: {again.command()} ablate spec.yaml --workers 2 "
        "--runs-dir 'my runs' --out here --set beta=2 epochs=6 disc-lr=1e-4 --seeds 4 3\n"
    )
    assert begun["group"] == "spec"
    assert [job.config.seed for job in begun["plan"].jobs.values()] == [4, 3, 4, 4, 3, 3]
    assert {job.folder.parent for job in begun["plan"].jobs.values()} == {Path("my runs", "arms").resolve()}
    for arm, file in zip(begun["plan"].arms, sorted(Path("here", "arms").iterdir()), strict=True):
        options = yaml.safe_load(file.read_text())
        assert options == {k: v for k, v in arm.config.to_dict().items() if k in options}
        assert (options["beta"], options["epochs"]) == (2, 6)
        assert options.get("disc_lr", 1e-4) == 1e-4
    assert [name for name in files() if name.startswith("here")] == [
        "here/ablation.json",
        "here/arms/01_disc_weight_0.yaml",
        "here/arms/02_disc_weight_10.yaml",
        "here/arms/03_no_discriminator.yaml",
        "here/sweep.yaml",
    ]


def test_what_is_set_takes_away_with_none(typed, begun):
    Path("spec.yaml").write_text(SPEC.replace("controls: [no_disc]\n", ""))
    typed("spec.yaml", "--out", "here", "--set", "augment=none", "betas=0.5,0.9", "dataset=cartoon:20")
    config = begun["plan"].arms[0].config
    assert (config.augment, config.betas, config.dataset) == (None, (0.5, 0.9), "cartoon:20")


def test_what_is_set_to_something_called_none_is_that(typed, begun):
    Path("spec.yaml").write_text(SPEC.replace("dense", "conv").replace("hidden_dim", "base_channels"))
    typed("spec.yaml", "--out", "here", "--set", "disc_norm=none", "epochs=3")
    assert [arm.config.disc_norm for arm in begun["plan"].arms] == ["none", "none", None]


MISTAKES = {
    "": "SPEC: is missing; name a YAML file, or a published ablation such as disc_weight",
    "no.yaml": "no.yaml: cannot read the file (No such file or directory); the command `configs` lists those "
    "that are known by name",
    ".": ".: cannot read the file (Is a directory)",
    "spec.yaml other.yaml": "other.yaml: unexpected; --help shows what is taken",
    "spec.yaml --wrokers 2": ('--wrokers: unknown flag; did you mean "--workers"? --help lists them all'),
    "spec.yaml --workers 0": "--workers 0: not a whole number of at least 1 and at most 1024",
    "spec.yaml --workers two": "--workers two: not a whole number of at least 1 and at most 1024",
    "spec.yaml --seeds -1": "--seeds -1: not a whole number of at least 0 and at most 9223372036854775807",
    "spec.yaml --seeds 1 2 2": "--seeds 2: named twice; name each seed once",
    "spec.yaml --seeds 1 --seeds 1": "--seeds 1: named twice; name each seed once",
    "spec.yaml --seeds": "--seeds: expected at least one argument",
    "spec.yaml --set lr=1": (
        "--set lr=1: differs from the file's ablation; name a folder for its table with --out"
    ),
    "spec.yaml --out o --set lr": "--set lr: expected OPTION=VALUE",
    "spec.yaml --out o --set =1": "--set =1: expected OPTION=VALUE",
    "spec.yaml --out o --set lr=[": "--set lr=[: the value cannot be read as YAML; put it in quotes",
    "spec.yaml --out o --set lr=2020-13-13": (
        "--set lr=2020-13-13: the value cannot be read as YAML; put it in quotes"
    ),
    "spec.yaml --out o --set lr=2020-12-12": "spec.yaml: disc weight 0: lr 2020-12-12: not a finite number",
    "spec.yaml --out o --set seed=1": "spec.yaml: disc weight 0: seed: use `seeds`",
    "spec.yaml --out o --set lrr=1": (
        'spec.yaml: disc weight 0: lrr: unknown option; did you mean "lr"? '
        "train_vaegan.py --help lists them all"
    ),
    "spec.yaml --out o --set epochs=": "spec.yaml: disc weight 0: epochs none: not a whole number",
    "spec.yaml --out o --set dataset=3": (
        "spec.yaml: disc weight 0: dataset 3: not a text; put it in quotes"
    ),
    "spec.yaml --out o --set {a}=1": (
        "spec.yaml: disc weight 0: {a}: unknown option; train_vaegan.py --help lists them all"
    ),
    "spec.yaml --out o --set disc_weight=3": (
        "spec.yaml: the arms 'disc weight 0' and 'disc weight 10' do not differ"
    ),
    "spec.yaml --out o --set image_size=15 vae=conv": (
        "spec.yaml: disc weight 0: hidden_dim 4: not a knob of conv; what can be set: --activation, "
        "--base-channels, --depth, --kernel-size, --norm"
    ),
    "spec.yaml --out .": "--out .: . has other contents; name a new folder",
    "spec.yaml --out spec.yaml": "--out spec.yaml: spec.yaml has other contents; name a new folder",
    "spec.yaml --out spec.yaml/o": "--out spec.yaml/o: cannot write into spec.yaml/o (Not a directory)",
    "spec.yaml --runs-dir spec.yaml": "--out: cannot write into spec.yaml/spec (Not a directory)",
    "spec.yaml --table r": "spec.yaml: --table takes no spec; leave out one of them",
    "--table r --dry-run": "--dry-run: --table makes no runs; leave out one of them",
    "--table r --workers 2": "--workers: --table makes no runs; leave out one of them",
    "--table r --seeds 3": "--seeds: --table makes no runs; leave out one of them",
    "--table": "--table: expected at least one argument",
    "--table no": "no: no such folder",
    "--table .": ".: not a run's folder: it has no config.yaml and no environment.json",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_a_line_and_leaves_nothing(typed, begun, line):
    assert typed(*line.split()) == (2, "", MISTAKES[line] + "\n")
    assert files() == ["spec.yaml"]
    assert [path.name for path in Path().iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize(
    "spec", ["grid: [", "arms: {a: {3: 4}, b: }", SPEC.replace("vae:", "dataset: no/where, vae:")]
)
def test_a_wrong_spec_is_a_line_and_leaves_nothing(typed, begun, spec):
    Path("spec.yaml").write_text(spec)
    status, output, errors = typed("spec.yaml")
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("spec.yaml: ")
    assert files() == ["spec.yaml"]


def test_another_ablations_folder_is_refused(typed, begun):
    Path("other").mkdir()
    Path("other", "spec.yaml").write_text(SPEC)
    assert typed("spec.yaml")[0] == 128
    before = files()
    name = Path.cwd().name
    status, output, errors = typed("other/spec.yaml")
    assert (status, output) == (2, "")
    assert errors == f"--out: runs/spec holds the table of {name}/spec.yaml; name another folder with --out\n"
    assert typed("spec.yaml", "--set", "lr=1", "--out", "runs/spec")[0] == 2
    assert files() == before
    assert typed("spec.yaml")[0] == 128


@pytest.mark.parametrize("address", ["slurm:time", "slurm"])
def test_a_cluster_that_is_not_there_is_a_line_and_leaves_nothing(typed, begun, address, monkeypatch):
    monkeypatch.setenv("PATH", "")
    status, output, errors = typed("spec.yaml", "--cluster", address)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"--cluster {address}: ")
    assert files() == ["spec.yaml"]


def written(name, **options):
    """The folder of an evaluated run."""
    folder = Path(name)
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, "beta": 1.0} | options))
    (folder / "environment.json").write_text("{}")
    values = {"reconstruction": {"protocol": {}, "values": {"psnr": 20.0}, "meanings": {}}}
    (folder / "evaluation.json").write_text(json.dumps({"sections": values}))


def test_the_table_of_runs_that_there_are(typed, monkeypatch):
    tables: list[Table] = []

    def write_table(folder, table, command, final):
        tables.append(table)
        (folder / "report.html").write_text(f"{final}: {command}")
        return folder / "report.html"

    monkeypatch.setattr(ablate, "write_table", write_table)
    for name, options in (("a b", {}), ("c", {"seed": 1}), ("d", {"beta": 2.0})):
        written(name, **options)
    for folder in ("runs/table", "runs/table-2"):
        assert typed("--table", "a b", "c", "--table", "d") == (0, f"table: {folder}/report.html\n", "")
        report = Path(folder, "report.html").read_text()
        assert report == f"{folder}: python -m vaegan ablate --table 'a b' c d"
    for table in tables:
        assert [(row.label, row.survived) for row in table.rows] == [("beta 1", "2/2"), ("beta 2", "1/1")]
        assert (table.baseline, table.remarks) == ("beta 1", [])
    before = files()
    status, _, errors = typed("--table", "c", "d", "--out", "a b")
    assert (status, errors) == (2, "--out a b: exists already; name a new or an empty folder\n")
    status, _, errors = typed("--table", "c", "c")
    assert (status, errors) == (2, "c: the same options and seed as c; name only one of them\n")
    assert files() == before


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            "sections=latnts",
            "spec.yaml: disc weight 0: sections latnts: no such section of an evaluation; did",
        ),
        ("features=rndom", "spec.yaml: disc weight 0: features rndom: no such feature network; did you mean"),
    ],
)
def test_what_evaluations_take_is_checked_before_anything_begins(typed, begun, given, error):
    status, _, errors = typed("spec.yaml", "--set", given, "--out", "here")
    assert status == 2 and errors.startswith(error) and errors.count("\n") == 1
    assert files() == ["spec.yaml"] and not begun


def test_the_fronts_of_the_spec_are_in_the_tables_and_on_the_page(typed, monkeypatch):
    def made(psnr, distance):
        sections = {
            "reconstruction": {"protocol": {}, "values": {"psnr": psnr}},
            "distances": {"protocol": {}, "values": {"samples/frechet": distance}},
        }
        return RunFiles(Path("run"), {"seed": 0}, {}, [], {"sections": sections})

    class Runner:
        reasons: ClassVar = {}

        def __init__(self, plan, pool, group):
            self.plan = plan

        def run(self, show, stopped):
            return True

        def arms(self):
            figures = ((20, 10), (25, 1), (24, 100))
            labels = [arm.label for arm in self.plan.arms]
            return [ArmRuns(label, {0: made(*each)}) for label, each in zip(labels, figures, strict=True)]

    monkeypatch.setattr(ablate, "Runner", Runner)
    fronts = "fronts: {alone: [no discriminator], with D: [disc weight 0, disc weight 10]}\n"
    wanted = "metrics: [reconstruction/psnr, distances/samples/frechet]\n"
    Path("spec.yaml").write_text(SPEC + fronts + wanted)
    assert typed("spec.yaml", "--seeds", "0", "--set", "wandb=disabled", "--out", "out")[0] == 0
    row = ["PSNR × Fréchet distance of samples", "0.000", "1.000", "+1.000", "+1.000"]
    assert f"| {' | '.join(row)} |" in Path("out/table.md").read_text()
    assert (
        "with D,area gained in reconstruction/psnr x distances/samples/frechet,,higher,1,1.0"
        in Path("out/table.csv").read_text()
    )
    assert r"\label{tab:spec-fronts}" in Path("out/table.tex").read_text()
    page = Path("out/report.html").read_text()
    assert '<h2 id="fronts">Fronts</h2>' in page and "Fronts of the groups" in page
    assert all(cell in page for cell in row)
    assert Path("out/figures/fronts.png").is_file()
    Path("spec.yaml").write_text(SPEC + wanted)
    typed("spec.yaml", "--seeds", "0", "--set", "wandb=disabled", "--out", "out")
    assert "Fronts" not in Path("out/table.md").read_text() + Path("out/report.html").read_text()
    assert not Path("out/figures/fronts.png").exists()
