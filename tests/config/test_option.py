"""The declared properties of options, and the lists that follow from them."""

from pathlib import Path

import pytest

from vaegan.ablation.controls import without_disc
from vaegan.ablation.plan import digest, options_of, solo_digest
from vaegan.ablation.spec import read_spec
from vaegan.config import schema
from vaegan.config.make import changes, make_config, resolved
from vaegan.config.option import option
from vaegan.config.paths import located
from vaegan.config.schema import Config, Data, Output, Tracking, natures
from vaegan.errors import OptionErrors, UserError
from vaegan.registry import Registry
from vaegan.report.comparable import housekeeping, unlike
from vaegan.run.reading import RunFiles

VAE = {"vae": "dense"}
HYBRID = {"vae": "dense", "disc": "dense"}
GAN = {"gan": "dense", "disc": "dense"}


@pytest.fixture
def with_option(monkeypatch):
    """Add an option `fresh`, a text, to the config: with_option(housekeeping=True)."""

    def add(**nature):
        class WithFresh(Config):
            fresh: str | None = option(None, "an option that was not there before", **nature)

        monkeypatch.setattr(schema, "Config", WithFresh)

    return add


def problems(values):
    try:
        make_config(values)
    except OptionErrors as error:
        return {each.option: each.problem for each in error.errors}
    return {}


def config_of(values):
    return resolved(make_config(values), 16)


@pytest.mark.parametrize(
    ("part", "accepted", "refused"), [("disc", HYBRID, VAE), ("disc", GAN, VAE), ("vae", VAE, GAN)]
)
def test_an_option_that_needs_a_part_is_refused_without_it(with_option, part, accepted, refused):
    with_option(needs=(part,))
    assert "fresh" not in problems(accepted | {"fresh": "x"})
    assert "fresh" in problems(refused | {"fresh": "x"})


def test_an_option_that_needs_a_discriminator_goes_with_it(with_option):
    with_option(needs=("disc",))
    assert without_disc(HYBRID | {"fresh": "x"}) == VAE


def test_an_option_that_needs_a_vae_is_no_part_of_a_gan_s_file(with_option):
    with_option(needs=("vae",))
    assert "fresh" not in make_config(GAN).model_copy(update={"fresh": "x"}).to_dict()


def test_a_value_that_means_off_makes_an_equal_config(with_option):
    with_option(off="never", off_without={"disc": "later"})
    assert make_config(VAE | {"fresh": "never"}).fresh is None
    assert make_config(VAE | {"fresh": "later"}).fresh is None
    assert make_config(HYBRID | {"fresh": "later"}).fresh == "later"


@pytest.mark.parametrize("changeable", [True, False])
def test_only_a_changeable_option_may_be_another_in_a_run_that_goes_on(with_option, changeable):
    with_option(changeable=changeable)
    before, now = make_config({"fresh": "x"}).to_dict(), make_config({"fresh": "y"})
    assert [each.option for each in changes(now, before)] == ([] if changeable else ["fresh"])


@pytest.mark.parametrize("is_housekeeping", [True, False])
def test_housekeeping_makes_no_other_run(with_option, is_housekeeping):
    with_option(housekeeping=is_housekeeping)
    one, other = (config_of({"fresh": value}) for value in "xy")
    assert (digest(one) == digest(other)) == is_housekeeping
    assert ("fresh" in housekeeping()) == is_housekeeping


@pytest.mark.parametrize("from_combo", [True, False])
def test_solo_epochs_are_the_same_whatever_matters_from_combo_epochs_on(with_option, from_combo):
    with_option(from_combo=from_combo)
    one, other = (config_of(HYBRID | {"fresh": value}) for value in "xy")
    assert digest(one) != digest(other)
    assert (solo_digest(one) == solo_digest(other)) == from_combo


def test_an_ablation_sets_the_options_of_one_run_itself(with_option, tmp_path):
    with_option(one_run=True)
    (tmp_path / "spec.yaml").write_text("grid: {fresh: [x, y]}\n", encoding="utf-8")
    with pytest.raises(UserError, match="fresh: set by the ablation itself"):
        read_spec(tmp_path / "spec.yaml", {})
    assert "fresh" not in options_of(make_config({"fresh": "x"}))


@pytest.mark.parametrize("is_path", [True, False])
def test_a_path_is_found_from_where_its_file_lies(with_option, tmp_path, is_path):
    with_option(is_path=is_path)
    (tmp_path / "there").mkdir()
    found = located({"fresh": "there"}, tmp_path / "run.yaml")["fresh"]
    assert found == (str(tmp_path / "there") if is_path else "there")


def differs(figure):
    """True if that figure of two runs depends on the new option."""
    runs = {value: RunFiles(Path(value), {"fresh": value}, {}, [], None) for value in "xy"}
    return "fresh" in unlike(figure, runs)


@pytest.mark.parametrize(
    ("nature", "figures", "others"),
    [
        ({"images": "all"}, ["test/gen/kl", "train/gen/kl", "wall_s"], []),
        ({"images": "training"}, ["train/gen/kl"], ["test/gen/kl"]),
        ({"of_disc": True}, ["test/disc/jsd"], ["test/gen/kl"]),
        ({"weight_for": "gen"}, ["test/gen/total"], ["test/disc/total", "test/gen/kl"]),
        ({"weight_for": "disc"}, ["test/disc/total"], ["test/gen/total"]),
        ({}, [], ["test/gen/total", "test/disc/total", "test/disc/jsd", "train/gen/kl", "wall_s"]),
    ],
)  # fmt: skip
def test_figures_depend_on_options_by_their_nature(with_option, nature, figures, others):
    with_option(**nature)
    assert [key for key in (*figures, *others) if differs(key)] == figures


def test_an_option_with_a_registry_takes_its_names_alone(with_option):
    registry = Registry("toy")
    registry.register("red")(object)
    with_option(registry=registry)
    assert problems({"fresh": "red"}) == {}
    assert problems({"fresh": "rad"})["fresh"] == 'unknown toy; did you mean "red"? Known: red.'


@pytest.mark.parametrize("name", Data.model_fields)
def test_an_option_of_the_data_decides_which_images_there_are_or_is_housekeeping(name):
    nature = natures()[name]
    assert (nature.images is not None) != nature.housekeeping


@pytest.mark.parametrize("name", [*Output.model_fields, *Tracking.model_fields])
def test_what_is_kept_shown_and_tracked_is_housekeeping(name):
    assert natures()[name].housekeeping


def test_what_shapes_the_discriminator_needs_one():
    of_disc = {name: nature for name, nature in natures().items() if nature.of_disc}
    assert [name for name, nature in of_disc.items() if "disc" not in nature.needs] == ["disc"]


def test_an_unknown_nature_is_an_error():
    with pytest.raises(TypeError):
        option(None, "one", houskeeping=True)
