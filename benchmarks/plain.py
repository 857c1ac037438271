"""Typical hand-written training loops and their data sets, for comparison in throughput.py."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from vaegan.config.build import build_players
from vaegan.config.schema import Config
from vaegan.devices import clock
from vaegan.nets.players import Players

CHUNK = 256  # images made at a time, to save memory


class PlainDataset(Dataset):
    """Images that are converted to PIL and transformed one by one on access, as in torchvision's data sets.

    load: makes a PIL image of a sample: of an array as in MNIST, of a file's bytes as in ImageFolder.
    """

    def __init__(self, samples: Sequence, load: Callable[[Any], Image.Image], transform: Callable):
        self.samples = samples
        self.load = load
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(self.load(self.samples[index]))


class PlainAutoencoder(nn.Module):
    """Encoder, reparameterisation, decoder: x -> pixel logits, mu, logvar."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encoder(x)
        std = torch.exp(0.5 * logvar)
        return self.decoder(mu + std * torch.randn_like(std)), mu, logvar


class PlainLoop:
    """A typical training script, with the same networks, losses, weights and batch size."""

    def __init__(self, config: Config, players: Players, dataset: Dataset, device: torch.device):
        self.device = device
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
        self.loader = DataLoader(dataset, batch_size=config.batch_size, shuffle=True)

    def epoch(self) -> float:
        """Trains for one epoch; returns images per second."""
        started = clock(self.device)
        sums: dict[str, float] = {}
        for x in self.loader:
            for name, loss in self.step(x.to(self.device)).items():
                sums[name] = sums.get(name, 0.0) + loss.item()
        return len(self.loader.dataset) / (clock(self.device) - started)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        """Trains on one batch; returns the losses."""
        raise NotImplementedError


class PlainVAE(PlainLoop):
    """A VAE alone."""

    def __init__(self, config: Config, players: Players, dataset: Dataset, device: torch.device):
        super().__init__(config, players, dataset, device)
        self.vae = PlainAutoencoder(players.encoder, players.decoder).to(device)
        self.vae_optimiser = torch.optim.Adam(self.vae.parameters(), lr=config.lr, betas=config.betas)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        self.vae_optimiser.zero_grad()
        with self.autocast:
            bce, kl = vae_losses(x, *self.vae(x))
        loss = bce + kl
        loss.backward()
        self.vae_optimiser.step()
        return {"bce": bce, "kl": kl, "vae": loss}


class PlainCombo(PlainVAE):
    """A VAE with a discriminator that learns to tell originals from reconstructions."""

    def __init__(self, config: Config, players: Players, dataset: Dataset, device: torch.device):
        super().__init__(config, players, dataset, device)
        self.disc = players.disc.to(device)
        self.disc_optimiser = torch.optim.Adam(
            self.disc.parameters(), lr=config.disc_lr, betas=config.disc_betas
        )
        self.disc_weight = config.disc_weight.at(0)

    def step(self, x: Tensor) -> dict[str, Tensor]:
        ones, zeros = torch.ones(len(x), device=self.device), torch.zeros(len(x), device=self.device)

        self.disc_optimiser.zero_grad()  # this also clears gradients from the VAE's last step
        with self.autocast:
            fake = torch.sigmoid(self.vae(x)[0])
            real_loss = F.binary_cross_entropy_with_logits(self.disc(x), ones)
            fake_loss = F.binary_cross_entropy_with_logits(self.disc(fake.detach()), zeros)
        disc_loss = real_loss + fake_loss
        disc_loss.backward()
        self.disc_optimiser.step()

        self.vae_optimiser.zero_grad()
        with self.autocast:
            fake = torch.sigmoid(self.vae(x)[0])
            adv = F.binary_cross_entropy_with_logits(self.disc(fake), ones)
            bce, kl = vae_losses(x, *self.vae(x))
        loss = bce + kl + self.disc_weight * adv
        loss.backward()
        self.vae_optimiser.step()
        disc_losses = {"real": real_loss, "fake": fake_loss, "disc": disc_loss}
        return disc_losses | {"bce": bce, "kl": kl, "adv": adv, "vae": loss}


