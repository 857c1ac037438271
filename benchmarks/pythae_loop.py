"""pythae's VAEGAN trainer as another loop for comparison: with our networks, and with its own for CelebA.

Imported only if pythae is installed.
"""

import contextlib
import io
import logging
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.models.nn.benchmarks.celeba import (
    Decoder_Conv_AE_CELEBA,
    Discriminator_Conv_CELEBA,
    Encoder_Conv_VAE_CELEBA,
)
from pythae.trainers import CoupledOptimizerAdversarialTrainer, CoupledOptimizerAdversarialTrainerConfig
from torch import Tensor, nn

from vaegan.config.build import build_players
from vaegan.config.schema import Config
from vaegan.devices import clock
from vaegan.nets.blocks import StagedDiscriminator
from vaegan.pixels import from_uint8

FEATURE_LAYER = 3  # layer of D, from 1, in which reconstructions are compared; pythae's default is D's output
NEVER_REST = 1e6  # distance of D's losses from pythae's equilibrium at which it skips an update


class OurEncoder(BaseEncoder):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> ModelOutput:
        mu, logvar = self.encoder(x)
        return ModelOutput(embedding=mu, log_covariance=logvar)


class OurDecoder(BaseDecoder):
    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.decoder(z)))


class OurDiscriminator(BaseDiscriminator):
    """D with pythae's interface: returns its output, or that of one stage without running later ones."""

    def __init__(self, disc: StagedDiscriminator):
        super().__init__()
        self.disc = disc
        self.depth = len(disc.stages) + 1

    def forward(self, x: Tensor, output_layer_levels: list[int] | None = None) -> ModelOutput:
        if output_layer_levels is None:
            return ModelOutput(embedding=torch.sigmoid(self.disc(x)))
        (level,) = output_layer_levels
        for stage in self.disc.stages[:level]:
            x = stage(x)
        return ModelOutput(**{f"embedding_layer_{level}": x})


class PythaeLoop:
    """Epochs of pythae's trainer, over the images as float32 in memory.

    own_networks: True for pythae's networks for CelebA instead of ours.
    """

    def __init__(self, config: Config, images: Tensor, device: torch.device, own_networks: bool):
        logging.disable(logging.INFO)
        shape = tuple(images.shape[1:])
        settings = VAEGANConfig(
            input_dim=shape,
            latent_dim=config.latent_dim,
            reconstruction_layer=FEATURE_LAYER,
            margin=NEVER_REST,
        )
        settings.discriminator_input_dim = shape
        if own_networks:
            networks = [Encoder_Conv_VAE_CELEBA, Decoder_Conv_AE_CELEBA, Discriminator_Conv_CELEBA]
            networks = [network(settings) for network in networks]
        else:
            players = build_players(config, shape)
            networks = [
                OurEncoder(players.encoder),
                OurDecoder(players.decoder),
                OurDiscriminator(players.disc),
            ]
        self.n_images = len(images)
        self.device = device
        self.n_epochs = 0
        with tempfile.TemporaryDirectory() as temporary:
            self.trainer = CoupledOptimizerAdversarialTrainer(
                VAEGAN(settings, *networks),
                BaseDataset(from_uint8(images), torch.zeros(len(images))),
                training_config=CoupledOptimizerAdversarialTrainerConfig(
                    output_dir=temporary,
                    per_device_train_batch_size=config.batch_size,
                    no_cuda=device.type == "cpu",
                ),
            )
            self.trainer.prepare_training()

    def epoch(self) -> float:
        """Trains for one epoch; returns images per second."""
        self.n_epochs += 1
        started = clock(self.device)
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            self.trainer.train_step(self.n_epochs)
        return self.n_images / (clock(self.device) - started)
