"""Pictures of a run: their list, the images decoded for them, and the numbers in their captions."""

import numpy as np
import pytest
import torch
from in_memory import in_memory
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch.distributions import Normal, kl_divergence

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets import Images
from vaegan.evals.latents import kl_per_dim
from vaegan.evals.material import Material
from vaegan.evals.pictures import draw_pictures, nearest, tsne
from vaegan.figures.grids import save_errors, save_maps
from vaegan.seeds import generator_for

VAE = {"vae": "dense", "hidden_dim": 8, "latent_dim": 2}


def noise_images(n, shape, seed=0):
    return torch.randint(
        0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def material(options, shape=(1, 16, 16), n_test=20, labels=True):
    """Networks as they are before training, and images of noise."""
    config = resolved(make_config(options), shape[-1])
    players = build_players(config, shape).eval().requires_grad_(False)
    trained = in_memory(config, players, shape)
    classes = torch.arange(n_test) % 3 if labels else None
    return Material(trained, Images(noise_images(30, shape)), Images(noise_images(n_test, shape, 1), classes))


@pytest.fixture
def decoded(monkeypatch):
    """All latents that pictures ask to be decoded."""
    asked = []
    decode = Material.decode

    def noting(self, z):
        asked.append(z)
        return decode(self, z)

    monkeypatch.setattr(Material, "decode", noting)
    return asked


COMMON = ["prior_samples.png", "interpolation_linear.png", "interpolation_spherical.png", "traversals.png"]


@pytest.mark.parametrize(
    ("options", "shape", "n_test", "files"),
    [
        (VAE, (1, 16, 16), 20, ["errors.png", *COMMON, "manifold.png", "tsne.png", "nearest.png"]),
        (VAE | {"latent_dim": 3}, (3, 16, 16), 5, ["errors.png", *COMMON, "nearest.png"]),
        (VAE | {"latent_dim": 1}, (1, 28, 28), 17, ["errors.png", *COMMON, "tsne.png", "nearest.png"]),
        (
            {"gan": "dense", "disc": "dense", "ema": 0.9, "hidden_dim": 8, "latent_dim": 12},
            (3, 16, 16),
            5,
            ["prior_samples.png", "prior_samples_plain.png", *COMMON[1:], "nearest.png"],
        ),
    ],
    ids=["two latents", "five images", "one latent", "GAN"],
)
def test_there_is_every_picture_that_there_can_be(tmp_path, options, shape, n_test, files):
    pictures = draw_pictures(material(options, shape, n_test), tmp_path / "figures")
    assert [picture.file for picture in pictures] == files
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(files)
    for picture in pictures:
        Image.open(tmp_path / "figures" / picture.file).verify()
        assert picture.alt and picture.title and picture.caption and picture.alt != picture.caption
        assert vars(picture)["file"] == picture.file


def test_the_curves_of_training_are_among_them_where_they_are(tmp_path):
    (tmp_path / "curves.png").write_bytes(b"")
    assert draw_pictures(material(VAE | {"latent_dim": 3}, n_test=2), tmp_path)[0].file == "curves.png"


def test_images_of_256_pixels_keep_their_size_and_many_become_thumbnails(tmp_path):
    draw_pictures(material(VAE | {"hidden_dim": 2}, (1, 256, 256), n_test=10), tmp_path)
    sizes = {path.name: Image.open(path).size for path in tmp_path.iterdir()}
    assert sizes["errors.png"][0] == 10 * 258 + 2
    assert sizes["prior_samples.png"] == (8 * 130 + 2, 8 * 130 + 2)
    assert sizes["manifold.png"] == (20 * 66 + 2, 20 * 66 + 2)
    assert sizes["interpolation_linear.png"] == (10 * 130 + 2, 5 * 130 + 2)


def test_samples_are_drawn_with_averaged_and_with_plain_weights(tmp_path):
    looked_at = material(VAE | {"ema": 0.9})
    looked_at.players.ema.module.load_state_dict(
        {key: value + 0.1 for key, value in looked_at.players.decoder.state_dict().items()}
    )
    draw_pictures(looked_at, tmp_path)
    noise = torch.randn(64, 2, generator=generator_for(0, "samples"))
    for file, decoder in (
        ("prior_samples.png", looked_at.players.ema.module),
        ("prior_samples_plain.png", looked_at.players.decoder),
    ):
        tiles = np.asarray(Image.open(tmp_path / file).convert("L"))[2::98, 2::98]  # a pixel of each
        expected = decoder(noise).sigmoid()[:, 0, 0, 0].mul(255).round().reshape(8, 8)
        np.testing.assert_allclose(tiles[:8, :8], expected, atol=1)


def test_paths_go_from_one_held_out_image_to_the_next(tmp_path, decoded):
    looked_at = material(VAE, n_test=5)
    draw_pictures(looked_at, tmp_path)
    mu = looked_at.posterior[0]
    for paths in (z.view(2, 10, 2) for z in decoded if len(z) == 20):
        torch.testing.assert_close(paths[:, 0], mu[[0, 2]])
        torch.testing.assert_close(paths[:, -1], mu[[1, 3]])


def test_a_traversal_moves_one_latent_from_minus_3_to_3(tmp_path, decoded):
    looked_at = material(VAE | {"latent_dim": 4})
    draw_pictures(looked_at, tmp_path)
    rows = next(z for z in decoded if len(z) == 4 * 11).view(4, 11, 4)
    order = kl_per_dim(*looked_at.posterior).argsort(descending=True)
    for row, latent in zip(rows, order.tolist(), strict=True):
        np.testing.assert_allclose(row[:, latent], np.linspace(-3, 3, 11), atol=1e-6)
        others = [i for i in range(4) if i != latent]
        torch.testing.assert_close(row[:, others], looked_at.posterior[0][:1, others].expand(11, -1))


def test_the_plane_is_cut_into_squares_of_equal_probability(tmp_path, decoded):
    draw_pictures(material(VAE), tmp_path)
    z = next(z for z in decoded if len(z) == 400).view(20, 20, 2)
    quantiles = norm.ppf((np.arange(20) + 0.5) / 20)
    np.testing.assert_allclose(z[7, :, 0], quantiles, atol=1e-6)  # to the right
    np.testing.assert_allclose(z[:, 7, 1], quantiles[::-1], atol=1e-6)  # upwards


@pytest.mark.parametrize("side", [16, 128])
def test_nearest_images_are_scikit_learns(side):
    queries, pool = noise_images(20, (3, side, side)), noise_images(50, (3, side, side), 1)
    queries[3] = pool[41]  # a copy

    def flat(images):
        images = images.numpy() / 255
        if side > 64:
            images = images.reshape(len(images), 3, 64, 2, 64, 2).mean((3, 5))
        return images.reshape(len(images), -1)

    expected, positions = NearestNeighbors(n_neighbors=1).fit(flat(pool)).kneighbors(flat(queries))
    found, where = nearest(queries, pool)
    np.testing.assert_array_equal(where, positions[:, 0])
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-5, atol=0)
    assert found[3] == 0 and where[3] == 41


