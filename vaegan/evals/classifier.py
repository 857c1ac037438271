"""A classifier of a labelled data set, trained once and cached; also used as a feature network."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import UserError
from vaegan.evals.material import Material
from vaegan.pixels import from_uint8
from vaegan.run.trained import BATCH
from vaegan.seeds import generator_for, seed_for, seed_torch
from vaegan.training.checkpoint import FORMAT, DamagedCheckpoint, read, write
from vaegan.training.portions import Portions

DIM = 64
SIDE = 32  # pixels; larger images are shrunk to it by averaging
EPOCHS = 8
TRAIN_BATCH = 64
HIGHEST_LR = 5e-3

Say = Callable[[str], None]


class ClassifierNet(nn.Module):
    """uint8 images [B, C, H, W] of any size from 8 pixels on -> logits [B, n_classes]."""

    def __init__(self, channels: int, n_classes: int):
        super().__init__()
        self.trunk = nn.Sequential(
            _halving(channels, 16),
            _halving(16, 32),
            _halving(32, 64),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, DIM),
            nn.LeakyReLU(0.2),  # a dead ReLU unit would be a feature without variance
        )
        self.head = nn.Linear(DIM, n_classes)

    def features(self, images: Tensor) -> Tensor:
        """The input of the last layer: [B, 64]."""
        x = from_uint8(images)
        if x.shape[-1] > SIDE:
            x = F.adaptive_avg_pool2d(x, SIDE)
        return self.trunk(x)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


@dataclass(frozen=True)
class Classifier:
    """A trained classifier; as a feature network (see `vaegan.evals.features`), the layer before its last.

    accuracy: the share of held-out images classified correctly. taught: its training data, in words.
    """

    net: ClassifierNet
    accuracy: float
    taught: str
    device: torch.device
    dim: int = DIM
    kind: str = "classifier"
    short: str = "classifier"
    pretrained: str = ""
    is_inception: bool = False
    remark: str = "the classifier knows the training images by heart, which makes the floor higher"

    @property
    def name(self) -> str:
        return f"classifier trained on {self.taught}, {100 * self.accuracy:.1f} % right"

    @property
    def n_classes(self) -> int:
        return self.net.head.out_features

    def features(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> [N, 64] on the CPU."""
        return _through(self.net.features, images, self.device)

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [N, C, H, W] -> the most probable class of each [N], and all probabilities [N, n_classes]."""
        logits = _through(self.net, images, self.device)
        return logits.argmax(1), logits.softmax(1)


def find_classifier(material: Material, cache_dir: Path, say: Say) -> Classifier | None:
    """The classifier for the images' labels, from the cache or trained now; None without labels.

    It is trained on all of the material's training images. say: called with its accuracy.
    """
    train, test = material.train.labels, material.test.labels
    if train is None or test is None:
        return None
    dataset = material.trained.config.dataset
    data = (material.training_images, train, material.originals, test)
    path = cache_dir / "classifiers" / f"{_digest(data, material.seed)}.safetensors"
    found = _cached(path, *data)
    how = "cached"
    if found is None:
        started = time.perf_counter()
        found = train_classifier(*data, material.seed, material.device)
        how = f"trained in {time.perf_counter() - started:.0f} s"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, found[0].state_dict(), {"format": FORMAT, "accuracy": found[1]})
        except OSError as error:
            how += f"; not kept in {path.parent} ({error.strerror})"
    net, accuracy = found
    say(f"classifier: {100 * accuracy:.1f} % of {len(test):,} held-out images of {dataset} right ({how})")
    # in one memory layout, so that a cached one gives the same features bit for bit
    net = net.to(material.device, memory_format=torch.channels_last)
    taught = f"{len(train):,} images of {dataset} (seed {material.seed})"
    return Classifier(net, accuracy, taught, material.device)


def train_classifier(
    train_images: Tensor,
    train_labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    seed: int,
    device: torch.device,
) -> tuple[ClassifierNet, float]:
    """A classifier in evaluation mode, trained on all training images, and its accuracy on the test images.

    Images are uint8 [N, C, H, W], labels int64 [N] from 0 on.
    """
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed_for(seed, "classifier", "init"), torch.device("cpu"))
        net = _untrained(train_images, train_labels, test_labels).to(
            device, memory_format=torch.channels_last
        )
    order = generator_for(seed, "classifier", "order")
    steps = EPOCHS * -(-len(train_images) // TRAIN_BATCH)
    optim = torch.optim.AdamW(net.parameters(), lr=HIGHEST_LR)
    lr_schedule = torch.optim.lr_scheduler.OneCycleLR(optim, HIGHEST_LR, total_steps=steps + 1)
    net.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(train_images), generator=order).split(TRAIN_BATCH):
            if len(batch) > 1:  # batch norm cannot be trained on a single image
                loss = F.cross_entropy(net(train_images[batch].to(device)), train_labels[batch].to(device))
                optim.zero_grad()
                loss.backward()
                optim.step()
            lr_schedule.step()
    net.eval().requires_grad_(False)
    right = _through(net, test_images, device).argmax(1) == test_labels
    return net, right.double().mean().item()


@torch.no_grad()
def _through(net: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """The output of a network on the device for images [N, C, H, W], on the CPU."""
    return torch.cat(list(Portions(BATCH).of(lambda batch: net(batch.to(device)).cpu(), images)))


def _halving(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _untrained(images: Tensor, *labels: Tensor) -> ClassifierNet:
    """A network for such images, with one class for each possible label."""
    return ClassifierNet(images.shape[1], 1 + max(int(each.max()) for each in labels))


def _cached(
    path: Path, train_images: Tensor, train_labels: Tensor, test_images: Tensor, test_labels: Tensor
) -> tuple[ClassifierNet, float] | None:
    """The classifier in that file and its accuracy; None if no classifier can be read from it."""
    try:
        tensors, facts = read(path)
    except (OSError, DamagedCheckpoint, UserError):
        return None
    net = _untrained(train_images, train_labels, test_labels)
    net.load_state_dict(tensors)
    return net.eval().requires_grad_(False), facts["accuracy"]


def _digest(data: tuple[Tensor, ...], seed: int) -> str:
    """A hash of everything that the classifier and its accuracy depend on, including this file's code."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(repr(seed).encode())
    for tensor in data:
        digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:32]
