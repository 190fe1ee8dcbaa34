"""A small variational autoencoder of 64-px faces: the blur of likelihood training, where GANs show checkerboards.

The structure follows the parameter names of `vae_celeba64`. The names leave two things open; the running statistics
settle them. After `d1` a ReLU: with it, samples reproduce the stored means of `bn6` to 5 % (an ELU: 50 %). The
latents are standard normal: those of real faces have mean 0 and standard deviation 1.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from telltale.generate.loading import with_weights

LATENT = 32
SIDE = 64


class Vae(nn.Module):
    """Encoder and decoder; latents (n, 32), images (n, 3, 64, 64) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.side = LATENT, SIDE
        self.e1, self.bn1 = nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32)
        self.e2, self.bn2 = nn.Conv2d(32, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32)
        self.e3, self.bn3 = nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64)
        self.e4, self.bn4 = nn.Conv2d(64, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64)
        self.fc1, self.fc2 = nn.Linear(1024, LATENT), nn.Linear(1024, LATENT)
        self.d1 = nn.Linear(LATENT, 1024)
        self.d2, self.bn6 = nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64)
        self.d3, self.bn7 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32)
        self.d4, self.bn8 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32)
        self.d5 = nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1)

    def encode(self, images: Float[Tensor, "n 3 64 64"]) -> tuple[Float[Tensor, "n 32"], Float[Tensor, "n 32"]]:
        """Mean and log-variance of the latents of images in [-1, 1]."""
        features = (images + 1) / 2
        for convolution, norm in ((self.e1, self.bn1), (self.e2, self.bn2), (self.e3, self.bn3), (self.e4, self.bn4)):
            features = leaky_relu(norm(convolution(features)), 0.2)
        flat = features.flatten(1)
        return self.fc1(flat), self.fc2(flat)

    def forward(self, latents: Float[Tensor, "n 32"]) -> Float[Tensor, "n 3 64 64"]:
        """Latents to images in [-1, 1]."""
        features = torch.relu(self.d1(latents)).reshape(-1, 64, 4, 4)
        for convolution, norm in ((self.d2, self.bn6), (self.d3, self.bn7), (self.d4, self.bn8)):
            features = leaky_relu(norm(convolution(features)), 0.2)
        images: Tensor = torch.sigmoid(self.d5(features))
        return images * 2 - 1

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 64 64"]:
        """Images in [-1, 1] from standard normal latents; the first k are the same whatever n is.

        Drawn on the CPU, so that a seed means the same on every device. Gradients flow unless the caller turns them
        off.
        """
        latents = torch.randn(n, LATENT, generator=torch.Generator().manual_seed(seed))
        images: Tensor = self(latents.to(self.d1.weight.device))
        return images


def vae(folder: Path) -> Vae:
    """The autoencoder with the weights `vae_celeba64.safetensors` of a folder.

    Raises:
        InvalidConfig: the file is missing or does not fit.
    """
    return with_weights(Vae(), folder / "vae_celeba64.safetensors")
