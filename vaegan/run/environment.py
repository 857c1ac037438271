"""Environment of a run: versions, device, commit, command line."""

import platform
import shlex
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    "torchvision",
    "timm",
    "kornia",
    "wandb",
    "numpy",
    "safetensors",
    "pydantic",
    "scikit-learn",
    "torchmetrics",
    "pillow",
)


def environment(device: torch.device, command: list[str]) -> dict[str, Any]:
    """Versions, device, commit and command line, for environment.json."""
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "command": shlex.join(command),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
        "packages": package_versions(),
    }


def package_versions() -> dict[str, str | None]:
    """Versions of the packages whose version may change a result."""
    return {package: _version(package) for package in PACKAGES} | {"torch": torch.__version__}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Hash of the program's commit, followed by "+" if files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None
