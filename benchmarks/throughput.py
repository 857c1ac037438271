"""Images per second of our training loop and of plain loops as people write them, in turn in one process.

The protocol is in benchmarks/README.md; what we are compared with is `PlainLoop` and `PlainDataset`.
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from datasets.batches import Batches
from vaegan.build import build_players, build_schedule
from vaegan.config import Config, make_config, resolved
from vaegan.devices import bf16_is_emulated
from vaegan.nets.players import Players
from vaegan.train import train

CUDA_FACTOR = 5  # epochs are so many times as long on a GPU, where a step takes milliseconds
DENSE = {"vae": "dense", "hidden_dim": 400, "latent_dim": 20, "batch_size": 128}
COMBO = {"vae": "conv", "latent_dim": 512, "base_channels": 32, "batch_size": 64}
COMBO |= {"disc": "resnet", "disc_weight": 10, "solo_epochs": 0}
CASES = {  # options as of train_vaegan.py, the images' shape, batches in an epoch
    "dense": (DENSE, (1, 28, 28), 100),
    "combo": (COMBO, (3, 64, 64), 4),
    "combo-bf16": (COMBO | {"precision": "bf16"}, (3, 64, 64), 4),
}


class PlainDataset(Dataset):
    """Images made PIL images and transformed one by one when asked for, as in torchvision's data sets.

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


class PlainVAE(nn.Module):
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
    """A training script in the usual manner, with the same networks, losses, weights and batch size."""

    def __init__(self, config: Config, players: Players, dataset: Dataset, device: torch.device):
        self.device = device
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
        self.loader = DataLoader(dataset, batch_size=config.batch_size, shuffle=True)
        self.vae = PlainVAE(players.encoder, players.decoder).to(device)
        self.vae_optimiser = torch.optim.Adam(self.vae.parameters(), lr=config.lr)
        self.step = self.vae_step
        if config.disc:
            self.disc = players.disc.to(device)
            self.disc_optimiser = torch.optim.Adam(self.disc.parameters(), lr=config.disc_lr)
            self.disc_weight = config.disc_weight.at(0)
            self.step = self.combo_step

    def epoch(self) -> float:
        """Train for one epoch; returns images per second."""
        started = clock(self.device)
        sums: dict[str, float] = {}
        for x in self.loader:
            for name, loss in self.step(x.to(self.device)).items():
                sums[name] = sums.get(name, 0.0) + loss.item()
        return len(self.loader.dataset) / (clock(self.device) - started)

    def vae_step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of a VAE alone; returns its losses."""
        self.vae_optimiser.zero_grad()
        with self.autocast:
            bce, kl = vae_losses(x, *self.vae(x))
        loss = bce + kl
        loss.backward()
        self.vae_optimiser.step()
        return {"bce": bce, "kl": kl, "vae": loss}

    def combo_step(self, x: Tensor) -> dict[str, Tensor]:
        """One step of the discriminator and one of the VAE against it; returns their losses."""
        ones, zeros = torch.ones(len(x), device=self.device), torch.zeros(len(x), device=self.device)

        self.disc_optimiser.zero_grad()  # also of what the VAE's last step left there
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


def vae_losses(x: Tensor, logits: Tensor, mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction and KL, summed over pixels or latents, averaged over the batch."""
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)
    return bce, kl


class Turns:
    """A watcher of `train`: after each of our epochs, notes our speed and has the plain loop make one."""

    def __init__(self, plain: PlainLoop):
        self.plain = plain
        self.rounds: list[tuple[float, float]] = []  # images per second: ours, plain

    def on_step(self, *_) -> None:
        pass

    def on_epoch(self, record: dict[str, Any], players: Players) -> None:
        self.rounds.append((record["time/images_per_s"], self.plain.epoch()))


def clock(device: torch.device) -> float:
    """Seconds, read when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def smooth_images(n: int, shape: tuple[int, int, int]) -> Tensor:
    """uint8 [n, C, H, W]: random blots with a little noise, so that a JPEG is as large as a real one."""
    generator = torch.Generator().manual_seed(0)
    blots = torch.rand(n, shape[0], 7, 7, generator=generator)
    images = F.interpolate(blots, shape[1:], mode="bicubic")
    images += 0.06 * torch.randn(images.shape, generator=generator)
    return images.clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def to_jpeg(image: Tensor) -> bytes:
    """uint8 [C, H, W] -> the bytes of a JPEG file."""
    file = io.BytesIO()
    to_pil_image(image).save(file, "JPEG", quality=90)
    return file.getvalue()


def from_jpeg(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def make_data(shape: tuple[int, int, int], n: int) -> tuple[Tensor, Dataset]:
    """The same n images for us (uint8 [n, C, H, W]) and for the plain loop: arrays if grey, else JPEGs."""
    images = smooth_images(n, shape)
    if shape[0] == 1:
        return images, PlainDataset(images[:, 0].numpy(), Image.fromarray, transforms.ToTensor())
    files = [to_jpeg(image) for image in images]
    resize = [transforms.Resize(shape[1]), transforms.CenterCrop(shape[1])]
    images = torch.stack([transforms.functional.pil_to_tensor(from_jpeg(file)) for file in files])
    return images, PlainDataset(files, from_jpeg, transforms.Compose([*resize, transforms.ToTensor()]))


def measure(case: str, repeats: int, device: torch.device) -> list[tuple[float, float]]:
    """Images per second of us and of the plain loop in each round; one round before them is dropped."""
    options, shape, n_batches = CASES[case]
    n_batches *= CUDA_FACTOR if device.type == "cuda" else 1
    config = make_config(options | {"epochs": 1 + repeats, "device": device.type})
    config = resolved(config, image_size=shape[1])
    images, dataset = make_data(shape, n_batches * config.batch_size)
    images = images.to(device)
    train_set = Batches(images, config.batch_size, shuffle_seed=config.seed)
    test_set = Batches(images[: config.batch_size], config.batch_size)  # its time does not count
    players = build_players(config, shape).to(device, memory_format=torch.channels_last)
    turns = Turns(PlainLoop(config, build_players(config, shape), dataset, device))
    train(config, players, build_schedule(config), train_set, test_set, [turns])
    return turns.rounds[1:]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and in brackets the least and the greatest."""
    return f"{median(values):{form}} ({min(values):{form}} - {max(values):{form}})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one to warm up (default: 5)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bf16 also on a CPU without instructions for it")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats: at least 1")
    return arguments


def main() -> None:
    """Measure the cases asked for and print a line for each."""
    arguments = parse()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    capability = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {name}, {threads} threads, CPU capability {capability}")
    print(f"median (least - greatest) of {arguments.repeats} rounds\n")
    row = "{:<12}{:>26}{:>26}{:>22}"
    print(row.format("case", "ours, images/s", "plain, images/s", "ours / plain"))
    for case in arguments.cases:
        if "bf16" in case and bf16_is_emulated(device) and not arguments.bf16:
            print(f"{case:<12}skipped: this CPU has no bf16 instructions; --bf16 measures it all the same")
            continue
        rounds = measure(case, arguments.repeats, device)
        ours, plain = zip(*rounds, strict=True)
        ratios = [our / other for our, other in rounds]
        cells = [spread(ours, ",.0f"), spread(plain, ",.0f"), spread(ratios, ".2f")]
        print(row.format(case, *cells), flush=True)


if __name__ == "__main__":
    main()
