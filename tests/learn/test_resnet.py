"""ResNet: names, shapes and numbers of torchvision's, and the arithmetic of a block."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, relu

from telltale.learn.resnet import ResNet


def expected_shapes(counts: tuple[int, ...], *, bottleneck: bool) -> dict[str, tuple[int, ...]]:
    """Convolution names and shapes of torchvision's ResNet, written out from its naming scheme."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}
    channels = 64
    for layer, (count, width) in enumerate(zip(counts, (64, 128, 256, 512), strict=True), start=1):
        out = width * 4 if bottleneck else width
        for block in range(count):
            name = f"layer{layer}.{block}"
            if bottleneck:
                shapes[f"{name}.conv1.weight"] = (width, channels, 1, 1)
                shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
                shapes[f"{name}.conv3.weight"] = (out, width, 1, 1)
            else:
                shapes[f"{name}.conv1.weight"] = (width, channels, 3, 3)
                shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            if block == 0 and (layer > 1 or bottleneck):
                shapes[f"{name}.downsample.0.weight"] = (out, channels, 1, 1)
            channels = out
    return shapes


@pytest.mark.parametrize(
    ("depth", "counts", "total"),
    [(18, (2, 2, 2, 2), 11_689_512), (34, (3, 4, 6, 3), 21_797_672), (50, (3, 4, 6, 3), 25_557_032)],
)
def test_names_shapes_and_total_are_torchvisions(
    depth: Literal[18, 34, 50], counts: tuple[int, ...], total: int
) -> None:
    with torch.device("meta"):
        model = ResNet(depth)
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters() if value.ndim == 4}
    assert shapes == expected_shapes(counts, bottleneck=depth == 50)
    assert sum(value.numel() for value in model.parameters()) + model.channels * 1000 + 1000 == total
    norms = {name.rpartition(".")[0] for name, module in model.state_dict().items() if name.endswith("running_mean")}
    named = {
        name.removesuffix(".weight").replace("conv", "bn").replace("downsample.0", "downsample.1") for name in shapes
    }
    assert norms == named


def normed(state: dict[str, Tensor], name: str, values: Tensor) -> Tensor:
    leaves = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{name}.{leaf}"] for leaf in leaves)
    return batch_norm(values, mean, variance, weight, bias)


def drawn(module: nn.Module) -> nn.Module:
    draw = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=draw) * 0.3
            tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module.double().eval()


def test_basic_block_equals_its_description() -> None:
    block = drawn(ResNet(18, 2).get_submodule("layer2.0"))
    state = block.state_dict()
    values = torch.randn(2, 64, 9, 8, generator=torch.Generator().manual_seed(1)).double()
    long = relu(normed(state, "bn1", conv2d(values, state["conv1.weight"], stride=2, padding=1)))
    long = normed(state, "bn2", conv2d(long, state["conv2.weight"], padding=1))
    short = normed(state, "downsample.1", conv2d(values, state["downsample.0.weight"], stride=2))
    torch.testing.assert_close(block(values), relu(long + short))


def test_bottleneck_takes_its_stride_in_the_3x3() -> None:
    block = drawn(ResNet(50, 2).get_submodule("layer2.0"))
    state = block.state_dict()
    values = torch.randn(2, 256, 9, 8, generator=torch.Generator().manual_seed(1)).double()
    long = relu(normed(state, "bn1", conv2d(values, state["conv1.weight"])))
    long = relu(normed(state, "bn2", conv2d(long, state["conv2.weight"], stride=2, padding=1)))
    long = normed(state, "bn3", conv2d(long, state["conv3.weight"]))
    short = normed(state, "downsample.1", conv2d(values, state["downsample.0.weight"], stride=2))
    torch.testing.assert_close(block(values), relu(long + short))


def test_block_does_not_write_into_its_input() -> None:
    block = ResNet(18, 1).eval().get_submodule("layer1.0")
    values = torch.randn(1, 64, 5, 5)
    before = values.clone()
    block(values)
    torch.testing.assert_close(values, before)


def test_whole_network_gives_one_vector_for_any_size() -> None:
    model = ResNet(18).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 33, 50)).shape == (2, 512, 1, 1)
