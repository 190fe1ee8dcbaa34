"""Xception (Chollet, CVPR 2017, figure 5), whole or cut after one of its twelve blocks.

Module names are those of the common Cadene port, so that the paper's released checkpoints fit without renaming:
`conv1, bn1, conv2, bn2, block1 ... block12, conv3, bn3, conv4, bn4`, and inside a block `rep`, `skip`, `skipbn`.
"""

from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn

# Width of each separable convolution, and stride, of block1 to block12.
BLOCKS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((128, 128), 2),
    ((256, 256), 2),
    ((728, 728), 2),
    *((((728, 728, 728), 1),) * 8),
    ((728, 1024), 2),
)


class SeparableConv(nn.Sequential):
    """A convolution of each channel alone, then a 1x1 convolution across channels; nothing in between.

    Args:
        channels_in: channels of the input.
        channels_out: channels of the output.
        kernel: side of the first one's window; 3 in the paper.
        dilation: distance of the pixels it reads; 1 in the paper.
    """

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(
                    channels_in,
                    channels_in,
                    kernel,
                    padding=kernel // 2 * dilation,
                    dilation=dilation,
                    groups=channels_in,
                    bias=False,
                ),
                pointwise=nn.Conv2d(channels_in, channels_out, 1, bias=False),
            )
        )


class Block(nn.Module):
    """Two or three separable convolutions beside a shortcut, added; no ReLU after the sum.

    Args:
        channels: channels of the input.
        widths: channels after each separable convolution.
        stride: 2 halves the resolution, by max pooling on the long path and by the shortcut's stride.
        rectified: the input has just passed a ReLU (block1), so the block does not begin with another.
        kernel: side of every window, the pooling's included; 3 in the paper.
        dilation: of the separable convolutions; 1 in the paper.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        *,
        stride: int,
        rectified: bool,
        kernel: int = 3,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels_in, channels_out in pairwise((channels, *widths)):
            # The first ReLU must not work in place. The shortcut reads the same tensor, and the released code (as the
            # Keras original) lets it see the values from BEFORE the ReLU; in place, imported weights would still load
            # and silently compute something else. The later ones act on tensors nobody else reads.
            relu = nn.ReLU(inplace=bool(layers))
            convolution = SeparableConv(channels_in, channels_out, kernel=kernel, dilation=dilation)
            layers += [relu, convolution, nn.BatchNorm2d(channels_out)]
        if rectified:
            # Index 0 of `rep` is then the first separable convolution: the index is part of the parameter's name.
            del layers[0]
        if stride != 1:
            layers.append(nn.MaxPool2d(kernel, stride, padding=kernel // 2))
        self.rep = nn.Sequential(*layers)
        same = channels == widths[-1] and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(channels, widths[-1], 1, stride, bias=False)
        self.skipbn = nn.Identity() if same else nn.BatchNorm2d(widths[-1])

    @property
    def paths(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        """The layers of the two paths, in order."""
        return (self.rep,), (self.skip, self.skipbn)

    def forward(self, features: Float[Tensor, "n channels high wide"]) -> Float[Tensor, "n channels_out rows columns"]:
        """The sum of the two paths."""
        long: Tensor = self.rep(features)
        short: Tensor = self.skipbn(self.skip(features))
        return long + short


class Xception(nn.Sequential):
    """Features of Xception: cut after a block, or the whole network averaged over the image.

    The stem's two convolutions have no padding, as in the paper. Starts from torch's default weights, as the Cadene
    port does.

    Args:
        blocks: 1 to 12 cuts after that block; None is the whole network, which gives one vector per image.
        pointwise: numbers of blocks whose windows are one pixel wide, so that depth and parameters grow and the
            receptive field does not. Not in the paper: a control for it.
        dilation: number of a block -> distance of the pixels its windows read, so that the receptive field grows and
            depth and parameters do not. Not in the paper: the other control.

    Attributes:
        channels: how many features it gives.
        input_side: None; any size does.
    """

    input_side: int | None = None

    def __init__(
        self,
        blocks: int | None = None,
        *,
        pointwise: Container[int] = (),
        dilation: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(3, 32, 3, 2, bias=False),
            bn1=nn.BatchNorm2d(32),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(32, 64, 3, bias=False),
            bn2=nn.BatchNorm2d(64),
            relu2=nn.ReLU(inplace=True),
        )
        channels = 64
        for number, (widths, stride) in enumerate(BLOCKS[:blocks], start=1):
            layers[f"block{number}"] = Block(
                channels,
                widths,
                stride=stride,
                rectified=number == 1,
                kernel=1 if number in pointwise else 3,
                dilation=dilation.get(number, 1),
            )
            channels = widths[-1]
        if blocks is None:
            layers.update(_exit(channels))
            channels = 2048
        super().__init__(layers)
        self.channels = channels


def _exit(channels: int) -> dict[str, nn.Module]:
    return {
        "conv3": SeparableConv(channels, 1536),
        "bn3": nn.BatchNorm2d(1536),
        "relu3": nn.ReLU(inplace=True),
        "conv4": SeparableConv(1536, 2048),
        "bn4": nn.BatchNorm2d(2048),
        "relu4": nn.ReLU(inplace=True),
        "avgpool": nn.AdaptiveAvgPool2d(1),
    }
