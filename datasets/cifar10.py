from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vaegan.datasets.base import Description, Images, Request, Splits, register_dataset, resized
from vaegan.datasets.levels import check_level
from vaegan.datasets.torchvision_files import read_torchvision

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

OWN_SIZE = 32
FOLDER = "cifar-10-batches-py"  # as the archive has it


@register_dataset("cifar10")
class Cifar10:
    """Photographs in ten classes, 32 x 32 in colour: 50,000 for training and 10,000 held out.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).
    """

    def __init__(self, request: Request):
        """Raises: OptionError if the data folder is one level too high or too low."""
        self.size = request.image_size or OWN_SIZE
        self.data_dir = request.data_dir
        check_level(self.data_dir, FOLDER)

    def describe(self) -> Description:
        return Description((3, self.size, self.size), 50_000, 10_000)

    def load(self) -> Splits:
        from torchvision.datasets import CIFAR10

        archives = {CIFAR10.filename: CIFAR10.tgz_md5}
        batches = {f"{FOLDER}/{name}": md5 for name, md5 in CIFAR10.train_list + CIFAR10.test_list}
        sets = read_torchvision(CIFAR10, self.data_dir, archives, batches)
        return Splits(*(self._images(part) for part in sets))

    def _images(self, part: CIFAR10) -> Images:
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # [N, H, W, C] -> [N, C, H, W]
        return Images(resized(images, self.size), torch.tensor(part.targets))
