import torch

from vaegan.datasets.base import (
    Description,
    Images,
    Request,
    Splits,
    register_dataset,
    resized,
    shuffled_split,
    train_count,
)

N_IMAGES = 1797
OWN_SIZE = 32  # the images are 8 x 8, too small for networks and for eyes


@register_dataset("digits")
class Digits:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 and grey, enlarged.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI repository (1998).
    """

    def __init__(self, request: Request):
        self.size = request.image_size or OWN_SIZE
        self.split_seed = request.split_seed

    def describe(self) -> Description:
        n_train = train_count(N_IMAGES)
        return Description((1, self.size, self.size), n_train, N_IMAGES - n_train)

    def load(self) -> Splits:
        from sklearn.datasets import load_digits

        digits = load_digits()
        grey = torch.from_numpy(digits.images)[:, None] * (255 / 16)  # 17 levels: 0 to 16
        images = resized(grey.round().to(torch.uint8), self.size)
        labels = torch.from_numpy(digits.target)
        return Splits(*shuffled_split(Images(images, labels), self.split_seed))
