"""Any timm backbone as a trunk, adapted to the images' channels and to small images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import OptionError, did_you_mean
from vaegan.nets.blocks import features_of
from vaegan.pixels import PixelRange

SMALLEST_INPUT = 64  # most backbones reduce by 32; smaller inputs would end on 1 x 1 maps
REDUCTION = 32
STATISTICS = ("pretrained_mean", "pretrained_std")  # of a backbone, kept with its weights


class TimmBackbone(nn.Module):
    """A timm backbone without its classifier: x [B, C, H, W] -> features of `out_shape` per image.

    pooled: True for features [B, F], the input of its classifier; False for the last map or all tokens.
    Images that a backbone cannot process (below 64 pixels, or of a size that its windows or position
    embeddings do not allow) are enlarged to the next size that it accepts.
    Pretrained weights get images normalised with the mean and deviation of their training. These statistics
    are part of the state, so that loaded networks compute the same, whatever they were constructed with.
    Raises: ValueError for a name that timm does not know (training another network silently would be
    worse) and for the few backbones that return several maps at once; OptionError for pretrained weights
    that cannot be loaded.
    """

    def __init__(self, name: str, image_shape: tuple[int, int, int], pretrained: bool, pooled: bool = False):
        import timm  # takes longer to import than torch itself

        super().__init__()
        if not timm.is_model(name):
            hint = did_you_mean(name, timm.list_models())
            raise ValueError(f'timm has no backbone "{name}"; {hint}timm.list_models() lists all')
        channels, size, _ = image_shape
        self.pooled = pooled
        for statistic in STATISTICS:
            self.register_buffer(statistic, None)
        self.side = max(SMALLEST_INPUT, -(-size // REDUCTION) * REDUCTION)
        try:
            self.body = _create(name, channels, self.side, pretrained)
            self.out_shape = features_of(self, image_shape)
        except (TypeError, ValueError, RuntimeError, AssertionError):
            # fixed windows or embeddings: fall back to the backbone's own size
            self.body = _create(name, channels, None, pretrained)
            self.side = self.body.pretrained_cfg["input_size"][-1]
            self.out_shape = features_of(self, image_shape)
        if not pooled and hasattr(self.body, "prune_intermediate_layers"):
            self.body.prune_intermediate_layers(prune_head=True)  # the head would never be trained
        if pretrained:
            self.normalise("01", channels)

    def normalise(self, pixel_range: PixelRange, channels: int) -> None:
        """Normalises images of that range as in the training of the pretrained weights.

        For grey images timm adds up the first layer's weights, and the statistics are averaged over colours.
        """
        config = self.body.pretrained_cfg
        mean, std = (torch.tensor(config[name])[None, :, None, None] for name in ("mean", "std"))
        if mean.shape[1] != channels:
            mean, std = (each.mean().expand(1, channels, 1, 1).clone() for each in (mean, std))
        if pixel_range == "pm1":  # (x + 1) / 2 is in [0, 1]
            mean, std = 2 * mean - 1, 2 * std
        self.pretrained_mean, self.pretrained_std = mean, std

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        for name in STATISTICS:  # as in the state, which may have none
            value = state_dict.get(prefix + name)
            device = next(self.parameters()).device
            setattr(self, name, None if value is None else torch.empty_like(value, device=device))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body.forward_features(self._prepared(x))
        if not isinstance(features, Tensor):
            raise ValueError(
                "this backbone returns several feature maps at once; choose one that returns one"
            )
        return self._pool(features)

    def with_intermediates(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and the maps [B, c, h, w] after each of the backbone's stages."""
        last, maps = self.body.forward_intermediates(self._prepared(x))
        return self._pool(last), maps

    def _pool(self, features: Tensor) -> Tensor:
        return self.body.forward_head(features, pre_logits=True) if self.pooled else features

    def _prepared(self, x: Tensor) -> Tensor:
        """The images, normalised and resized to the backbone's input size."""
        if self.pretrained_mean is not None:
            x = (x - self.pretrained_mean) / self.pretrained_std
        if x.shape[-1] == self.side:
            return x
        return F.interpolate(x, size=(self.side, self.side), mode="bilinear")


def _create(name: str, channels: int, side: int | None, pretrained: bool) -> nn.Module:
    """The backbone without a classifier, for inputs `side` pixels wide; None for its own size."""
    import timm

    options = {"in_chans": channels, "num_classes": 0, "pretrained": pretrained}
    if side is not None:
        options["img_size"] = side
    try:
        return timm.create_model(name, **options)
    except TypeError:
        if side is None:
            raise
        return _create(name, channels, None, pretrained)  # accepts any size, so it has no such argument
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        if pretrained:
            raise OptionError("pretrained", f"no weights for {name}: {reason}") from error
        raise ValueError(f"timm: {reason}") from error
