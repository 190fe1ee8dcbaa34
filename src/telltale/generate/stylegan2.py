"""The generator of StyleGAN2: a style for every layer scales the weights of its convolution.

After Karras et al., *Analyzing and improving the image quality of StyleGAN*, CVPR 2020: latents pass a mapping network;
each convolution's weights are modulated by a style and demodulated to unit deviation; every resolution adds a picture
of its own to the enlarged one of the resolution before. Noise is fixed: part of the weights, so that a latent means one
picture. Files of others are read by `telltale.generate.stylegan2_layouts`.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, linear

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

SMALLEST = 4
# One axis of the filter that enlarges, before it is brought to a sum of one.
FILTER = (1.0, 3.0, 3.0, 1.0)
_EPSILON = 1e-8
# The mapping network learns a hundred times slower: its weights are that much larger in the file.
_MAPPING_RATE = 0.01


class StyleGan2(nn.Module):
    """Latents (n, latent) to images (n, 3, side, side) in about [-1, 1].

    Args:
        latent: length of a latent vector.
        style: length of a style, the mapping network's answer.
        layers: of the mapping network, 1 or more.
        channels: of the features at 4 px, 8 px and so on; their number decides the side.
        truncation: how far a style is drawn towards the average, 1 not at all, 0 to one face.
        clamp: activations are kept within plus and minus this; None does not. NVIDIA's trainings use 256.

    Raises:
        InvalidConfig: a count below 1, or a truncation outside [0, 1].
    """

    def __init__(
        self,
        *,
        latent: int,
        style: int,
        layers: int,
        channels: Sequence[int],
        truncation: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        if min(latent, style, layers, *channels) < 1 or not channels or not 0 <= truncation <= 1:
            raise InvalidConfig(
                expected="lengths, layers and channels of 1 or more, a truncation in [0, 1]",
                found=f"{latent}, {style}, {layers}, {list(channels)}, truncation {truncation}",
                do="Correct the sizes.",
            )
        self.latent, self.side = latent, SMALLEST << (len(channels) - 1)
        self.channels, self.truncation, self.clamp = list(channels), truncation, clamp
        widths = [latent, *[style] * layers]
        self.mapping = nn.ModuleList(_Linear(a, b, rate=_MAPPING_RATE) for a, b in pairwise(widths))
        self.average: Tensor
        self.register_buffer("average", torch.zeros(style))
        self.start = nn.Parameter(torch.randn(channels[0], SMALLEST, SMALLEST))
        self.layers = nn.ModuleList([_Styled(channels[0], channels[0], style, SMALLEST, clamp)])
        self.colours = nn.ModuleList([_Colour(channels[0], style, clamp)])
        for number, (before, here) in enumerate(pairwise(channels), 1):
            side = SMALLEST << number
            self.layers.append(_Styled(before, here, style, side, clamp, enlarging=True))
            self.layers.append(_Styled(here, here, style, side, clamp))
            self.colours.append(_Colour(here, style, clamp))

    def styles(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n style"]:
        """What the mapping network makes of latents, drawn towards the average."""
        features = latents * (latents.square().mean(1, keepdim=True) + _EPSILON).rsqrt()
        for layer in self.mapping:
            features = _activated(layer(features))
        return self.average + self.truncation * (features - self.average) if self.truncation < 1 else features

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 side side"]:
        """Latents to images, a little beyond [-1, 1] here and there."""
        styles = self.styles(latents)
        features = self.layers[0](self.start.expand(len(latents), -1, -1, -1), styles)
        images: Tensor = self.colours[0](features, styles)
        for number, colour in enumerate(self.colours[1:]):
            for layer in self.layers[1 + 2 * number : 3 + 2 * number]:
                features = layer(features, styles)
            images = enlarged(images) + colour(features, styles)
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 side side"]:
        """Images in about [-1, 1] from standard normal latents; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, self.latent, seed).to(self.start.device))
        return images


class _Linear(nn.Module):
    """A linear map of equalised learning rate: the weights are scaled where they are used."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.rate, self.scale = rate, rate / sqrt(inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, features: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        return linear(features, self.weight * self.scale, self.bias * self.rate)


class _Styled(nn.Module):
    """A modulated convolution with noise, bias and activation; where `enlarging`, to twice the size."""

    def __init__(
        self, inputs: int, outputs: int, style: int, side: int, clamp: float | None, *, enlarging: bool = False
    ) -> None:
        super().__init__()
        self.enlarging, self.clamp = enlarging, clamp
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.affine = _Linear(style, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.noise: Tensor
        self.register_buffer("noise", torch.randn(side, side))

    def forward(
        self, features: Float[Tensor, "n inputs h w"], styles: Float[Tensor, "n style"]
    ) -> Float[Tensor, "n outputs side side"]:
        made = modulated(features, self.weight, self.affine(styles), enlarging=self.enlarging)
        made = _activated(made + self.strength * self.noise + self.bias[:, None, None])
        return made if self.clamp is None else made.clamp(-self.clamp, self.clamp)


class _Colour(nn.Module):
    """Features to a picture: a modulated 1x1 convolution without demodulation."""

    def __init__(self, inputs: int, style: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.affine = _Linear(style, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(
        self, features: Float[Tensor, "n inputs side side"], styles: Float[Tensor, "n style"]
    ) -> Float[Tensor, "n 3 side side"]:
        styled = features * self.affine(styles)[:, :, None, None]
        made = conv2d(styled, self.weight / sqrt(self.weight.shape[1]), self.bias)
        return made if self.clamp is None else made.clamp(-self.clamp, self.clamp)


def modulated(
    features: Float[Tensor, "n inputs h w"],
    weight: Float[Tensor, "outputs inputs 3 3"],
    scales: Float[Tensor, "n inputs"],
    *,
    enlarging: bool = False,
) -> Float[Tensor, "n outputs h2 w2"]:
    """A convolution whose weights are scaled by input channel and then brought to norm one by output channel.

    Scaling a picture's features instead of the weights gives the same numbers, and needs no weights of its own for each
    picture.

    Args:
        features: of each picture.
        weight: shared by all; its scale by fan-in is applied here.
        scales: of each picture, by input channel.
        enlarging: twice the size: zeros between the pixels, the convolution, the filter.
    """
    weight = weight / sqrt(weight[0].numel())
    styled = features * scales[:, :, None, None]
    norms = linear(scales.square(), weight.square().sum((2, 3)))
    if enlarging:
        made = filtered(conv_transpose2d(styled, weight.transpose(0, 1), stride=2))
    else:
        made = conv2d(styled, weight, padding=1)
    return made * (norms + _EPSILON).rsqrt()[:, :, None, None]


def filtered(features: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h2 w2"]:
    """The filter over pixels that stand among three zeros each, a border of one added: one pixel less a side."""
    channels = features.shape[1]
    return conv2d(features, _kernel(features).expand(channels, 1, -1, -1), padding=1, groups=channels)


def enlarged(images: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h2 w2"]:
    """Twice the size, by the filter."""
    channels = images.shape[1]
    kernel = _kernel(images).expand(channels, 1, -1, -1)
    return conv_transpose2d(images, kernel, stride=2, padding=1, groups=channels)


def _kernel(like: Tensor) -> Float[Tensor, "1 1 4 4"]:
    """The filter with a sum of four, which is what the zeros took away."""
    axis = torch.tensor(FILTER, dtype=like.dtype, device=like.device) * 2 / sum(FILTER)
    return torch.outer(axis, axis)[None, None]


def _activated(features: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A leaky ReLU that keeps the variance."""
    return sqrt(2) * leaky_relu(features, 0.2)
