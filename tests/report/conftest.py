"""A hand-made run, and a browser to open its report in."""

import json

import pytest
from browser import launched
from run_folders import EVALUATION, write_run


@pytest.fixture
def run_folder(tmp_path):
    """An evaluated run."""
    return write_run(tmp_path / "digits_conv-1")


@pytest.fixture(scope="session")
def chromium():
    """A headless browser; the test is skipped where there is none."""
    with launched() as browser:
        yield browser


@pytest.fixture
def evaluation():
    """An evaluation that may be changed."""
    return json.loads(json.dumps(EVALUATION))
