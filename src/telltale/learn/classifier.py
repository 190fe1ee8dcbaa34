"""A backbone, a 1x1 head with two outputs, and one log-odds per patch (paper, section 3).

`build("xception_block2")` makes one; `ARCHITECTURES` lists them all.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.geometry import PatchGrid
from telltale.learn.mesonet import MesoInception4
from telltale.learn.resnet import BasicBlock, Bottleneck, ResNet
from telltale.learn.xception import Block, Xception

Backbone: TypeAlias = Xception | ResNet | MesoInception4

# The paper's released models, Xception and ResNet alike, map pixels to [-1, 1].
MEAN = STD = 0.5
ONE_PIXEL = PatchGrid()


class PatchClassifier(nn.Module):
    """Log-odds, for every patch of an image, that it is fake.

    The head `convout` gives a pair of values per patch, channel 0 for fake and channel 1 for real, as the paper's
    released checkpoints do; the log-odds are their difference.

    Args:
        backbone: images to features.
        architecture: its name in `ARCHITECTURES`.

    Attributes:
        grid: where the patches lie, composed from the backbone's own layers; None for a whole-image baseline, whose
            output has one row and one column.
        input_side: the only image side in pixels that fits; None where any does.
        mean, std: buffers, saved with the weights: what `scaled` subtracts and divides by, for pixels in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, architecture: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.architecture = architecture
        self.convout = nn.Conv2d(backbone.channels, 2, 1)
        self.register_buffer("mean", torch.full((3,), MEAN))
        self.register_buffer("std", torch.full((3,), STD))
        self.grid: PatchGrid | None = None if _reads_whole_image(backbone) else patch_grid(backbone)
        self.input_side = backbone.input_side

    def pair(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 2 rows columns"]:
        """The two values per patch before their difference: channel 0 fake, channel 1 real.

        Args:
            images: already scaled, (pixels / 255 - mean) / std.

        Raises:
            UnsuitableImage: another size than `input_side`.
        """
        if self.input_side is not None and images.shape[2:] != (self.input_side, self.input_side):
            raise UnsuitableImage(
                expected=f"images of {self.input_side} x {self.input_side} pixels for {self.architecture}",
                found=f"{images.shape[3]} x {images.shape[2]}",
                do=f"Prepare with fit 'square' or 'centre' and side {self.input_side}.",
            )
        found: Tensor = self.convout(self.backbone(images))
        # Under autocast the head gives bfloat16: the difference of two such numbers deserves full precision.
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n rows columns"]:
        """Log-odds that each patch is fake. Differentiable with respect to the images.

        Args:
            images: already scaled, (pixels / 255 - mean) / std; [-1, 1] with the mean and std of `build`.

        Raises:
            UnsuitableImage: another size than `input_side`.
        """
        pair = self.pair(images)
        return pair[:, 0] - pair[:, 1]

    def scaled(self, pixels: UInt8[Tensor, "n height width 3"]) -> Float[Tensor, "n 3 height width"]:
        """Pixels, 0 to 255, as `forward` wants them; in channels-last memory, which is also the fastest on a CPU."""
        images = pixels.permute(0, 3, 1, 2).to(self.mean.dtype)
        # One multiplication and one addition per value; exported, both constants are folded.
        scale, shift = 1 / (255 * self.std), -self.mean / self.std
        return images * scale[:, None, None] + shift[:, None, None]

    def from_pixels(self, pixels: UInt8[Tensor, "n height width 3"]) -> Float[Tensor, "n rows columns"]:
        """Log-odds that each patch is fake, from pixels, 0 to 255: scaling and channel order are inside the graph.

        Raises:
            UnsuitableImage: another size than `input_side`.
        """
        logits: Tensor = self(self.scaled(pixels))
        return logits


class PixelInput(nn.Module):
    """The same classifier as a module whose input is pixels: what `telltale export` writes."""

    def __init__(self, classifier: PatchClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: UInt8[Tensor, "n height width 3"]) -> Float[Tensor, "n rows columns"]:
        """`PatchClassifier.from_pixels`."""
        return self.classifier.from_pixels(pixels)


def loss(patch_logits: Float[Tensor, "n rows columns"], is_fake: Bool[Tensor, " n"]) -> Float[Tensor, ""]:
    """Cross-entropy on every patch, each with the label of its image (paper, section 3); the mean over patches.

    Binary cross-entropy on the difference of the pair equals the paper's cross-entropy on the pair.

    Args:
        patch_logits: log-odds that each patch is fake.
        is_fake: label of each image.
    """
    labels = is_fake.to(patch_logits.dtype)[:, None, None].expand_as(patch_logits)
    return nn.functional.binary_cross_entropy_with_logits(patch_logits, labels)


ARCHITECTURES: dict[str, Callable[[], Backbone]] = {
    "xception_block1": partial(Xception, 1),
    "xception_block2": partial(Xception, 2),
    "xception_block3": partial(Xception, 3),
    "xception_block4": partial(Xception, 4),
    "xception_block5": partial(Xception, 5),
    "xception_block6": partial(Xception, 6),
    "xception_block7": partial(Xception, 7),
    "xception_block8": partial(Xception, 8),
    "xception_block9": partial(Xception, 9),
    "xception_block10": partial(Xception, 10),
    "xception_block11": partial(Xception, 11),
    "xception_block12": partial(Xception, 12),
    # Controls that part receptive field from depth and parameters: block4's parameters (all but its windows' own) with
    # block2's field of 43 px, and block2's parameters with block4's field of 187 px.
    "xception_block4_pointwise": partial(Xception, 4, pointwise=(3, 4)),
    "xception_block2_dilated": partial(Xception, 2, dilation={2: 10}),
    "resnet18_layer1": partial(ResNet, 18, 1),
    "resnet18_layer2": partial(ResNet, 18, 2),
    "resnet18_layer3": partial(ResNet, 18, 3),
    "resnet18_layer4": partial(ResNet, 18, 4),
    "resnet34_layer1": partial(ResNet, 34, 1),
    "resnet34_layer2": partial(ResNet, 34, 2),
    "resnet34_layer3": partial(ResNet, 34, 3),
    "resnet34_layer4": partial(ResNet, 34, 4),
    "resnet50_layer1": partial(ResNet, 50, 1),
    "resnet50_layer2": partial(ResNet, 50, 2),
    "resnet50_layer3": partial(ResNet, 50, 3),
    "resnet50_layer4": partial(ResNet, 50, 4),
    "xception": Xception,
    "resnet18": partial(ResNet, 18),
    "resnet50": partial(ResNet, 50),
    "mesoinception4": MesoInception4,
}


def build(architecture: str) -> PatchClassifier:
    """A classifier with fresh weights, in training mode.

    Nothing is pretrained: the paper trains from scratch. Xception and the head start from torch's default, as the
    Cadene port does; ResNet from Kaiming-normal; MesoInception4 from Glorot-uniform, as its authors'. The paper's
    released code draws every weight Xavier-normal with gain 0.02. That is not followed: with Adam at 1e-3 such a start
    was still at chance after 360 steps of a synthetic task that these starts had solved by then.

    Args:
        architecture: a key of `ARCHITECTURES`, such as "xception_block2".

    Raises:
        InvalidConfig: an unknown name; lists the known ones.
    """
    if architecture not in ARCHITECTURES:
        raise InvalidConfig(
            expected=f"an architecture out of {', '.join(ARCHITECTURES)}", found=repr(architecture), do="Choose one."
        )
    return PatchClassifier(ARCHITECTURES[architecture](), architecture)


def patch_grid(module: nn.Module, grid: PatchGrid = ONE_PIXEL) -> PatchGrid:
    """The windows that the outputs of `module` read, walking its layers; of two parallel paths the larger field wins.

    Args:
        module: a layer, or layers in sequence.
        grid: the grid of its input.

    Raises:
        InvalidConfig: a layer this function does not know, a layer that treats rows and columns differently, or two
            parallel paths that do not line up.
    """
    match module:
        case nn.Conv2d() | nn.MaxPool2d():
            geometry = (module.kernel_size, module.stride, module.padding, module.dilation)
            return grid.then(*(_alike(value, module) for value in geometry))
        case nn.Sequential():
            for layer in module:
                grid = patch_grid(layer, grid)
            return grid
        case Block() | BasicBlock() | Bottleneck():
            long, short = (patch_grid(nn.Sequential(*path), grid) for path in module.paths)
            return _joined(long, short)
        case nn.BatchNorm2d() | nn.ReLU() | nn.Identity():
            return grid
    raise InvalidConfig(
        expected="convolutions, max pooling, batch normalisation, ReLU and residual blocks",
        found=type(module).__name__,
        do="Say in patch_grid which pixels this layer reads.",
    )


def _joined(one: PatchGrid, other: PatchGrid) -> PatchGrid:
    larger, smaller = sorted((one, other), key=lambda grid: -grid.size)
    # The same stride and the same centre: then both paths also give the same number of patches for every image.
    if (larger.stride, 2 * larger.start + larger.size) != (smaller.stride, 2 * smaller.start + smaller.size):
        raise InvalidConfig(
            expected="parallel paths of the same stride and centre", found=f"{one} and {other}", do="Correct the block."
        )
    return larger


def _alike(value: int | str | tuple[int, ...], module: nn.Module) -> int:
    """The one number that holds for rows and columns."""
    numbers = {value} if isinstance(value, int) else set(value)
    number = numbers.pop()
    if numbers or not isinstance(number, int):
        raise InvalidConfig(
            expected="the same geometry, in numbers, for rows and columns", found=repr(module), do="Change the layer."
        )
    return number


def _reads_whole_image(backbone: nn.Module) -> bool:
    return any(isinstance(module, nn.AdaptiveAvgPool2d | nn.Flatten) for module in backbone.modules())
