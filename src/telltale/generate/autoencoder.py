"""Tiny autoencoders of the TAESD family: a latent-diffusion model's way from picture to latents and back, distilled.

A real photograph that passes encoder and decoder keeps its content, pixel for pixel in place, and gains the decoder's
texture: an aligned fake. The structure follows the parameter names of the files (`taef2_encoder`, `taef2_decoder`,
distilled from FLUX.2's autoencoder). Others of the family (`taesd`, `taef1`, diffusers' `AutoencoderTiny`) differ in
the channels of their latents and have no gates.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from telltale.errors import UnsuitableImage
from telltale.generate.loading import with_weights

CHANNELS = 64
LATENT_CHANNELS = 32
FACTOR = 8


class Block(nn.Module):
    """Three convolutions around a shortcut and a ReLU after the sum; the middle stages first add a gated 1x1 path."""

    def __init__(self, *, gated: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        self.pool = (
            nn.Sequential(
                nn.Conv2d(CHANNELS, 4 * CHANNELS, 1, bias=False),
                nn.GroupNorm(4, 4 * CHANNELS),
                nn.ReLU(),
                nn.Conv2d(4 * CHANNELS, CHANNELS, 1, bias=False),
            )
            if gated
            else None
        )

    def forward(self, features: Float[Tensor, "n 64 height width"]) -> Float[Tensor, "n 64 height width"]:
        """Same size in and out."""
        if self.pool is not None:
            features = features + self.pool(features)
        return torch.relu(self.conv(features) + features)


class SoftClamp(nn.Module):
    """Latents squeezed smoothly into (-3, 3)."""

    def forward(self, latents: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Any shape."""
        return torch.tanh(latents / 3) * 3


def encoder(*, latent_channels: int = LATENT_CHANNELS, gated: bool = True) -> nn.Sequential:
    """Images in [0, 1], (n, 3, height, width), to latents (n, latent_channels, height/8, width/8)."""
    layers: list[nn.Module] = [nn.Conv2d(3, CHANNELS, 3, padding=1), Block()]
    for stage in range(3):
        layers.append(nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1, bias=False))
        layers += [Block(gated=gated and stage == 2) for _ in range(3)]
    return nn.Sequential(*layers, nn.Conv2d(CHANNELS, latent_channels, 3, padding=1))


def decoder(*, latent_channels: int = LATENT_CHANNELS, gated: bool = True) -> nn.Sequential:
    """Latents (n, latent_channels, h, w) to images in about [0, 1], (n, 3, 8h, 8w)."""
    layers: list[nn.Module] = [SoftClamp(), nn.Conv2d(latent_channels, CHANNELS, 3, padding=1), nn.ReLU()]
    for stage in range(3):
        layers += [Block(gated=gated and stage == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, Block(), nn.Conv2d(CHANNELS, 3, 3, padding=1))


class Autoencoder(nn.Module):
    """Encoder and decoder together.

    Args:
        latent_channels: 4 for Stable Diffusion's, 16 for FLUX.1's, 32 for FLUX.2's.
        gated: whether the stages next to the latents have gates, as FLUX.2's.
    """

    def __init__(self, *, latent_channels: int = LATENT_CHANNELS, gated: bool = True) -> None:
        super().__init__()
        self.encoder = encoder(latent_channels=latent_channels, gated=gated)
        self.decoder = decoder(latent_channels=latent_channels, gated=gated)

    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
        """Images in [0, 1] to their re-synthesis in [0, 1].

        Raises:
            UnsuitableImage: a side that is not a multiple of 8.
        """
        if images.shape[2] % FACTOR or images.shape[3] % FACTOR:
            raise UnsuitableImage(
                expected=f"sides that are multiples of {FACTOR}",
                found=f"{images.shape[3]} x {images.shape[2]}",
                do="Pad the image first, as telltale.generate.resynthesis does.",
            )
        made: Tensor = self.decoder(self.encoder(images))
        return made.clamp(0, 1)


def autoencoder(folder: Path) -> Autoencoder:
    """The autoencoder with `taef2_encoder.safetensors` and `taef2_decoder.safetensors` of a folder.

    Raises:
        InvalidConfig: a file is missing or does not fit.
    """
    model = Autoencoder()
    with_weights(model.encoder, folder / "taef2_encoder.safetensors")
    with_weights(model.decoder, folder / "taef2_decoder.safetensors")
    return model.eval()
