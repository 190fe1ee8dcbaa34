"""ResNet-18, -34 and -50 (He et al., CVPR 2016, table 1), whole or cut after one of the four layers.

Module names are torchvision's, so that its checkpoints and the paper's fit without renaming: `conv1, bn1, layer1 ...
layer4`, inside a block `conv1, bn1, conv2, bn2, (conv3, bn3), downsample.0, downsample.1`. As in torchvision, ResNet-50
takes its stride in the 3x3 convolution ("v1.5") where the paper takes it in the first 1x1.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

# Blocks in layer1 to layer4.
DEPTHS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, added, then ReLU.

    Args:
        channels: channels of the input.
        width: channels of the output.
        stride: of the first convolution and of the shortcut.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, width, stride)

    @property
    def paths(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        """The layers of the two paths, in order."""
        return (self.conv1, self.bn1, self.relu, self.conv2, self.bn2), (self.downsample,)

    def forward(self, features: Float[Tensor, "n channels high wide"]) -> Float[Tensor, "n channels_out rows columns"]:
        """The rectified sum of the two paths."""
        return _rectified_sum(self.paths, features)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution beside a shortcut, added, then ReLU.

    Args:
        channels: channels of the input.
        width: channels inside; the output has four times as many.
        stride: of the 3x3 convolution and of the shortcut.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, width * self.expansion, stride)

    @property
    def paths(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        """The layers of the two paths, in order."""
        reduced = (self.conv1, self.bn1, self.relu, self.conv2, self.bn2)
        return (*reduced, self.relu, self.conv3, self.bn3), (self.downsample,)

    def forward(self, features: Float[Tensor, "n channels high wide"]) -> Float[Tensor, "n channels_out rows columns"]:
        """The rectified sum of the two paths."""
        return _rectified_sum(self.paths, features)


class ResNet(nn.Sequential):
    """Features of a ResNet: cut after a layer, or the whole network averaged over the image.

    Starts from Kaiming-normal weights (He et al., ICCV 2015). torchvision scales them by the fan-out; the fan-in is the
    other choice of that paper, and resnet18_layer1 learned about twice as fast from it in a small comparison.

    Args:
        depth: 18, 34 or 50.
        layers: 1 to 4 cuts after that layer; None is the whole network, which gives one vector per image.

    Attributes:
        channels: how many features it gives.
        input_side: None; any size does.
    """

    input_side: int | None = None

    def __init__(self, depth: Literal[18, 34, 50], layers: int | None = None) -> None:
        block = Bottleneck if depth == 50 else BasicBlock
        modules: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(64),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, 2, padding=1),
        )
        channels = 64
        for number, (count, width) in enumerate(zip(DEPTHS[depth], WIDTHS, strict=True), start=1):
            if layers is not None and number > layers:
                break
            modules[f"layer{number}"] = _layer(block, channels, width, count, stride=1 if number == 1 else 2)
            channels = width * block.expansion
        if layers is None:
            modules["avgpool"] = nn.AdaptiveAvgPool2d(1)
        super().__init__(modules)
        self.channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def _layer(
    block: type[BasicBlock] | type[Bottleneck], channels: int, width: int, count: int, *, stride: int
) -> nn.Sequential:
    first = block(channels, width, stride)
    return nn.Sequential(first, *(block(width * block.expansion, width, 1) for _ in range(count - 1)))


def _shortcut(channels: int, channels_out: int, stride: int) -> nn.Sequential:
    """A projection where the shape changes; otherwise empty, which is the identity and has no parameter names."""
    if channels == channels_out and stride == 1:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(channels, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))


def _rectified_sum(paths: tuple[Sequence[nn.Module], Sequence[nn.Module]], features: Tensor) -> Tensor:
    long, short = (_through(layers, features) for layers in paths)
    return nn.functional.relu(long + short, inplace=True)


def _through(layers: Sequence[nn.Module], features: Tensor) -> Tensor:
    for layer in layers:
        features = layer(features)
    return features
