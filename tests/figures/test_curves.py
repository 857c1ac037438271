"""Curves over the epochs: panels from the vocabulary, draws in their place, several runs side by side."""

import pytest
from matplotlib.axes import Axes

from vaegan.figures.curves import save_comparison, save_curves
from vaegan.losses.adversarial import ADVERSARIAL


@pytest.mark.parametrize(
    ("name", "draws"),
    [("nonsaturating", [0.693147, 1.386294]), ("lsgan", [0.25]), ("hinge", [0, 1, 2]), ("wgan", [0])],
)
def test_the_curves_have_each_draw_at_its_place(tmp_path, monkeypatch, name, draws):
    lines = []
    drawn = Axes.axhline
    monkeypatch.setattr(Axes, "axhline", lambda self, y, **how: (lines.append(y), drawn(self, y, **how))[1])
    keys = ("disc/real", "disc/fake", "disc/adv", "gen/adv", "gen/pbp")
    records = [{"epoch": 0, "phase": "combo"} | {f"{s}/{k}": 1.2 for s in ("train", "test") for k in keys}]
    save_curves(tmp_path / "curves.png", records, ADVERSARIAL.find(name)[0]().draws())
    assert sorted(set(lines)) == pytest.approx(draws)


@pytest.fixture
def titles(monkeypatch):
    """The titles of the panels that are drawn in the test, in order."""
    found = []
    named = Axes.set_title
    monkeypatch.setattr(
        Axes, "set_title", lambda self, text, **how: (found.append(text), named(self, text))[1]
    )
    return found


def records_of(phase, *keys):
    return [{"epoch": 0, "phase": phase} | {f"{s}/{key}": 1.2 for s in ("train", "test") for key in keys}]


def test_panels_follow_the_vocabulary(tmp_path, titles):
    keys = ("disc/real", "disc/fake", "disc/adv", "disc/total", "gen/total", "gen/adv", "gen/kl", "gen/pbp")
    save_curves(tmp_path / "curves.png", records_of("combo", *keys), {})
    assert titles == [
        "PBP loss",
        "KL divergence",
        "Adversarial loss, unweighted",
        "VAE's total, weighted",
        "Discriminator's loss",
        "Discriminator's loss, in parts",
    ]


def test_a_gan_s_total_is_its_one_term_and_has_no_panel(tmp_path, titles):
    save_curves(tmp_path / "curves.png", records_of("gan", "gen/adv", "gen/total"), {})
    assert titles == ["Adversarial loss, unweighted"]


def test_a_term_without_an_entry_is_drawn_under_its_own_name(tmp_path, titles):
    """As that of a run made with a plug-in that is not loaded."""
    keys = ("gen/pbp", "gen/edge_loss", "gen/edge_loss_weighted", "gen/something_else")
    records = records_of("solo", *keys)
    save_curves(tmp_path / "curves.png", records, {})
    assert titles == ["PBP loss", "Edge loss"]
    assert save_comparison(tmp_path / "two.png", {"a": records, "b": records}) == ["PBP loss", "Edge loss"]


@pytest.mark.parametrize(
    ("phase", "marked"), [("solo", {"PBP loss"}), ("warmup", {"PBP loss", "Discriminator's loss"})]
)
def test_a_dotted_line_marks_the_first_combo_epoch_where_there_are_epochs_before_it(
    tmp_path, monkeypatch, phase, marked
):
    found = {}
    named, drawn = Axes.set_title, Axes.axvline
    monkeypatch.setattr(
        Axes, "axvline", lambda self, x, **how: (found.update({self: x}), drawn(self, x, **how))[1]
    )
    titles = {}
    monkeypatch.setattr(
        Axes, "set_title", lambda self, text, **how: (titles.update({self: text}), named(self, text))[1]
    )
    before = ["gen/pbp", *(["disc/adv"] if phase == "warmup" else [])]
    (first,), (second,) = records_of(phase, *before), records_of("combo", "gen/pbp", "disc/adv")
    save_curves(tmp_path / "curves.png", [first, second | {"epoch": 1}], {})
    assert {titles[axes]: x for axes, x in found.items()} == dict.fromkeys(marked, 1.5)
