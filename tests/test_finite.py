"""A value that is not finite is named with its term, epoch and step, within so many steps."""

import math

import pytest
import torch

from vaegan import finite
from vaegan.errors import TrainingError
from vaegan.finite import FiniteCheck


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_bad_term_is_named(bad):
    check = FiniteCheck()
    check.add(2, 70, "disc", {"real": torch.tensor(1e30), "fake": torch.tensor(-1e30)})
    check.add(2, 71, "gen", {"pbp": torch.tensor(1.0), "adv": torch.tensor(bad)})
    check.add(2, 72, "gen", {"pbp": torch.tensor(math.nan)})
    with pytest.raises(TrainingError, match=rf"^train/gen/adv became {bad} in epoch 3, step 72; "):
        check.check()


def test_it_looks_by_itself_after_so_many_steps_and_then_begins_anew():
    check = FiniteCheck()
    for step in range(finite.EVERY):
        check.add(0, step, "gen", {"adv": torch.tensor(0.5)})
    for step in range(finite.EVERY - 1):
        check.add(0, step, "gen", {"adv": torch.tensor(math.nan)})
    with pytest.raises(TrainingError, match="step 1;"):
        check.add(0, finite.EVERY, "gen", {"adv": torch.tensor(0.5)})


def test_nothing_to_check_is_fine():
    FiniteCheck().check()
