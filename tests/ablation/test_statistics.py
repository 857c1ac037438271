"""Means, intervals and fronts, against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from vaegan.ablation.statistics import bootstrap_interval, hypervolume, mean_and_deviation, pareto_front


def test_the_mean_and_the_deviation_of_a_sample():
    assert mean_and_deviation([1.0, 2.0, 6.0]) == (3.0, pytest.approx(7**0.5))  # (4 + 1 + 9) / 2
    assert mean_and_deviation([2.5]) == (2.5, None)
    assert mean_and_deviation([2, 2]) == (2, 0)


def test_an_interval_of_few_values_is_their_range():
    """The chance that all of n draws are the least one is n**-n: 1/4 and 1/27 are more than a tail's 1/40."""
    assert bootstrap_interval([3.0, 1.0]) == (1.0, 3.0)
    assert bootstrap_interval([3.0, 1.0, 2.5]) == (1.0, 3.0)
    assert bootstrap_interval([2.0, 2.0]) == (2.0, 2.0)
    assert bootstrap_interval([2.0]) is None
    assert bootstrap_interval([]) is None


def test_an_interval_is_the_same_each_time():
    values = np.random.default_rng(1).normal(size=9).tolist()
    assert bootstrap_interval(values) == bootstrap_interval(values)


@pytest.mark.parametrize("n", [4, 10, 200])
def test_an_interval_is_scipy_s(n):
    values = np.random.default_rng(n).gamma(1.0, size=n)
    theirs = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=3).confidence_interval
    error = 0.1 * values.std() / n**0.5  # the ends' own deviation over resamples is a third of that
    assert bootstrap_interval(values.tolist()) == pytest.approx((theirs.low, theirs.high), abs=error)


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1, 1)], [0]),
        ([(1, 1), (2, 2), (1, 2), (2, 1)], [0]),
        ([(3, 1), (1, 3), (2, 2)], [1, 2, 0]),
        ([(3, 1), (1, 3), (2.5, 2.5), (2, 2)], [1, 3, 0]),
        ([(1, 2), (1, 3), (2, 2), (2, 1)], [0, 3]),
        ([(1, 2), (0, 2), (1, 1), (1, 2)], [1, 2]),
        ([(1, 1), (0, 5), (1, 1)], [1, 0, 2]),
        ([(-1, 0), (0, -1), (0, 0)], [0, 1]),
    ],
)
def test_the_front_is_what_nothing_is_better_than(points, front):
    assert pareto_front(points) == front


def test_the_front_of_many_points_with_ties_is_that_of_the_definition():
    points = [tuple(point) for point in np.random.default_rng(0).integers(0, 12, (80, 2)).tolist()]
    best = [
        i
        for i, (x, y) in enumerate(points)
        if not any(u <= x and v <= y and (u, v) != (x, y) for u, v in points)
    ]
    found = pareto_front(points)
    assert sorted(found) == best
    assert [points[i] for i in found] == sorted(points[i] for i in best)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([], 0),
        ([(0, 1), (1, 0)], 0),  # as bad as the reference point in one coordinate
        ([(1, 1)], 1),
        ([(0.5, 0.25)], 0.125),
        ([(1, 0.5), (0.5, 1)], 0.75),  # two halves that share a quarter
        ([(0.5, 1), (0.25, 0.5), (1, 0.5), (0.5, 1)], 0.75),  # one behind them, and one twice
        ([(0.25, 1), (0.5, 0.75), (1, 0.25)], 0.25 + 0.25 * 0.75 + 0.5 * 0.25),
    ],
)
def test_a_hypervolume_is_the_area_of_a_staircase(points, area):
    assert hypervolume(points) == pytest.approx(area)
