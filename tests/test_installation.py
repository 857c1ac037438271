"""Installed beside Hugging Face's `datasets`, in both orders and ways, and started from any directory."""

import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300  # seconds
TINY = "--vae dense --hidden-dim 8 --image-size 16 --epochs 1 --evaluate false --wandb disabled"
# where this very package may be installed in place: the fresh environments have their own
OURS = ("__editable__.vaegan", "__editable___vaegan")

pytestmark = pytest.mark.processes


def ran(*command, cwd: Path) -> subprocess.CompletedProcess:
    """A command that must succeed, with nothing of this checkout in its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"OMP_NUM_THREADS": "1", "VIRTUAL_ENV": ""}
    command = list(map(str, command))
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=PATIENCE)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of the project in a folder called `vaegan`, as a clone is."""
    folder = tmp_path_factory.mktemp("clones") / "vaegan"
    names = (
        "vaegan",
        "datasets",
        "configs",
        "train_vaegan.py",
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    )
    folder.mkdir()
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheels(clone, tmp_path_factory) -> dict[str, Path]:
    """Our wheel, and a small one that stands for Hugging Face's `datasets`."""
    theirs = tmp_path_factory.mktemp("theirs")
    (theirs / "datasets").mkdir()
    (theirs / "datasets/__init__.py").write_text("from datasets.load import load_dataset\n")
    (theirs / "datasets/load.py").write_text("def load_dataset(name):\n    return f'theirs: {name}'\n")
    (theirs / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "datasets"\nversion = "9.9"\n[tool.setuptools]\npackages = ["datasets"]\n'
    )
    made = {}
    for name, project in (("vaegan", clone), ("datasets", theirs)):
        folder = tmp_path_factory.mktemp(name)
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        ran(*pip, "-w", folder, project, cwd=folder)
        (made[name],) = folder.glob("*.whl")
    shutil.rmtree(clone / "build", ignore_errors=True)
    return made


