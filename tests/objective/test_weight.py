"""Weights: finite numbers of at least 0, from a flag's text or from YAML."""

import json
import math
from dataclasses import dataclass

import pytest
import yaml

from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionErrors
from vaegan.objective.schedule import Schedule
from vaegan.objective.weights import Time, Weight
from vaegan.objective.weights.combo import InCombo
from vaegan.objective.weights.constant import Constant
from vaegan.objective.weights.weight import FORMS


@pytest.mark.parametrize(
    ("given", "value"),
    [("10", 10.0), ("1e-3", 0.001), (" 2.5 ", 2.5), ("0", 0.0), (0, 0.0), (3, 3.0), (0.25, 0.25)],
)
def test_numbers_and_their_text_are_weights(given, value):
    assert Weight.parse(given) == Constant(value)


def test_a_weight_is_taken_as_it_is():
    weight = Constant(2.0)
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
    assert Constant(0.3).at(Time(epoch, 10 * epoch)) == 0.3


@pytest.mark.parametrize(
    ("value", "shown"),
    [(10.0, "10"), (0.5, "0.5"), (0.0, "0"), (1e-5, "1e-05"), (0.123456789, "0.123456789")],
)
def test_a_weight_is_shown_without_needless_digits(value, shown):
    assert str(Constant(value)) == shown


def test_weights_survive_the_way_through_a_config_and_yaml():
    config = make_config({"disc": "conv", "disc_weight": "2.5", "beta": 0, "pbp_weight": "1e-3"})
    assert (config.disc_weight, config.beta, config.pbp_weight) == (
        Constant(2.5),
        Constant(0.0),
        Constant(0.001),
    )
    values = config.to_dict()
    assert [values[name] for name in ("disc_weight", "beta", "pbp_weight")] == [2.5, 0.0, 0.001]
    assert make_config(yaml.safe_load(yaml.safe_dump(values))).to_dict() == values


@pytest.mark.parametrize("name", ["beta", "pbp_weight", "disc_weight", "gp", "r1", "r2", "instance_noise"])
@pytest.mark.parametrize("given", [-1, "x", True, "nan"])
def test_a_config_refuses_what_is_no_weight_and_names_the_option(name, given):
    with pytest.raises(OptionErrors) as caught:
        make_config({"disc": "conv", name: given})
    assert [error.option for error in caught.value.errors] == [name]


def test_a_weight_of_zero_is_not_taken_for_a_missing_one():
    with_disc = {"disc": "conv"}
    assert resolved(make_config({**with_disc, "disc_weight": 0}), 32).disc_weight == Constant(0.0)
    assert resolved(make_config(with_disc), 32).disc_weight == Constant(10.0)
    assert resolved(make_config({}), 32).disc_weight is None


@pytest.mark.parametrize("value", [10.0, 0.1, 1 / 3, 1e-9, 123456789.123])
def test_the_text_of_a_weight_is_the_weight(value):
    assert Weight.parse(str(Constant(value))) == Constant(value)


def test_a_weight_is_asked_with_the_time():
    asked = []

    class Asked(Weight):
        def at(self, time):
            asked.append(time)
            return 0.5

    schedule = Schedule({"gen": {"kl": Asked()}, "disc": {}}, epochs=9, solo_epochs=2)
    phase = schedule.at(3, steps_per_epoch=10)
    assert phase.playing(34)["gen"] == {"kl": 0.5}
    assert phase.weights["gen"] == {"kl": 0.5}
    assert asked == [Time(3, step, epochs=9, first_combo=2, steps_per_epoch=10) for step in (34, 39)]


@dataclass(frozen=True)
class Rise(Weight):
    """From 0 to a number over so many steps: "rise 3 over 100"."""

    top: float
    steps: int
    usage = "rise A over N"

    def at(self, time):
        return self.top * min(1.0, time.step / self.steps)

    @classmethod
    def read(cls, given):
        match given.split() if isinstance(given, str) else []:
            case ["rise", top, "over", steps]:
                return cls(float(top), int(steps))

    def __str__(self):
        return f"rise {self.top:g} over {self.steps}"


def test_a_form_from_outside_is_typed_kept_and_trained_with(command, tmp_path, monkeypatch):
    monkeypatch.setattr(FORMS, "_entries", FORMS._entries | {"rise": Rise})
    flags = "--vae dense --hidden-dim 4 --latent-dim 2 --image-size 8 --train-images 256 --batch-size 64 "
    status, _, errors = command(f"{flags} --epochs 2 --run-name a --beta", "rise 2 over 8")
    assert status == 0, errors
    folder = tmp_path / "runs" / "a"
    assert yaml.safe_load((folder / "config.yaml").read_text())["beta"] == "rise 2 over 8"
    assert make_config({"beta": "rise 2 over 8"}).beta == Rise(2.0, 8)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["weight/gen/kl"] for record in records] == [0.75, 1.75]  # in each epoch's last step
    first = records[0]  # its steps had 0, 0.25, 0.5 and 0.75
    assert 0 < first["train/gen/kl_weighted"] < 0.75 * first["train/gen/kl"]
    assert first["test/gen/kl_weighted"] == pytest.approx(0.75 * first["test/gen/kl"])
    with pytest.raises(ValueError, match=r"a number of at least 0, .*, or rise A over N"):
        Weight.parse("x")


def test_the_clock_of_combo_epochs_stands_still_before_them():
    class Clock(Weight):
        def at(self, time):
            return (time.epoch, time.step, time.epochs, time.first_combo)

    times = [Time(step // 4, step, epochs=5, first_combo=2, steps_per_epoch=4) for step in (0, 7, 8, 9, 19)]
    expected = [(0, 0, 3, 0), (0, 0, 3, 0), (0, 0, 3, 0), (0, 1, 3, 0), (2, 11, 3, 0)]
    assert [InCombo(Clock()).at(time) for time in times] == expected
    assert [InCombo(Constant(4.0), solo=1.0).at(time) for time in times] == [1, 1, 4, 4, 4]
