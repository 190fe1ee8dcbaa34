"""The classifier: geometry against gradients and real sizes, scaling, the head, the loss."""

from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from telltale.errors import InvalidConfig
from telltale.geometry import PatchGrid, tiles
from telltale.learn.classifier import ARCHITECTURES, PatchClassifier, PixelInput, build, loss, patch_grid

PATCH_MODELS = [name for name in ARCHITECTURES if "_" in name]
BASELINES = ["xception", "resnet18", "resnet50", "mesoinception4"]
CONTROLS = ["xception_block4_pointwise", "xception_block2_dilated"]
# PAPER: receptive field, stride, start, parameters.
PAPER = {
    "xception_block1": (PatchGrid(19, 4, -6), 55_010),
    "xception_block2": (PatchGrid(43, 8, -18), 191_330),
    "xception_block3": (PatchGrid(91, 16, -42), 1_108_218),
    "xception_block4": (PatchGrid(187, 16, -90), 2_722_194),
    "xception_block5": (PatchGrid(283, 16, -138), 4_336_170),
    "resnet18_layer1": (PatchGrid(43, 4, -21), 157_634),
    "resnet18_layer2": (PatchGrid(99, 8, -49), None),
    "resnet18_layer3": (PatchGrid(211, 16, -105), None),
}
PAPER_SHAPES = {("xception_block1", 299): 74, ("xception_block2", 299): 37, ("xception_block3", 299): 19,
                ("xception_block5", 299): 19, ("resnet18_layer1", 224): 56}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_threads() -> None:
    torch.set_num_threads(2)


@pytest.fixture(scope="module")
def on_meta() -> dict[str, PatchClassifier]:
    """Every architecture without memory: shapes are computed, numbers are not."""
    with torch.device("meta"):
        return {name: build(name).eval() for name in ARCHITECTURES}


def grid_of(model: PatchClassifier) -> PatchGrid:
    assert model.grid is not None
    return model.grid


def slow_if(condition: bool) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if condition else []


DEEP = {f"xception_block{n}" for n in range(5, 13)} | {"resnet34_layer3", "resnet34_layer4", "resnet18_layer4"}
DEEP |= {"resnet50_layer3", "resnet50_layer4", *CONTROLS}
BY_DEPTH = [pytest.param(name, marks=slow_if(name in DEEP)) for name in PATCH_MODELS]


def test_the_dictionary_holds_the_promised_names() -> None:
    promised = [f"xception_block{n}" for n in range(1, 13)]
    promised += [f"resnet{depth}_layer{n}" for depth in (18, 34, 50) for n in range(1, 5)]
    assert set(ARCHITECTURES) == {*promised, *CONTROLS, *BASELINES}


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidConfig, match=r"xception_block2.*resnet50_layer4.*mesoinception4.*'xception_block13'"):
        build("xception_block13")


@pytest.mark.parametrize("name", PAPER)
def test_figures_of_the_paper(name: str, on_meta: dict[str, PatchClassifier]) -> None:
    grid, parameters = PAPER[name]
    assert on_meta[name].grid == grid
    if parameters is not None:
        assert sum(value.numel() for value in on_meta[name].parameters()) == parameters


def test_one_control_changes_the_field_alone_and_the_other_the_parameters_alone(
    on_meta: dict[str, PatchClassifier],
) -> None:
    count = {name: sum(value.numel() for value in model.parameters()) for name, model in on_meta.items()}
    shallow, deep = grid_of(on_meta["xception_block2"]), grid_of(on_meta["xception_block4"])
    pointwise, dilated = (grid_of(on_meta[name]) for name in CONTROLS)
    assert (pointwise.size, dilated.size) == (shallow.size, deep.size) == (43, 187)
    assert (pointwise.stride, dilated.stride) == (deep.stride, shallow.stride)
    assert count["xception_block2_dilated"] == count["xception_block2"]
    # What is missing are the eight other weights of each window.
    assert 0.98 * count["xception_block4"] < count["xception_block4_pointwise"] < count["xception_block4"]


@pytest.mark.parametrize(("name", "side"), PAPER_SHAPES)
def test_patch_grid_of_the_paper(name: str, side: int, on_meta: dict[str, PatchClassifier]) -> None:
    patches = PAPER_SHAPES[name, side]
    images = torch.zeros(1, 3, side, side, device="meta")
    assert on_meta[name](images).shape == (1, patches, patches)
    assert grid_of(on_meta[name]).count(side) == patches


