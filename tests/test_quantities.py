"""The vocabulary of figures: one entry a key, found under every name that a key has in a record."""

import pytest

import vaegan.losses  # noqa: F401  its terms bring their entries
from vaegan import quantities
from vaegan.quantities import SECTIONS, Quantity, add, entries, find, is_known, recorded


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
    assert find("weight/gen/kl").title == "KL divergence, its weight"
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
