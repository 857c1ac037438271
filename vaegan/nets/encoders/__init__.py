"""Encoders: x [B, C, H, W] in the model's range -> the posterior's mu and logvar, each [B, latent_dim].

A class registered here is called with (image_shape, latent_dim) and, by keyword, the knobs that were set.
"""

from vaegan.registry import Registry, import_siblings

ENCODERS = Registry("encoder")
register_encoder = ENCODERS.register
import_siblings(__name__, __path__)