def test_the_nearest_of_many_training_images_is_found_beyond_the_first_chunk():
    pool = noise_images(2_500, (1, 4, 4))
    distances, positions = nearest(pool[[5, 1_200, 2_499]], pool)
    assert positions.tolist() == [5, 1_200, 2_499] and distances.tolist() == [0, 0, 0]


def test_the_divergence_of_each_latent_is_torchs():
    mu, logvar = torch.randn(50, 4), torch.randn(50, 4)
    expected = kl_divergence(Normal(mu, logvar.mul(0.5).exp()), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(kl_per_dim(mu, logvar), expected)


def test_tsne_keeps_clusters_apart_and_is_the_same_for_the_same_seed():
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(60) % 3
    mu = torch.randn(60, 8, generator=generator) + 8 * torch.eye(8)[classes]
    points = tsne(mu, 5, seed=0)
    assert silhouette_score(points.numpy(), classes.numpy()) > 0.5
    torch.testing.assert_close(tsne(mu, 5, seed=0), points, rtol=0, atol=0)


@pytest.mark.parametrize("mu", [torch.zeros(20, 4), torch.randn(20, 1)], ids=["collapsed", "one latent"])
def test_tsne_maps_latents_without_two_axes(mu):
    assert tsne(mu, 5, seed=0).isfinite().all()


def test_errors_are_absolute_means_over_channels_on_the_scale_that_is_said(tmp_path):
    pairs = torch.zeros(2, 2, 3, 96, 96)
    pairs[1, 1] = torch.tensor([0.6, 0.0, 0.0])[:, None, None]  # 0.2 in the mean
    save_errors(tmp_path / "errors.png", pairs, top=0.4, largest=256)
    picture = np.asarray(Image.open(tmp_path / "errors.png"))
    rows, columns = [50, 148, 246], [50, 148]
    assert picture[rows[1], columns[1]].tolist() == [153, 0, 0]
    magma = np.round(np.array(colormaps["magma"]([0.0, 0.5]))[:, :3] * 255)
    np.testing.assert_allclose(picture[rows[2], columns], magma, atol=2)


@pytest.mark.parametrize("n_classes", [3, 20, 21, None])
def test_maps_have_a_legend_for_up_to_twenty_classes(tmp_path, monkeypatch, n_classes):
    legends = []
    legend = Figure.legend

    def noting(self, handles, labels, **more):
        legends.append(labels)
        return legend(self, handles, labels, **more)

    monkeypatch.setattr(Figure, "legend", noting)
    labels = None if n_classes is None else torch.arange(42) % n_classes
    save_maps(tmp_path / "maps.png", {"perplexity 5": torch.randn(42, 2)}, labels)
    shown = [[str(i) for i in range(n_classes)]] if n_classes in (3, 20) else []
    assert legends == shown


def test_the_legend_of_a_map_names_the_classes_also_oddly_named_ones(tmp_path, monkeypatch):
    drawn = []
    save = Figure.savefig

    def noting(self, *arguments, **more):
        save(self, *arguments, **more)
        drawn.extend(text.get_text() for text in self.legends[0].get_texts())

    monkeypatch.setattr(Figure, "savefig", noting)
    names = ("_hidden", "a name that is too long", "$1", "顔")
    save_maps(tmp_path / "maps.png", {"map": torch.randn(9, 2)}, torch.arange(9) % 4, names)
    assert drawn == ["\u200b_hidden", "a name that i…", r"\$1", "顔"]
