"""MesoInception4 (Afchar et al., WIFS 2018, figure 5 and table 1): a small whole-image baseline."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Batch normalisation's epsilon in the authors' Keras code; torch's default is a hundred times smaller.
EPSILON = 1e-3


class Inception(nn.Module):
    """Four branches side by side: a 1x1 convolution, and a 1x1 followed by a 3x3 of dilation 1, 2 and 3.

    Args:
        channels: channels of the input.
        widths: channels of each branch.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        pixel, *dilated = widths
        self.branches = nn.ModuleList([nn.Sequential(nn.Conv2d(channels, pixel, 1), nn.ReLU())])
        for dilation, width in enumerate(dilated, start=1):
            wide = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
            self.branches.append(nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(), wide, nn.ReLU()))

    def forward(self, features: Float[Tensor, "n channels high wide"]) -> Float[Tensor, "n channels_out high wide"]:
        """The branches' outputs, stacked."""
        return torch.cat([branch(features) for branch in self.branches], dim=1)


class MesoInception4(nn.Sequential):
    """Features of MesoInception4: one vector of 16 per image, (n, 16, 1, 1).

    Its fully connected layer fixes the input at 256 pixels a side. The authors have one sigmoid output; here the
    classifier's head gives the usual two. Starts from Glorot-uniform weights and zero biases, Keras's default.

    Attributes:
        channels: 16.
        input_side: 256.
    """

    input_side: int | None = 256
    channels = 16

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                inception1=_stage(Inception(3, (1, 4, 4, 2)), 11, 2),
                inception2=_stage(Inception(11, (2, 4, 4, 2)), 12, 2),
                conv3=_stage(nn.Sequential(nn.Conv2d(12, 16, 5, padding=2), nn.ReLU()), 16, 2),
                conv4=_stage(nn.Sequential(nn.Conv2d(16, 16, 5, padding=2), nn.ReLU()), 16, 4),
                flatten=nn.Flatten(),
                dropout1=nn.Dropout(0.5),
                fc1=nn.Linear(16 * 8 * 8, 16),
                leaky=nn.LeakyReLU(0.1),
                dropout2=nn.Dropout(0.5),
                unflatten=nn.Unflatten(1, (16, 1, 1)),
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)


def _stage(layer: nn.Module, channels: int, pool: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(channels, eps=EPSILON), nn.MaxPool2d(pool))
