"""Weights: finite numbers of at least 0, from a flag's text or from YAML."""

import math

import pytest
import yaml

from vaegan.config.make import make_config, resolved
from vaegan.config.schema import DEFAULT_DISC_WEIGHT
from vaegan.errors import OptionErrors
from vaegan.objective.weight import Weight


@pytest.mark.parametrize(
    ("given", "value"),
    [("10", 10.0), ("1e-3", 0.001), (" 2.5 ", 2.5), ("0", 0.0), (0, 0.0), (3, 3.0), (0.25, 0.25)],
)
def test_numbers_and_their_text_are_weights(given, value):
    assert Weight.parse(given) == Weight(value)


def test_a_weight_is_taken_as_it_is():
    weight = Weight(2.0)
    assert Weight.parse(weight) is weight


@pytest.mark.parametrize("given", ["abc", "", "1,5", "1 2", None, True, False, [1.0], {"value": 1}])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(ValueError, match="not a number"):
        Weight.parse(given)


@pytest.mark.parametrize("given", [-1, -1e-9, "-0.5", "nan", "inf", "-inf", math.nan, math.inf])
def test_negative_and_infinite_numbers_are_refused(given):
    with pytest.raises(ValueError, match="finite number of at least 0"):
        Weight.parse(given)


@pytest.mark.parametrize("epoch", [0, 1, 1000])
def test_a_number_weighs_the_same_in_every_epoch(epoch):
    assert Weight(0.3).at(epoch) == 0.3


@pytest.mark.parametrize(("value", "shown"), [(10.0, "10"), (0.5, "0.5"), (0.0, "0"), (1e-5, "1e-05")])
def test_a_weight_is_shown_without_needless_digits(value, shown):
    assert str(Weight(value)) == shown


def test_weights_survive_the_way_through_a_config_and_yaml():
    config = make_config({"disc": "conv", "disc_weight": "2.5", "beta": 0, "pbp_weight": "1e-3"})
    assert (config.disc_weight, config.beta, config.pbp_weight) == (Weight(2.5), Weight(0.0), Weight(0.001))
    values = config.to_dict()
    assert [values[name] for name in ("disc_weight", "beta", "pbp_weight")] == [2.5, 0.0, 0.001]
    assert make_config(yaml.safe_load(yaml.safe_dump(values))).to_dict() == values


@pytest.mark.parametrize("name", ["beta", "pbp_weight", "disc_weight"])
@pytest.mark.parametrize("given", [-1, "x", True, "nan"])
def test_a_config_refuses_what_is_no_weight_and_names_the_option(name, given):
    with pytest.raises(OptionErrors) as caught:
        make_config({"disc": "conv", name: given})
    assert [error.option for error in caught.value.errors] == [name]


def test_a_weight_of_zero_is_not_taken_for_a_missing_one():
    with_disc = {"disc": "conv"}
    assert resolved(make_config({**with_disc, "disc_weight": 0}), 32).disc_weight == Weight(0.0)
    assert resolved(make_config(with_disc), 32).disc_weight == DEFAULT_DISC_WEIGHT
    assert resolved(make_config({}), 32).disc_weight is None
