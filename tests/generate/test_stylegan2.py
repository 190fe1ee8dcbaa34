"""StyleGAN2: its arithmetic against the paper's, written out; two layouts of names, one picture."""

from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from generator_weights import one_thread, seeded
from numpy.typing import NDArray
from scipy.signal import convolve2d
from stylegan2_weights import CHANNELS, LATENT, STYLE, nvidia, rosinality, written

from telltale.errors import InvalidConfig
from telltale.generate.stylegan2 import StyleGan2, enlarged, modulated
from telltale.generate.stylegan2_layouts import layout_of, stylegan2

Array = NDArray[np.float64]


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


def test_both_layouts_give_one_picture(tmp_path: Path) -> None:
    state = nvidia()
    one = stylegan2(written(tmp_path / "nvidia.safetensors", state))
    other = stylegan2(written(tmp_path / "rosinality.safetensors", rosinality(state)))
    assert (one.latent, one.side) == (LATENT, 16)
    with torch.inference_mode():
        images = one.sample(3, 0)
        assert torch.equal(images, other.sample(3, 0))
        torch.testing.assert_close(one.sample(2, 0), images[:2])
    assert float(images.std()) > 0.1
    assert not torch.allclose(images[0], images[1], atol=0.1)


def test_a_checkpoint_of_several_networks_is_told_by_its_prefix(tmp_path: Path) -> None:
    state = nvidia()
    plain = stylegan2(written(tmp_path / "a.safetensors", state))
    prefixed = stylegan2(written(tmp_path / "b.safetensors", {f"G_ema.{name}": one for name, one in state.items()}))
    with torch.inference_mode():
        assert torch.equal(plain.sample(1, 1), prefixed.sample(1, 1))


def up_and_filtered(image: Array) -> Array:
    """Zeros between the pixels, two before and one after, then the filter as a sum over every output pixel."""
    height, width = image.shape
    sparse = np.zeros((2 * height + 3, 2 * width + 3))
    sparse[2:-1:2, 2:-1:2] = image
    axis = np.array([1, 3, 3, 1]) / 8
    made = np.zeros((2 * height, 2 * width))
    for row in range(2 * height):
        for column in range(2 * width):
            made[row, column] = 4 * (np.outer(axis, axis) * sparse[row : row + 4, column : column + 4]).sum()
    return made


