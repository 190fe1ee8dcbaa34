"""Convolutional GANs of 64-px faces, whose ways of enlarging leave different traces.

The generators differ only in how they enlarge: a transposed convolution (whose kernel overlaps unevenly and leaves
checkerboards) or nearest-neighbour copies followed by a convolution. Widths are for a CPU; nothing depends on them.
Structure after Radford et al., *Unsupervised representation learning with deep convolutional generative adversarial
networks*, ICLR 2016; spectral normalisation of the critic after Miyato et al., ICLR 2018.
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

Upsampling: TypeAlias = Literal["transposed", "nearest"]
SIDE, STAGES = 64, 4


class ConvolutionalGenerator(nn.Module):
    """Latents (n, latent) to images (n, 3, 64, 64) in [-1, 1]; four stages double the side from 4 px on.

    Args:
        upsampling: how a stage enlarges.
        latent: length of a latent vector, standard normal.
        width: channels of the last stage; the first has eight times as many.

    Raises:
        InvalidConfig: a latent or a width below 1.
    """

    def __init__(self, *, upsampling: Upsampling, latent: int = 64, width: int = 24) -> None:
        super().__init__()
        if min(latent, width) < 1:
            raise InvalidConfig(
                expected="a latent and a width of 1 or more",
                found=f"latent {latent}, width {width}",
                do="Correct the settings.",
            )
        self.latent, self.side = latent, SIDE
        channels = [8 * width, 4 * width, 2 * width, width, width]
        self.first = nn.Linear(latent, channels[0] * 16, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        self.stages = nn.Sequential(
            *(_stage(upsampling, channels[n], channels[n + 1]) for n in range(STAGES)),
        )
        self.rgb = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 64 64"]:
        """Latents to images in [-1, 1]."""
        small = self.first(latents).reshape(len(latents), -1, 4, 4)
        images: Tensor = torch.tanh(self.rgb(self.stages(torch.relu(self.norm(small)))))
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 64 64"]:
        """Images in [-1, 1] from standard normal latents; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, self.latent, seed).to(self.rgb.weight.device))
        return images


def _stage(upsampling: Upsampling, inputs: int, outputs: int) -> nn.Sequential:
    if upsampling == "transposed":
        enlarge: tuple[nn.Module, ...] = (nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),)
    else:
        enlarge = (nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
    return nn.Sequential(*enlarge, nn.BatchNorm2d(outputs), nn.ReLU())


class ConvolutionalCritic(nn.Module):
    """Images (n, 3, side, side) in [-1, 1] to one logit each, higher for real; spectrally normalised.

    Args:
        width: channels of the first stage; each has twice as many as the one before, at most eight times these.
        side: of the images, pixels: 8 or a larger power of two; stages halve it down to 4.

    Raises:
        InvalidConfig: another side.
    """

    def __init__(self, *, width: int = 24, side: int = SIDE) -> None:
        super().__init__()
        stages = side.bit_length() - 3
        if side < 8 or side & (side - 1):
            raise InvalidConfig(
                expected="images of 8 px or a larger power of two", found=f"{side} px", do="Bring a critic of your own."
            )
        channels = [3, *(width * min(2**n, 8) for n in range(stages))]
        self.stages = nn.ModuleList(
            spectral_norm(nn.Conv2d(channels[n], channels[n + 1], 4, stride=2, padding=1)) for n in range(stages)
        )
        self.last = spectral_norm(nn.Linear(channels[-1] * 16, 1))

    def forward(self, images: Float[Tensor, "n 3 side side"]) -> Float[Tensor, " n"]:
        """One logit per image."""
        features = images
        for stage in self.stages:
            features = leaky_relu(stage(features), 0.2)
        logits: Tensor = self.last(features.flatten(1))[:, 0]
        return logits
