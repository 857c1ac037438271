"""Discriminators: x [B, C, H, W] in the model's range -> logits [B]; above 0 means "an original".

A class registered here is called with (image_shape) and, by keyword, the knobs that were set. One with
a method `with_features(x) -> (logits, [features])` can also hand out its intermediate features. With a
class attribute `slope_in_one_pass = True`, R1 and R2 take the slope from the pass that the loss is computed
from, in the run's precision; without it from a second pass, in float32.
"""

from vaegan.registry import Registry, import_siblings

DISCRIMINATORS = Registry("discriminator")
register_discriminator = DISCRIMINATORS.register
import_siblings(__name__, __path__)
