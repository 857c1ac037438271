"""The picture of what each term would change."""

import pytest
import torch
from in_memory import material
from PIL import Image

from vaegan.evals.where_d_looks import draw_where_d_looks
from vaegan.figures.labelled_rows import plain_colours, save_rows, signed_colours

DISC = {"disc": "dense", "disc_hidden_dim": 8, "hidden_dim": 16}
TILE = 96 + 2  # pixels with the gap


def drawn(tmp_path, records=None, **options):
    pixels = torch.randint(0, 256, (12, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
    weights = {"epoch": 0, "weight/gen/pbp": 1.0, "weight/gen/adv": 5.0}
    picture = draw_where_d_looks(material(pixels, **options), records or [weights], tmp_path)
    return picture, Image.open(tmp_path / "where_d_looks.png") if picture else None


def test_a_row_for_each_term_and_one_for_d(tmp_path):
    picture, image = drawn(tmp_path, **DISC)
    assert image.height == 5 * TILE + 2 and image.width > 10 * TILE  # labels on the left
    assert "PBP loss " in picture.caption and "D's score " in picture.caption
    assert "the size of the gradient of D's logit" in picture.caption and picture.alt.startswith(
        "5 rows of 10"
    )


def test_a_d_with_a_map_shows_its_map(tmp_path):
    picture, image = drawn(tmp_path, disc="patch", disc_base_channels=4, hidden_dim=16)
    assert "D's map of logits, from " in picture.caption and image.height == 5 * TILE + 2


def test_terms_without_a_weight_or_without_reconstructions_have_no_row(tmp_path):
    solo = [{"epoch": 0, "phase": "solo", "weight/gen/pbp": 1.0, "weight/gen/adv": 0.0}]
    assert drawn(tmp_path, solo, **DISC)[1].height == 4 * TILE + 2
    assert drawn(tmp_path, fakes="samples", **DISC)[1].height == 4 * TILE + 2


@pytest.mark.parametrize("options", [{}, {"vae": None, "gan": "dense", **DISC}])
def test_runs_without_a_vae_or_without_a_d_have_none(tmp_path, options):
    assert drawn(tmp_path, **options) == (None, None)


def test_colours_and_places_of_rows(tmp_path):
    values = torch.tensor([[[1.0, -1.0, 0.0, 9.0]]])
    red, blue, white, beyond = signed_colours(values, 1.0)[0, :, 0].T
    assert red[0] > red[2] and blue[2] > blue[0] and white.min() > 0.9 and torch.equal(beyond, red)
    dark, light = plain_colours(torch.tensor([[[2.0, 6.0]]]), 2.0, 6.0)[0, :, 0].T
    assert dark.sum() < 0.1 and light.sum() > 2
    save_rows(
        tmp_path / "rows.png", [("one", torch.zeros(2, 1, 96, 96)), ("two", torch.ones(2, 3, 96, 96))], 256
    )
    picture = Image.open(tmp_path / "rows.png")
    left = picture.width - 2 * TILE - 2
    assert picture.getpixel((left + 50, 50)) == (0, 0, 0)
    assert picture.getpixel((left + 50, TILE + 50)) == (255, 255, 255)
    assert min(picture.crop((0, TILE, left, 2 * TILE)).convert("L").tobytes()) < 100  # the label
