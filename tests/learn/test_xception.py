"""Xception: names and numbers of the Cadene port, and the arithmetic of a block."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, max_pool2d, relu

from telltale.learn.xception import Block, Xception


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and running statistic drawn anew, so that no layer acts as the identity."""
    draw = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=draw) * 0.3
            tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module.double().eval()


def batch_normed(state: dict[str, Tensor], name: str, values: Tensor) -> Tensor:
    mean, variance, weight, bias = (
        state[f"{name}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return batch_norm(values, mean, variance, weight, bias)


def separable(state: dict[str, Tensor], name: str, values: Tensor) -> Tensor:
    depthwise = conv2d(values, state[f"{name}.conv1.weight"], padding=1, groups=values.shape[1])
    return conv2d(depthwise, state[f"{name}.pointwise.weight"])


def block_by_names(state: dict[str, Tensor], name: str, values: Tensor, *, relus: list[int], pool: bool) -> Tensor:
    """One block, read off the parameter names alone: ReLU at the given indices, none of them in place."""
    kinds = {int(found[1]) for key in state if (found := re.match(rf"{name}\.rep\.(\d+)\.", key))} | set(relus)
    long = values
    for index in sorted(kinds):
        layer = f"{name}.rep.{index}"
        if index in relus:
            long = relu(long)
        elif f"{layer}.pointwise.weight" in state:
            long = separable(state, layer, long)
        else:
            long = batch_normed(state, layer, long)
    stride = 2 if pool else 1
    long = max_pool2d(long, 3, stride, 1) if pool else long
    if f"{name}.skip.weight" not in state:
        return long + values
    return long + batch_normed(state, f"{name}.skipbn", conv2d(values, state[f"{name}.skip.weight"], stride=stride))


def test_total_with_1000_classes_is_the_ports() -> None:
    with torch.device("meta"):
        assert parameters(Xception()) + 2048 * 1000 + 1000 == 22_855_952


def test_names_in_a_block_are_the_ports() -> None:
    with torch.device("meta"):
        weights = [name for name in Xception().state_dict() if name.endswith(".weight")]
    convolutions = {name for name in weights if re.search(r"conv\d\.weight|pointwise|skip\.weight", name)}

    def of(block: int) -> set[str]:
        return {name.removeprefix(f"block{block}.") for name in convolutions if name.startswith(f"block{block}.")}

    def separables(*indices: int) -> set[str]:
        return {f"rep.{index}.{part}.weight" for index in indices for part in ("conv1", "pointwise")}

    assert of(1) == separables(0, 3) | {"skip.weight"}, "block1 has no leading ReLU"
    assert of(2) == of(3) == of(12) == separables(1, 4) | {"skip.weight"}
    for middle in range(4, 12):
        assert of(middle) == separables(1, 4, 7), "same shape in and out, so no projection"
    assert {name for name in convolutions if not name.startswith("block")} == {
        "conv1.weight", "conv2.weight", "conv3.conv1.weight", "conv3.pointwise.weight", "conv4.conv1.weight",
        "conv4.pointwise.weight",
    }  # fmt: skip
    assert {name for name in weights if re.fullmatch(r"bn\d\.weight", name)} == {f"bn{i}.weight" for i in (1, 2, 3, 4)}


def test_block12_grows_last() -> None:
    with torch.device("meta"):
        state = Xception().state_dict()
    assert [state[f"block12.rep.{index}.pointwise.weight"].shape[0] for index in (1, 4)] == [728, 1024]


def test_stem_has_no_padding() -> None:
    images = torch.zeros(1, 3, 299, 299)
    model = Xception(1)
    once = model.get_submodule("conv1")(images)
    assert once.shape[2:] == (149, 149)
    assert model.get_submodule("conv2")(once).shape[2:] == (147, 147)


@pytest.mark.parametrize(
    ("number", "channels", "relus", "pool"), [(1, 64, [2], True), (2, 128, [0, 3], True), (4, 728, [0, 3, 6], False)]
)
def test_block_equals_its_description(number: int, channels: int, relus: list[int], pool: bool) -> None:
    model = randomised(Xception(number))
    features = torch.randn(2, channels, 7, 6, generator=torch.Generator().manual_seed(1)).double()
    expected = block_by_names(model.state_dict(), f"block{number}", features, relus=relus, pool=pool)
    torch.testing.assert_close(model.get_submodule(f"block{number}")(features), expected)


def test_shortcut_sees_the_input_before_the_relu() -> None:
    block = Block(8, (8, 8, 8), stride=1, rectified=False).eval()
    last = block.rep[-1]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    features = torch.randn(1, 8, 5, 5)
    before = features.clone()
    torch.testing.assert_close(block(features), before, msg="negative values must survive on the shortcut")
    torch.testing.assert_close(features, before, msg="the block must not write into its input")


def test_cut_network_is_the_beginning_of_the_whole() -> None:
    whole, cut = Xception(), Xception(3)
    cut.load_state_dict({name: value for name, value in whole.state_dict().items() if name in cut.state_dict()})
    images = torch.randn(1, 3, 63, 71)
    values = images
    for name, layer in whole.eval().named_children():
        values = layer(values)
        if name == "block3":
            break
    torch.testing.assert_close(cut.eval()(images), values)
