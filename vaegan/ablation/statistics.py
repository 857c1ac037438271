"""Statistics over seeds: means, deviations, intervals of differences, Pareto fronts."""

from collections.abc import Sequence
from statistics import mean, stdev

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and the sample standard deviation (n - 1), which is None for a single value."""
    return mean(values), stdev(values) if len(values) > 1 else None


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval of the mean, from the percentiles of resampled means; None for a single value.

    The same values give the same interval. For three values it is nearly their range: few seeds tell little.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap, section 13.3 (percentile interval).
    """
    if len(values) < 2:
        return None
    drawn = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLES, len(values))).mean(1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indices of the points that are not dominated; smaller is better in both coordinates.

    They are sorted by the first coordinate, smallest first. A point is dominated by another that is no worse
    in both coordinates and better in one.
    """
    order = sorted(range(len(points)), key=lambda i: points[i])
    front: list[int] = []
    for i in order:
        dominated = front and points[front[-1]][1] <= points[i][1] and points[front[-1]] != points[i]
        if not dominated:
            front.append(i)
    return front


def hypervolume(points: Sequence[tuple[float, float]]) -> float:
    """The area that is dominated by points in the unit square; larger is better in both coordinates.

    A place is dominated if a point is no worse in both coordinates. The reference point is (0, 0).
    Source: Zitzler & Thiele, Multiobjective Evolutionary Algorithms: A Comparative Case Study and the
    Strength Pareto Approach (IEEE Transactions on Evolutionary Computation 3, 1999).
    """
    area, height = 0.0, 0.0
    for i in pareto_front(
        [(-x, -y) for x, y in points]
    ):  # from the right; each is higher than the one before
        x, y = points[i]
        area += x * (y - height)
        height = y
    return area
