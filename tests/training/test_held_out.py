"""D's ranking of held-out images: written-out cases, and against scikit-learn."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from vaegan.training.held_out import auc


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        ([3.0, 4.0], [1.0, 2.0], 1.0),
        ([1.0, 2.0], [3.0, 4.0], 0.0),
        ([1.0, 3.0], [2.0], 0.5),
        ([2.0, 2.0], [2.0, 2.0, 2.0], 0.5),  # ties count half
        ([1.0, 2.0, 3.0], [2.0, 0.0], 4.5 / 6),
    ],
)
def test_the_share_of_pairs_in_which_the_original_is_higher(real, fake, expected):
    assert auc(torch.tensor(real), torch.tensor(fake)) == pytest.approx(expected)


def test_it_is_scikit_learns_area_under_the_roc_curve():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(300, generator=generator).mul(4).round().add(1)  # with many ties
    fake = torch.randn(200, generator=generator).mul(4).round()
    labels = [1] * len(real) + [0] * len(fake)
    assert auc(real, fake) == pytest.approx(roc_auc_score(labels, torch.cat([real, fake]).numpy()))


def test_any_rising_function_of_the_logits_ranks_alike():
    real, fake = torch.linspace(-1, 3, 50), torch.linspace(-2, 2, 40)
    assert auc(real.exp() + 7, fake.exp() + 7) == auc(real, fake)
