"""Intervals: accepted texts, the end of an interval, and reading back what was written."""

import pytest
import yaml

from vaegan.config.interval import Interval
from vaegan.config.make import make_config
from vaegan.errors import OptionErrors


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("500", Interval(steps=500)),
        (500, Interval(steps=500)),
        ("500 steps", Interval(steps=500)),
        ("10min", Interval(minutes=10)),
        ("10 min", Interval(minutes=10)),
        ("0.5min", Interval(minutes=0.5)),
        (Interval(minutes=3), Interval(minutes=3)),
    ],
)
def test_steps_and_minutes_are_told_apart(given, expected):
    assert Interval.parse(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        *("0", 0, "0min", "0.0min", "-1", -5, "-1min", "", "min", "10m", "10s", "5 epochs", "1.5", 1.5),
        *("1e3", "nan", "inf", "nanmin", "infmin", "9" * 400 + "min", "5,6", [5], {"steps": 5}, "500\n"),
    ],
)
def test_all_else_is_refused_with_what_is_accepted(given):
    with pytest.raises(ValueError, match=r"a number of steps \(500\) or of minutes \(10min\) is accepted"):
        Interval.parse(given)


def test_a_yaml_value_that_is_no_number_is_refused():
    with pytest.raises(OptionErrors, match="--save-every: "):
        make_config({"save_every": True})


def test_steps_are_counted_and_time_is_no_matter():
    interval = Interval(steps=3)
    assert [interval.is_over(steps, 1e9) for steps in (0, 2, 3, 4)] == [False, False, True, True]


def test_minutes_are_of_sixty_seconds_and_steps_are_no_matter():
    interval = Interval(minutes=0.5)
    assert [interval.is_over(10**9, seconds) for seconds in (0, 29.9, 30, 31)] == [False, False, True, True]


@pytest.mark.parametrize(
    "given", ["1", "500", "10min", "0.5min", "0.00001min", "1000000min", "12.3456789min"]
)
def test_what_a_config_file_says_is_read_back(given):
    config = make_config({"save_every": given})
    written = yaml.safe_load(yaml.safe_dump(config.to_dict()))
    assert make_config(written).save_every == config.save_every == Interval.parse(given)
    assert Interval.parse(str(config.save_every)) == config.save_every


def test_whole_numbers_are_written_without_a_point():
    assert [str(Interval.parse(given)) for given in ("10min", "10.0min", "500", "500 steps")] == [
        "10min",
        "10min",
        "500",
        "500",
    ]
