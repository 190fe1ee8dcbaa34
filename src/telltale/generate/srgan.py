"""A x4 upsampler trained with a GAN loss (SRGAN): a picture scaled down and enlarged by it is an aligned GAN fake.

The structure follows the parameter names of `fast_srgan_x4`; its instance normalisations have no parameters.
"""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from telltale.generate.loading import with_weights

CHANNELS = 64
FACTOR = 4


class Residual(nn.Module):
    """Convolution, normalisation, PReLU, convolution, normalisation, plus the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.relu1 = nn.PReLU()
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        self.normalise = nn.InstanceNorm2d(CHANNELS)

    def forward(self, features: Float[Tensor, "n 64 height width"]) -> Float[Tensor, "n 64 height width"]:
        """Same size in and out."""
        inner = self.relu1(self.normalise(self.conv1(features)))
        change: Tensor = self.normalise(self.conv2(inner))
        return features + change


class Upsampling(nn.Module):
    """Twice the size by pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, 4 * CHANNELS, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.relu = nn.PReLU()

    def forward(self, features: Float[Tensor, "n 64 height width"]) -> Float[Tensor, "n 64 height2 width2"]:
        """(n, 64, h, w) to (n, 64, 2h, 2w)."""
        enlarged: Tensor = self.relu(self.shuffle(self.conv(features)))
        return enlarged


class Upsampler(nn.Module):
    """Images in [-1, 1], (n, 3, h, w), to (n, 3, 4h, 4w) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), nn.PReLU())
        self.stem = nn.Sequential(*(Residual() for _ in range(8)))
        self.bottleneck = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False), nn.InstanceNorm2d(CHANNELS)
        )
        self.upsampling = nn.Sequential(Upsampling(), Upsampling())
        self.head = nn.Sequential(nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.Tanh())

    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height4 width4"]:
        """Four times the size."""
        first = self.neck(images)
        enlarged: Tensor = self.head(self.upsampling(self.bottleneck(self.stem(first)) + first))
        return enlarged


def upsampler(folder: Path) -> Upsampler:
    """The upsampler with the weights `fast_srgan_x4.safetensors` of a folder.

    Raises:
        InvalidConfig: the file is missing or does not fit.
    """
    return with_weights(Upsampler(), folder / "fast_srgan_x4.safetensors")
