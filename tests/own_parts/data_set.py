"""A data set of a user's own: noisy stripes."""

import torch

from vaegan.datasets import Description, Images, Request, Splits, register_dataset


@register_dataset("own_stripes")
class OwnStripes:
    """160 images of stripes, 128 of them to train on."""

    def __init__(self, request: Request):
        self.size = request.image_size or 16

    def describe(self) -> Description:
        return Description((1, self.size, self.size), 128, 32)

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randint(0, 64, (160, 1, self.size, self.size), generator=generator, dtype=torch.uint8)
        noise[..., ::2] += 128
        return Splits(Images(noise[:128]), Images(noise[128:]))
