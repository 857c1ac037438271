"""The packages: those below `vaegan`, and two folders beside it: `datasets`, `configs`.

They are installed as `vaegan.datasets` and `vaegan.configs`: a package `datasets` of its own would overwrite
Hugging Face's.
"""

from setuptools import find_packages, setup

data_sets = [f"vaegan.{name}" for name in find_packages(include=["datasets*"])]
setup(
    packages=[*find_packages(include=["vaegan*"]), *data_sets, "vaegan.configs"],
    package_dir={"vaegan.datasets": "datasets", "vaegan.configs": "configs"},
)
