"""The vocabulary of figures: one entry a key, found under every name that a key has in a record."""

import json

import pytest
from PIL import Image
from tiny_runs import tiny_run

import vaegan.losses
import vaegan.training.alarms  # noqa: F401
from vaegan import quantities
from vaegan.quantities import SECTIONS, Quantity, add, entries, find, is_known, recorded
from vaegan.trackers import wandb_dashboard


@pytest.fixture
def own_entries(monkeypatch):
    """Entries that are added in the test are gone after it."""
    monkeypatch.setattr(quantities, "_ENTRIES", dict(quantities._ENTRIES))


def test_a_key_is_found_behind_its_split(own_entries):
    added = add("gen/lpips", Quantity("perceptual distance", "an image", better="lower", weighted=True))
    assert find("gen/lpips") == find("train/gen/lpips") == find("test/gen/lpips") == added
    assert added.section == quantities.GEN
    assert recorded("gen/lpips", added) == ("train/gen/lpips", "test/gen/lpips")
    assert recorded("lr/gen", find("lr/gen")) == ("lr/gen",)


def test_an_evaluation_s_key_is_found_behind_eval(own_entries):
    added = add("looks/beauty", Quantity("beauty", better="higher"))
    assert find("eval/looks/beauty") == find("looks/beauty") == added


def test_weights_and_weighted_terms_follow_from_the_term():
    assert find("weight/gen/kl").title == "KL divergence, weight"
    assert find("train/gen/kl_weighted").title == "KL divergence, weighted"
    assert find("test/disc/gp_weighted").title == "gradient penalty, weighted"
    for key in ("weight/gen/kl", "train/gen/kl_weighted", "weight/disc/r1"):
        assert is_known(key) and find(key).better is None and find(key).summary is None
    for no_term in ("weight/gen/total", "train/gen/pbp_excess_weighted"):
        assert not is_known(no_term)


def test_an_unknown_key_is_called_by_its_own_name():
    assert not is_known("test/gen/total_variation")
    assert find("test/gen/total_variation") == Quantity("total variation")
    assert find("strange") == Quantity("strange")


def test_a_key_has_one_entry(own_entries):
    with pytest.raises(ValueError, match="'gen/kl' is added twice"):
        add("gen/kl", Quantity("KL"))


def test_entries_come_by_section_and_place(own_entries):
    add("gen/lpips", Quantity("perceptual distance"))
    keys = [key for key, _ in entries()]
    terms = ["gen/pbp", "gen/pbp_excess", "gen/kl", "gen/adv", "gen/lpips", "gen/total"]
    assert [key for key in keys if key in terms] == terms
    ranks = [SECTIONS.index(each.section) for _, each in entries() if each.section]
    assert ranks == sorted(ranks)


def test_a_title_becomes_a_heading_by_its_first_letter_alone():
    assert find("gen/kl").heading == "KL divergence"
    assert find("disc/adv").heading == "Discriminator's loss"


@pytest.mark.parametrize(
    "key, summary",
    [
        ("train/gen/pbp", "min,last"),
        ("test/gen/pbp_excess", "min,last"),
        ("test/gen/kl", "min,last"),
        ("weight/gen/pbp", None),
        ("train/gen/pbp_weighted", None),
        ("test/disc/total", None),
        ("train/disc/grad_norm", "max,last"),
        ("time/test_s", "mean"),
        ("memory/peak_mib", "max"),
        ("alarm/collapse", "max,last"),
        ("eval/distances/samples/fid", None),
    ],
)
def test_summaries_in_w_and_b_s_table_of_runs(key, summary):
    assert find(key).summary == summary


SMALL = "--image-size 16 --latent-dim 3 --hidden-dim 8 --epochs 2 --batch-size 32 --train-images 64"
RUNS = (
    "--vae dense --disc dense --disc-hidden-dim 8 --solo-epochs 1 --lecam 1 --gates 0.68,0.4",
    "--vae dense --pbp gaussian --free-bits 0.1",
    "--vae dense --disc dense --disc-hidden-dim 8 --solo-epochs 1 --feature-matching share(0.1) "
    "--fm-layers 1 --perceptual-weight 1 --perceptual-network random",
    "--gan dense --disc dense --disc-hidden-dim 8 --disc-steps 1 --adv wgan-gp --r1 1 --r2 1",
    "--gan dense --disc dense --disc-hidden-dim 8 --disc-steps 1 --adv wgan --weight-clip 1",
    "--gan dense --disc dense --disc-hidden-dim 8 --adv rpgan --instance-noise 0.1",
)


def test_runs_write_what_the_vocabulary_holds_and_the_dashboard_shows(tmp_path):
    """Every key of their records has an entry of its own, and the dashboard no key that none of them has."""
    written = set()
    for flags in RUNS:
        folder = tiny_run(tmp_path, f"{SMALL} {flags}")
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        written |= {key for line in lines for key in json.loads(line)}
        written |= {f"figures/{path.stem}" for path in (folder / "figures").glob("*.png")}
    figures = {key for key in written if not key.startswith("figures/")} - {"epoch", "phase"}
    assert [key for key in figures if not is_known(key)] == []
    assert set(wandb_dashboard.keys()) - written == set()


@pytest.mark.slow
@pytest.mark.parametrize("flags", RUNS)
def test_the_curves_of_each_kind_of_run_are_drawn(flags, tmp_path, real_curves):
    folder = tiny_run(tmp_path, f"{SMALL} {flags}")
    with Image.open(folder / "figures" / "curves.png") as curves:
        assert curves.width > 800
