"""A value that is not finite is reported with its term, epoch and step, within a fixed number of steps."""

import math

import pytest
import torch

from vaegan.errors import NotFinite
from vaegan.training import finite
from vaegan.training.finite import FiniteCheck


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_bad_term_is_named(bad):
    check = FiniteCheck()
    check.at(2, 70)
    check.add("disc", {"real": torch.tensor(1e30), "fake": torch.tensor(-1e30)})
    check.at(2, 71)
    check.add("gen", {"pbp": torch.tensor(1.0), "adv": torch.tensor(bad)})
    check.at(2, 72)
    check.add("gen", {"pbp": torch.tensor(math.nan)})
    with pytest.raises(NotFinite, match=rf"^train/gen/adv became {bad} in epoch 3, step 72; "):
        check.check()


def test_it_looks_by_itself_after_so_many_steps_and_then_begins_anew():
    check = FiniteCheck()
    for step in range(finite.EVERY):
        check.at(0, step)
        check.add("gen", {"adv": torch.tensor(0.5)})
    for step in range(finite.EVERY):
        check.at(0, step)
        check.add("gen", {"adv": torch.tensor(math.nan)})
    with pytest.raises(NotFinite, match="step 1;"):
        check.at(0, finite.EVERY)


def test_nothing_to_check_is_fine():
    FiniteCheck().check()