@pytest.mark.parametrize(
    ("name", "total_with_1000_classes", "features"),
    [("resnet18", 11_689_512, 512), ("resnet50", 25_557_032, 2048), ("xception", 22_855_952, 2048)],
)
def test_baselines_have_the_published_totals(
    name: str, total_with_1000_classes: int, features: int, on_meta: dict[str, PatchClassifier]
) -> None:
    two_classes = total_with_1000_classes - (features + 1) * 1000 + (features + 1) * 2
    assert sum(value.numel() for value in on_meta[name].parameters()) == two_classes


def support(model: PatchClassifier, shape: tuple[int, int], patch: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of the image on which one patch's log-odds depend."""
    image = torch.randn(1, 3, *shape, dtype=torch.float64, requires_grad=True)
    model(image)[0, patch[0], patch[1]].backward()
    assert image.grad is not None
    rows, columns = ((image.grad[0].abs().amax((0, axis)) != 0).nonzero().flatten() for axis in (2, 1))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def exact_fit(grid: PatchGrid, at_least: int) -> int:
    """A length whose last pixel is read: no stride leaves a remainder."""
    return next(length for length in count(at_least) if (length - 2 * grid.start - grid.size) % grid.stride == 0)


@pytest.mark.parametrize("name", BY_DEPTH)
def test_grid_is_the_support_of_the_gradient(name: str) -> None:
    """Narrow strips: one axis as long as the field, the other clipped by the border on both sides, so even deep
    networks are cheap. Random weights, double precision: a path that cancels exactly has probability zero.
    """
    torch.manual_seed(0)
    model = build(name).double().eval()
    grid = grid_of(model)
    inside = -(grid.start // grid.stride) + 1
    long = exact_fit(grid, grid.window(inside).stop)
    # A dilated window reads every tenth pixel, and in a narrow strip only its middle lies inside.
    short = long if "dilated" in name else exact_fit(grid, 17)
    middle = grid.count(short) // 2
    assert grid.window(inside, long) == grid.window(inside), "not clipped"
    assert support(model, (short, long), (middle, inside)) == (grid.window(middle, short), grid.window(inside))
    assert support(model, (short, long), (0, 0)) == (grid.window(0, short), grid.window(0, long))
    if name not in DEEP:  # layers unlike in rows and columns are refused, so the other axis adds little there
        assert support(model, (long, short), (inside, middle)) == (grid.window(inside), grid.window(middle, short))


@pytest.mark.parametrize("name", PATCH_MODELS)
def test_count_is_the_real_output_size(name: str, on_meta: dict[str, PatchClassifier]) -> None:
    model = on_meta[name]
    for height, width in ((7, 299), (224, 37), (101, 1025), (334, 1000), (4096, 75)):
        found = model(torch.zeros(1, 3, height, width, device="meta")).shape
        assert found == (1, grid_of(model).count(height), grid_of(model).count(width))


@pytest.mark.parametrize("name", PATCH_MODELS)
def test_the_smallest_image_gives_one_patch(name: str, on_meta: dict[str, PatchClassifier]) -> None:
    model = on_meta[name]
    smallest = next(side for side in range(1, 100) if grid_of(model).count(side) == 1)
    assert model(torch.zeros(1, 3, smallest, smallest, device="meta")).shape == (1, 1, 1)
    if smallest > 1:
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 3, smallest - 1, smallest, device="meta"))


@pytest.mark.parametrize("name", ["xception", "resnet18", "resnet50"])
def test_whole_image_baselines_give_one_prediction(name: str, on_meta: dict[str, PatchClassifier]) -> None:
    model = on_meta[name]
    assert model.grid is None
    assert model.input_side is None
    for height, width in ((71, 128), (299, 299)):
        assert model(torch.zeros(2, 3, height, width, device="meta")).shape == (2, 1, 1)


@pytest.mark.parametrize("name", BY_DEPTH)
def test_tiles_equal_the_whole_image(name: str) -> None:
    torch.manual_seed(0)
    model = build(name).eval()
    grid = grid_of(model)
    # One training-mode pass gives batch normalisation sensible statistics, so that log-odds are of order one.
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 65, 65))
        model.eval()
        pixels = torch.randint(0, 256, (1, 37, 3 * grid.size + grid.stride + 3, 3), dtype=torch.uint8)
        whole = model.from_pixels(pixels)[0].numpy()
        joined = np.full_like(whole, np.nan)
        pieces = list(tiles(grid, pixels.shape[1], pixels.shape[2], 2 * grid.size))
        for piece in pieces:
            part = model.from_pixels(pixels[:, piece.pixels[0], piece.pixels[1]])[0].numpy()
            joined[piece.patches] = part[piece.inner]
    assert len(pieces) > 1
    np.testing.assert_allclose(joined, whole, rtol=0, atol=1e-5 * max(1.0, float(np.abs(whole).max())))


