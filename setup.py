"""The packages: those below `vaegan`, and the top-level folder `datasets`, installed as `vaegan.datasets`.

A package `datasets` of its own would overwrite Hugging Face's.
"""

from setuptools import find_packages, setup

data_sets = [f"vaegan.{name}" for name in find_packages(include=["datasets*"])]
setup(
    packages=[*find_packages(include=["vaegan*"]), *data_sets],
    package_dir={"vaegan.datasets": "datasets"},
)
