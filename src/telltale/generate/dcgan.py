"""A small DCGAN of 32-px faces: transposed convolutions and their checkerboards.

The structure follows the parameter names of `dcgan_celeba32`; the running statistics of its normalisations confirm
what the names leave open: uniform latents, and no activation after the first block.
"""

from math import sqrt
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from telltale.generate.latents import normal_latents
from telltale.generate.loading import with_weights

LATENT = 100
SIDE = 32


class Dcgan(nn.Module):
    """Latents (n, 100) in (-1, 1) to images (n, 3, 32, 32) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.side = LATENT, SIDE
        self.generator_deconv = nn.Sequential(
            nn.Sequential(nn.ConvTranspose2d(LATENT, 256, 4, bias=False), nn.BatchNorm2d(256)),
            _activated(nn.Conv2d(256, 128, 3, padding=1, bias=False), 128),
            _activated(nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), 64),
            _activated(nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False), 32),
            nn.Sequential(nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1), nn.Tanh()),
        )

    def forward(self, latents: Float[Tensor, "n 100"]) -> Float[Tensor, "n 3 32 32"]:
        """Latents to images in [-1, 1]."""
        images: Tensor = self.generator_deconv(latents[:, :, None, None])
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 32 32"]:
        """Images in [-1, 1] from uniform latents; the first k are the same whatever n is.

        Drawn on the CPU, so that a seed means the same on every device. Gradients flow unless the caller turns them
        off.
        """
        latents = torch.rand(n, LATENT, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        images: Tensor = self(latents.to(next(self.parameters()).device))
        return images


class DcganFromNormal(Dcgan):
    """The same from standard normal latents, which are what finetuning and inversion give every generator."""

    def forward(self, latents: Float[Tensor, "n 100"]) -> Float[Tensor, "n 3 32 32"]:
        """Latents to images in [-1, 1]; the normal distribution is bent into the uniform one."""
        return super().forward(torch.erf(latents / sqrt(2)))

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 32 32"]:
        """Images in [-1, 1] from standard normal latents; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, LATENT, seed).to(next(self.parameters()).device))
        return images


def _activated(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2))


def dcgan(folder: Path) -> Dcgan:
    """The generator with the weights `dcgan_celeba32.safetensors` of a folder.

    Raises:
        InvalidConfig: the file is missing or does not fit.
    """
    return with_weights(Dcgan(), folder / "dcgan_celeba32.safetensors")
