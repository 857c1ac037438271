from vaegan.datasets.base import Description, Images, Request, Splits, register_dataset, resized
from vaegan.datasets.levels import check_level
from vaegan.datasets.torchvision_files import read_torchvision

OWN_SIZE = 28
FOLDER = "MNIST/raw"


@register_dataset("mnist")
class Mnist:
    """Handwritten digits, 28 x 28 and grey: 60,000 for training and 10,000 held out.

    Source: LeCun et al., Gradient-based learning applied to document recognition (Proc. IEEE, 1998).
    """

    def __init__(self, request: Request):
        """Raises: OptionError if the data folder is one level too high or too low."""
        self.size = request.image_size or OWN_SIZE
        self.data_dir = request.data_dir
        check_level(self.data_dir, FOLDER)

    def describe(self) -> Description:
        return Description((1, self.size, self.size), 60_000, 10_000)

    def load(self) -> Splits:
        from torchvision.datasets import MNIST

        archives = {f"{FOLDER}/{name}": md5 for name, md5 in MNIST.resources}
        sets = read_torchvision(MNIST, self.data_dir, archives)
        return Splits(*(Images(resized(part.data[:, None], self.size), part.targets) for part in sets))
