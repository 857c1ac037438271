"""The packages: those below `vaegan`, and the top-level folder `datasets`, installed as `vaegan.datasets`.

A package `datasets` of its own would overwrite Hugging Face's.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel

PACKAGE = Path(__file__).resolve().parent / "vaegan"
# In the folder that holds a clone called `vaegan`, Python takes the clone for a package without an
# `__init__.py`, and never asks setuptools' finder; it prefers a package that has one, such as this.
STAND_IN = f'''"""Stands for the package that is installed in place, in {PACKAGE}."""

__path__ = [{str(PACKAGE)!r}]
__file__ = {str(PACKAGE / "__init__.py")!r}
with open(__file__, encoding="utf-8") as _file:
    exec(compile(_file.read(), __file__, "exec"))
'''


class FoundAnywhere(editable_wheel):
    """An installation in place that works from any working directory."""

    def _select_strategy(self, *arguments):
        strategy = super()._select_strategy(*arguments)
        return _WithStandIn(strategy)


class _WithStandIn:
    """What setuptools puts into an editable wheel, and the stand-in."""

    def __init__(self, strategy):
        self.strategy = strategy

    def __call__(self, wheel, files, mapping):
        self.strategy(wheel, files, mapping)
        wheel.writestr("vaegan/__init__.py", STAND_IN)

    def __enter__(self):
        self.strategy.__enter__()
        return self

    def __exit__(self, *arguments):
        return self.strategy.__exit__(*arguments)


data_sets = [f"vaegan.{name}" for name in find_packages(include=["datasets*"])]
setup(
    packages=[*find_packages(include=["vaegan*"]), *data_sets],
    package_dir={"vaegan.datasets": "datasets"},
    cmdclass={"editable_wheel": FoundAnywhere},
)