def test_scaling_maps_pixels_to_minus_one_and_one() -> None:
    model = build("resnet18_layer1")
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(1, 2, 4, 3)
    scaled = model.scaled(pixels)
    assert scaled.shape == (1, 3, 2, 4)
    torch.testing.assert_close(scaled[0, :, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))


def test_scaling_is_saved_with_the_weights_and_obeyed() -> None:
    model = build("resnet18_layer1").eval()
    state = model.state_dict()
    state["mean"], state["std"] = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 1.0])
    other = build("resnet18_layer1").eval()
    other.load_state_dict(state)
    pixels = torch.randint(0, 256, (2, 40, 33, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    planes = pixels.permute(0, 3, 1, 2) / 255
    images = (planes - state["mean"][:, None, None]) / state["std"][:, None, None]
    torch.testing.assert_close(other.scaled(pixels), images)
    torch.testing.assert_close(other.from_pixels(pixels), model(images))
    torch.testing.assert_close(PixelInput(other)(pixels), model(images))


def test_channel_0_is_fake() -> None:
    model = build("xception_block1").eval()
    images = torch.randn(2, 3, 48, 51, generator=torch.Generator().manual_seed(0))
    before = model(images)
    with torch.no_grad():
        assert model.convout.bias is not None
        model.convout.bias += torch.tensor([3.0, 1.0])
    torch.testing.assert_close(model(images), before + 2)
    pair = model.pair(images)
    assert pair.shape == (2, 2, *before.shape[1:])
    torch.testing.assert_close(model(images), pair[:, 0] - pair[:, 1])


@given(seed=st.integers(0, 1000), labels=st.lists(st.booleans(), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_loss_is_cross_entropy_on_every_patch_of_the_pair(seed: int, labels: list[bool]) -> None:
    draw = torch.Generator().manual_seed(seed)
    pair = (torch.randn(len(labels), 2, 3, 5, generator=draw) * 20).double()
    is_fake = torch.tensor(labels)
    target = torch.where(is_fake, 0, 1)[:, None, None].expand(-1, 3, 5)
    torch.testing.assert_close(loss(pair[:, 0] - pair[:, 1], is_fake), cross_entropy(pair, target))


def test_loss_pushes_fakes_up_and_reals_down() -> None:
    patch_logits = torch.zeros(2, 3, 3, requires_grad=True)
    torch.autograd.backward(loss(patch_logits, torch.tensor([True, False])))
    assert patch_logits.grad is not None
    assert (patch_logits.grad[0] < 0).all()
    assert (patch_logits.grad[1] > 0).all()


def test_log_odds_keep_float32_under_autocast() -> None:
    model = build("resnet18_layer1").eval()
    pixels = torch.randint(0, 256, (1, 48, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model.from_pixels(pixels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, model.from_pixels(pixels), rtol=0.1, atol=0.1)


def test_gradient_reaches_the_images_and_every_parameter() -> None:
    model = build("xception_block2")
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    torch.autograd.backward(loss(model(images), torch.tensor([True, False])))
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in model.parameters())


def test_same_seed_same_weights() -> None:
    torch.manual_seed(3)
    one = build("resnet18_layer1").state_dict()
    torch.manual_seed(3)
    other = build("resnet18_layer1").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_walk_refuses_a_layer_it_does_not_know() -> None:
    with pytest.raises(InvalidConfig, match="Upsample"):
        patch_grid(nn.Sequential(nn.Conv2d(3, 3, 3), nn.Upsample(scale_factor=2)))


def test_walk_refuses_a_layer_unlike_in_rows_and_columns() -> None:
    with pytest.raises(InvalidConfig, match="rows and columns"):
        patch_grid(nn.Conv2d(3, 3, (3, 5)))
    with pytest.raises(InvalidConfig, match="rows and columns"):
        patch_grid(nn.Conv2d(3, 3, 3, padding="same"))


def test_walk_refuses_paths_that_do_not_line_up() -> None:
    block = build("xception_block1").backbone.get_submodule("block1")
    for wrong in (nn.Conv2d(64, 128, 1, stride=4), nn.Conv2d(64, 128, 1, stride=2, padding=1)):
        block.skip = wrong
        with pytest.raises(InvalidConfig, match="stride and centre"):
            patch_grid(block)


def test_walk_counts_dilation() -> None:
    assert patch_grid(nn.Conv2d(3, 3, 3, dilation=4, padding=4)) == PatchGrid(9, 1, -4)