class Environment:
    """A fresh environment that sees the packages of this one, without what it has of ours."""

    def __init__(self, folder: Path):
        ran(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (self.packages,) = (folder / "lib").glob("python*/site-packages")
        lent = folder / "lent"
        lent.mkdir()
        for packages in map(Path, site.getsitepackages()):
            for path in packages.iterdir() if packages.is_dir() else ():
                if not path.name.startswith((*OURS, "vaegan", "datasets")) and path.suffix != ".pth":
                    (lent / path.name).exists() or (lent / path.name).symlink_to(path)
        (self.packages / "lent.pth").write_text(f"{lent}\n")

    def pip(self, *arguments) -> None:
        """pip of this environment, on that one, without a network."""
        options = ["--disable-pip-version-check", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
        command, *rest = arguments
        given = options if command == "install" else ["-q", "-y"]
        ran(sys.executable, "-m", "pip", "--python", self.python, command, *given, *rest, cwd=self.folder)

    def says(self, code: str, cwd: Path) -> str:
        return ran(self.python, "-c", code, cwd=cwd).stdout.strip()


@pytest.fixture
def environment(tmp_path) -> Environment:
    return Environment(tmp_path / "fresh")


@pytest.fixture
def nowhere(tmp_path) -> Path:
    """A directory with nothing in it."""
    (tmp_path / "nowhere").mkdir()
    return tmp_path / "nowhere"


THEIRS = "import datasets; print(datasets.load_dataset('x'), len(datasets.__path__))"
OF_US = "import vaegan, importlib.util as u; print(vaegan.__file__, u.find_spec('vaegan.datasets').origin)"


def whole(environment: Environment, nowhere: Path, place: Path) -> bool:
    """True if both packages are complete. place: the expected place of ours."""
    package, sets = environment.says(OF_US, nowhere).split()
    assert Path(package).is_relative_to(place) and Path(sets).is_relative_to(place)
    return environment.says(THEIRS, nowhere) == "theirs: x 1"


@pytest.mark.parametrize("way", ["wheel", "in place"])
@pytest.mark.parametrize("first", ["vaegan", "datasets"])
def test_both_packages_live_beside_each_other_and_one_outlives_the_other(
    way, first, environment, wheels, clone, nowhere
):
    ours = [wheels["vaegan"]] if way == "wheel" else ["-e", clone]
    place = environment.packages if way == "wheel" else clone
    installs = [ours, [wheels["datasets"]]]
    for each in installs if first == "vaegan" else reversed(installs):
        environment.pip("install", *each)
    assert whole(environment, nowhere, place)
    environment.pip("uninstall", "vaegan")
    assert environment.says(THEIRS, nowhere) == "theirs: x 1"
    assert [path.name for path in environment.packages.iterdir() if "vaegan" in path.name] == []
    environment.pip("install", *ours)
    environment.pip("uninstall", "datasets")
    assert "digits" in environment.says("import vaegan.datasets as d; print(d.DATASETS.names())", nowhere)
    assert not (environment.packages / "datasets").exists()
    environment.says("import importlib.util as u; assert u.find_spec('datasets') is None", nowhere)


def test_the_wheel_holds_the_package_and_nothing_else(wheels):
    with zipfile.ZipFile(wheels["vaegan"]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    expected = {"train_vaegan.py"}
    for folder, below in (
        ("vaegan", "vaegan"),
        ("datasets", "vaegan/datasets"),
        ("configs", "vaegan/configs"),
    ):
        files = [file for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".j2", ".yaml")]
        expected |= {f"{below}/{file.relative_to(ROOT / folder).as_posix()}" for file in files}
    assert set(names) == expected
    assert any(name.endswith(".j2") for name in names)


def photos(folder: Path) -> None:
    folder.mkdir()
    for i in range(40):
        Image.new("RGB", (8, 8), (6 * i, 100, 255 - 6 * i)).save(folder / f"{i:02}.png")


@pytest.mark.parametrize("way", ["wheel", "in place"])
def test_it_works_where_folders_and_files_have_the_names_of_packages(
    way, environment, wheels, clone, tmp_path
):
    environment.pip("install", *([wheels["vaegan"]] if way == "wheel" else ["-e", clone]))
    folder, file, above = tmp_path / "folder", tmp_path / "file", tmp_path / "above"
    for each in (folder, file, above):
        each.mkdir()
    photos(folder / "datasets")
    (file / "datasets.py").write_text("raise ImportError('not meant')\n")
    shutil.copytree(clone, above / "vaegan")  # a clone, beside what is installed
    for where in (folder, file, above, clone.parent):
        overview = ran(environment.python, "-m", "vaegan", "--help", cwd=where).stdout
        assert "check-data" in overview, where
    sheet = tmp_path / "sheet.png"
    ran(environment.python, "-m", "vaegan", "check-data", "datasets", "--sheet", sheet, cwd=folder)
    assert sheet.exists()
    flags = [*TINY.split(), "--dataset", "datasets", "--batch-size", "8"]
    program = [environment.folder / "bin/vaegan", "train"]
    if way == "in place":
        program = [environment.python, clone / "train_vaegan.py"]
    ran(*program, *flags, "--run-name", "a", cwd=folder)
    assert (folder / "runs/a/VAE_model.pth").exists()
    # what is printed works there
    code = "from vaegan.cli import again; print(again.training('--resume', 'runs/a', '--epochs', 2))"
    line = environment.says(code, folder)
    ran("bash", "-c", line, cwd=folder)
    assert len((folder / "runs/a/metrics.jsonl").read_text().splitlines()) == 2


def test_installed_it_is_a_program_with_the_published_configs(environment, wheels, nowhere):
    environment.pip("install", wheels["vaegan"])
    program = environment.folder / "bin" / "vaegan"
    assert ran(program, "--version", cwd=nowhere).stdout.startswith("vaegan ")
    assert ran(program, "--help", cwd=nowhere).stdout.startswith("usage: vaegan COMMAND ")
    assert "  learned_loss/conv_resnet " in ran(program, "configs", cwd=nowhere).stdout
    flags = ["--config", "learned_loss/conv_resnet", "--dataset", "digits", "--epochs", "1", "--dry-run"]
    plan = ran(program, "train", *flags, cwd=nowhere).stdout
    assert "disc: resnet" in plan and "vae: conv" in plan  # the latter stands in its base
    trained = ran(program, "train", *TINY.split(), "--run-name", "a", cwd=nowhere).stdout
    assert "Run folder: runs/a" in trained


PYTHON_LINES = """
import numpy, vaegan
run = vaegan.train(
    vae="dense", hidden_dim=8, dataset="digits", image_size=16, latent_dim=3, epochs=1, train_images=128,
    device="cpu",
    evaluate=False, tracker="none", run_name="b",
)
opened = vaegan.load("runs/b")
images = numpy.zeros((3, 16, 16), numpy.uint8)
assert (opened.reconstruct(images) == run.reconstruct(images)).all()
print(tuple(opened.reconstruct(images).shape), vaegan.__file__)
"""


def test_from_an_empty_directory_it_trains_evaluates_exports_and_takes_plug_ins(environment, wheels, nowhere):
    environment.pip("install", wheels["vaegan"])
    program = environment.folder / "bin" / "vaegan"
    small = [*TINY.split(), "--latent-dim", "3", "--train-images", "256", "--device", "cpu"]
    ran(program, "train", *small, "--run-name", "a", cwd=nowhere)
    ran(program, "evaluate", "runs/a", cwd=nowhere)
    assert (nowhere / "runs/a/report.html").exists()
    ran(program, "export", "runs/a", "--format", "torchscript", "--out", "exported", cwd=nowhere)
    assert any((nowhere / "exported").iterdir())
    shape, place = environment.says(PYTHON_LINES, nowhere).splitlines()[-1].rsplit(" ", 1)
    assert shape == "(3, 1, 16, 16)" and Path(place).is_relative_to(environment.packages)
    own = shutil.copyfile(ROOT / "tests/own_parts/encoder.py", nowhere / "own.py")
    parts = ["--encoder", "own_linear", "--decoder", "dense", "--plugins", own]
    flags = [flag for flag in small if flag not in ("--vae", "dense")]
    ran(program, "train", *flags, *parts, "--run-name", "c", cwd=nowhere)
    assert (nowhere / "runs/c/VAE_model.pth").exists()