def by_the_paper(features: Array, weight: Array, scales: Array, *, enlarging: bool) -> Array:
    """Equations 1 and 3 of the paper for one picture: weights of its own, scaled, then brought to norm one."""
    scaled = weight / sqrt(weight[0].size) * scales[None, :, None, None]
    scaled /= np.sqrt((scaled**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    made = []
    for kernel in scaled:
        total: Array = np.zeros((1, 1))
        for channel, plane in zip(features, kernel, strict=True):
            if enlarging:
                # A convolution (the kernel turned) over the pixels with zeros between, of which the filter is next.
                sparse = np.zeros((2 * channel.shape[0] - 1, 2 * channel.shape[1] - 1))
                sparse[::2, ::2] = channel
                whole = np.pad(convolve2d(sparse, plane, mode="full"), 1)
                axis = np.array([1, 3, 3, 1]) / 4
                total = total + convolve2d(whole, np.outer(axis, axis), mode="valid")
            else:
                # As networks do: a correlation, the border filled with zeros.
                total = total + convolve2d(channel, plane[::-1, ::-1], mode="same")
        made.append(total)
    return np.stack(made)


@pytest.mark.parametrize("enlarging", [False, True])
def test_a_modulated_convolution_is_the_papers(enlarging: bool) -> None:
    with seeded(5):
        features, weight, scales = torch.randn(2, 3, 4, 5), torch.randn(6, 3, 3, 3), torch.randn(2, 3)
    made = modulated(features, weight, scales, enlarging=enlarging)
    for number in range(2):
        plain = (one.double().numpy() for one in (features[number], weight, scales[number]))
        expected = by_the_paper(*plain, enlarging=enlarging)
        np.testing.assert_allclose(made[number].double().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_enlarging_is_zeros_and_the_filter() -> None:
    with seeded(6):
        images = torch.randn(1, 2, 3, 5)
    expected = np.stack([up_and_filtered(one.double().numpy()) for one in images[0]])
    np.testing.assert_allclose(enlarged(images)[0].double().numpy(), expected, rtol=1e-4, atol=1e-6)
    inner = enlarged(torch.ones(1, 1, 6, 6))[0, 0, 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.ones_like(inner))


def test_a_whole_picture_is_the_papers(tmp_path: Path) -> None:
    state = {name: tensor.double().numpy() for name, tensor in nvidia().items()}
    generator = stylegan2(written(tmp_path / "g.safetensors", nvidia()))
    latents = torch.tensor([[0.3, -1.0, 0.5, 2.0, -0.2]])

    def activated(features: Array) -> Array:
        answer: Array = sqrt(2) * np.where(features > 0, features, 0.2 * features)
        return answer

    style = latents[0].double().numpy()
    style = style / np.sqrt((style**2).mean() + 1e-8)
    for number in (0, 1):
        weight, bias = (state[f"mapping.fc{number}.{kind}"] for kind in ("weight", "bias"))
        style = activated(0.01 * (weight @ style / sqrt(weight.shape[1]) + bias))

    def affine(name: str) -> Array:
        answer: Array = state[f"{name}.affine.weight"] @ style / sqrt(STYLE) + state[f"{name}.affine.bias"]
        return answer

    features, image = state["synthesis.b4.const"], np.zeros((3, 2, 2))
    for side in CHANNELS:
        block = f"synthesis.b{side}"
        for place in (0, 1) if side > 4 else (1,):
            name = f"{block}.conv{place}"
            features = by_the_paper(features, state[f"{name}.weight"], affine(name), enlarging=place == 0)
            features = features + state[f"{name}.noise_strength"] * state[f"{name}.noise_const"]
            features = activated(features + state[f"{name}.bias"][:, None, None])
        scaled = features * affine(f"{block}.torgb")[:, None, None] / sqrt(len(features))
        colour = np.einsum("oi,ihw->ohw", state[f"{block}.torgb.weight"][:, :, 0, 0], scaled)
        image = np.stack([up_and_filtered(one) for one in image]) + colour + state[f"{block}.torgb.bias"][:, None, None]
    with torch.inference_mode():
        made = generator(latents)[0].double().numpy()
    np.testing.assert_allclose(made, image, rtol=1e-3, atol=1e-3)


def test_truncation_draws_towards_the_average(tmp_path: Path) -> None:
    path = written(tmp_path / "g.safetensors", nvidia())
    with torch.inference_mode():
        whole, half, none = (stylegan2(path, truncation=psi).styles(torch.eye(LATENT)) for psi in (1.0, 0.5, 0.0))
    average = nvidia()["mapping.w_avg"]
    torch.testing.assert_close(half, (whole + average) / 2)
    torch.testing.assert_close(none, average.expand_as(none))


def test_truncation_needs_the_average(tmp_path: Path) -> None:
    state = nvidia()
    del state["mapping.w_avg"]
    path = written(tmp_path / "g.safetensors", state)
    stylegan2(path)
    with pytest.raises(InvalidConfig, match=r"mapping\.w_avg"):
        stylegan2(path, truncation=0.7)
    with pytest.raises(InvalidConfig, match=r"truncation 1\.5"):
        StyleGan2(latent=2, style=2, layers=1, channels=[2], truncation=1.5)


def test_activations_are_clamped_where_that_is_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "g.safetensors", nvidia())
    with torch.inference_mode():
        free, same, tight = (stylegan2(path, clamp=clamp).sample(2, 0) for clamp in (None, 1e6, 0.1))
    assert torch.equal(free, same)
    # Three pictures of at most 0.1 are summed, and the filter can only average.
    assert float(tight.abs().max()) < 0.35
    assert float(free.abs().max()) > 0.5


def test_gradients_reach_latents_and_weights(tmp_path: Path) -> None:
    generator = stylegan2(written(tmp_path / "g.safetensors", nvidia()))
    latents = torch.randn(2, LATENT, requires_grad=True)
    generator(latents).square().sum().backward()
    assert latents.grad is not None
    assert float(latents.grad.abs().min()) > 0
    assert all(one.grad is not None and bool(one.grad.any()) for one in generator.parameters())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("synthesis.b8.conv0.bias"), r"1 missing, such as synthesis\.b8\.conv0\.bias"),
        (lambda state: state.update({"mapping.embed.weight": torch.ones(2)}), r"left over, such as mapping\.embed"),
        (lambda state: state.update({"synthesis.b4.conv1.bias": torch.ones(2)}), "1 of other shapes"),
        (lambda state: state.update({"synthesis.b4.resample_filter": torch.ones(4, 4)}), "the filter"),
        (lambda state: state.pop("mapping.fc0.weight"), r"without"),
        (lambda state: state.pop("synthesis.b4.const"), r"a synthesis\.b4\.const or a input\.input"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: object, said: str) -> None:
    state = nvidia()
    assert callable(change)
    change(state)
    with pytest.raises(InvalidConfig, match=said):
        stylegan2(written(tmp_path / "g.safetensors", state))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.safetensors").write_bytes(b"nothing")
    for name in ("g.safetensors", "absent.safetensors"):
        with pytest.raises(InvalidConfig, match=name):
            stylegan2(tmp_path / name)
    assert layout_of({"conv.weight": 0}) is None
