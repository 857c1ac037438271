"""Decoders: z [B, latent_dim] -> pixel logits [B, C, H, W], before the sigmoid or tanh.

A class registered here is called with (image_shape, latent_dim) and, by keyword, the knobs that were set.
"""

from vaegan.registry import Registry, import_siblings

DECODERS = Registry("decoder")
register_decoder = DECODERS.register
import_siblings(__name__, __path__)
