"""Ground-truth generative factors of images, if they are known."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Factors:
    """The ground-truth factors of N images.

    continuous: float32 [N, K], a column for each of `continuous_names`. discrete: int64 [N, D], a column
    for each of `categories`, which maps a factor's name to the meanings of its values 0, 1, ...
    """

    continuous_names: tuple[str, ...]
    continuous: Tensor
    categories: dict[str, tuple[str, ...]]
    discrete: Tensor

    def __len__(self) -> int:
        return len(self.continuous)

    def __getitem__(self, index: Tensor | slice) -> "Factors":
        """The factors of the images at that index."""
        return Factors(self.continuous_names, self.continuous[index], self.categories, self.discrete[index])
