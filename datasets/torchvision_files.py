"""Data sets read by torchvision: from existing files, from archives in the same folder, or downloaded."""

import contextlib
import io
import shutil
import tempfile
from pathlib import Path

from vaegan.errors import OptionError
from vaegan.files import write_whole


def read_torchvision(
    dataset: type, data_dir: Path, archives: dict[str, str], files: dict[str, str] | None = None
) -> tuple:
    """torchvision's training and test set of that class, from `data_dir`, or else downloaded to it.

    archives: the packed files below `data_dir` and their md5 sums; torchvision unpacks them in a
    temporary folder, so that `data_dir` may be read-only, and downloads those that are missing or
    damaged. files: names and md5 sums of the files that could replace the archives, named in the message
    if everything fails.
    Raises: OptionError if files are missing or damaged and cannot be downloaded, and if the downloaded
    files cannot be kept.
    """
    try:
        return _both(dataset, data_dir)
    except (OSError, RuntimeError, ValueError):
        pass  # files are missing or damaged
    with tempfile.TemporaryDirectory() as temporary:
        workplace = Path(temporary)
        missing = _not_intact(data_dir, archives)
        if missing:
            print(f"downloading {', '.join(missing)} to {data_dir}", flush=True)
        try:
            for name in archives.keys() - missing:
                (workplace / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(data_dir / name, workplace / name)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                dataset(workplace, download=True)
            sets = _both(dataset, workplace)
        except (OSError, RuntimeError, ValueError) as error:
            reason = (str(error) or type(error).__name__).strip().splitlines()[-1]
            lacking = ", ".join(_not_intact(data_dir, files or archives))
            raise OptionError(
                "dataset",
                f"missing or damaged in {data_dir}: {lacking}; the download failed ({reason}). "
                "Put the files there, or name the folder that has them with --data-dir.",
            ) from None
        if missing:
            _keep(workplace, data_dir)
        return sets


def _not_intact(data_dir: Path, files: dict[str, str]) -> list[str]:
    from torchvision.datasets.utils import check_integrity

    return [name for name, md5 in files.items() if not check_integrity(data_dir / name, md5)]


def _both(dataset: type, root: Path) -> tuple:
    return dataset(root, train=True, download=False), dataset(root, train=False, download=False)


def _keep(workplace: Path, data_dir: Path) -> None:
    """Copies the files that torchvision downloaded and unpacked to the data folder."""
    try:
        for file in workplace.rglob("*"):
            target = data_dir / file.relative_to(workplace)
            if file.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(target, lambda temporary, file=file: shutil.copyfile(file, temporary))
    except OSError as error:
        raise OptionError(
            "data_dir", f"cannot save the downloaded files in {data_dir} ({error.strerror})"
        ) from None