class PlainGAN(PlainLoop):
    """A generator fed with noise, against a discriminator."""

    def __init__(self, config: Config, players: Players, dataset: Dataset, device: torch.device):
        super().__init__(config, players, dataset, device)
        self.latent_dim = config.latent_dim
        self.generator = players.decoder.to(device)
        self.disc = players.disc.to(device)
        self.gen_optimiser = torch.optim.Adam(self.generator.parameters(), lr=config.lr, betas=config.betas)
        self.disc_optimiser = torch.optim.Adam(
            self.disc.parameters(), lr=config.disc_lr, betas=config.disc_betas
        )

    def step(self, x: Tensor) -> dict[str, Tensor]:
        ones, zeros = torch.ones(len(x), device=self.device), torch.zeros(len(x), device=self.device)

        self.disc_optimiser.zero_grad()  # this also clears gradients from the generator's last step
        with self.autocast:
            real_loss = F.binary_cross_entropy_with_logits(self.disc(x), ones)
        real_loss.backward()
        with self.autocast:
            fake = torch.tanh(self.generator(torch.randn(len(x), self.latent_dim, device=self.device)))
            fake_loss = F.binary_cross_entropy_with_logits(self.disc(fake.detach()), zeros)
        fake_loss.backward()
        self.disc_optimiser.step()

        self.gen_optimiser.zero_grad()
        with self.autocast:
            adv = F.binary_cross_entropy_with_logits(self.disc(fake), ones)
        adv.backward()
        self.gen_optimiser.step()
        return {"real": real_loss, "fake": fake_loss, "disc": real_loss + fake_loss, "adv": adv}


def vae_losses(x: Tensor, logits: Tensor, mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL, summed over pixels or latents, averaged over the batch."""
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)
    return bce, kl


def plain_loop(config: Config, images: Tensor, device: torch.device) -> PlainLoop:
    """The plain loop of a resolved config, over these images (uint8 [N, C, H, W])."""
    loop = PlainGAN if config.gan else PlainCombo if config.disc else PlainVAE
    players = build_players(config, tuple(images.shape[1:]))
    return loop(config, players, plain_dataset(images, config.pixel_range), device)


def plain_dataset(images: Tensor, pixel_range: str) -> PlainDataset:
    """The images as typical data sets store them: arrays if grey, else JPEG files."""
    n_channels, size = images.shape[1:3]
    steps = [transforms.ToTensor()]
    if pixel_range == "pm1":
        steps.append(transforms.Normalize([0.5] * n_channels, [0.5] * n_channels))
    if n_channels == 1:
        return PlainDataset(images[:, 0].numpy(), Image.fromarray, transforms.Compose(steps))
    steps = [transforms.Resize(size), transforms.CenterCrop(size), *steps]
    return PlainDataset([to_jpeg(image) for image in images], from_jpeg, transforms.Compose(steps))


def to_jpeg(image: Tensor) -> bytes:
    """uint8 [C, H, W] -> the bytes of a JPEG file."""
    file = io.BytesIO()
    to_pil_image(image).save(file, "JPEG", quality=90)
    return file.getvalue()


def from_jpeg(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def smooth_images(n: int, shape: tuple[int, int, int]) -> Tensor:
    """uint8 [n, C, H, W]: random blobs with a little noise, so that a JPEG is as large as a real one."""
    generator = torch.Generator().manual_seed(0)
    images = torch.empty(n, *shape, dtype=torch.uint8)
    for chunk in images.split(CHUNK):
        blots = torch.rand(len(chunk), shape[0], 7, 7, generator=generator)
        values = F.interpolate(blots, shape[1:], mode="bicubic")
        values += 0.06 * torch.randn(chunk.shape, generator=generator)
        chunk.copy_(values.clamp_(0, 1).mul_(255).round_())
    return images
