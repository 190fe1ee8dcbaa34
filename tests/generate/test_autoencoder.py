"""The tiny autoencoder: equal to diffusers' where that can express it, and to plain arithmetic where it cannot."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from generator_weights import one_thread, seeded, write_weights
from torch import nn

from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.generate.autoencoder import Autoencoder, Block, autoencoder, decoder, encoder


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    with seeded(0):
        return Autoencoder().eval()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 40), (24, 8)])
def test_sizes_through_both_halves(model: Autoencoder, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    with torch.inference_mode():
        assert model.encoder(images).shape == (2, 32, height // 8, width // 8)
        made = model(images)
    assert made.shape == images.shape
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


def test_other_sizes_are_refused_by_name(model: Autoencoder) -> None:
    with pytest.raises(UnsuitableImage, match="12 x 16"):
        model(torch.rand(1, 3, 16, 12))


def test_a_gated_block_is_its_formula() -> None:
    with seeded(1):
        block = Block(gated=True)
        features = torch.randn(1, 64, 3, 4)
    assert block.pool is not None
    wide, norm, _, narrow = block.pool
    assert isinstance(wide, nn.Conv2d)
    assert isinstance(norm, nn.GroupNorm)
    assert isinstance(narrow, nn.Conv2d)
    with torch.inference_mode():
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        columns = features[0].flatten(1).double().numpy()
        inner = wide.weight[:, :, 0, 0].double().numpy() @ columns
        groups = inner.reshape(4, -1)
        groups = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-5)
        scaled = groups.reshape(256, -1) * norm.weight.numpy()[:, None] + norm.bias.numpy()[:, None]
        gated = columns + narrow.weight[:, :, 0, 0].double().numpy() @ np.maximum(scaled, 0)
        middle = torch.from_numpy(gated.reshape(1, 64, 3, 4)).float()
        expected = torch.relu(middle + block.conv(middle))
        torch.testing.assert_close(block(features), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # importing diffusers takes seconds
def test_it_is_diffusers_autoencoder_once_the_gates_are_shut() -> None:
    diffusers = pytest.importorskip("diffusers")
    with seeded(2):
        ours, images = (encoder(), decoder()), torch.rand(1, 3, 24, 32)
    theirs = diffusers.AutoencoderTiny(latent_channels=32).eval()
    for half, reference, shift in zip(ours, (theirs.encoder, theirs.decoder), (0, 1), strict=True):
        for name, value in half.named_parameters():
            # diffusers has no gated blocks: an output of zero takes the gate out without touching the rest.
            if name.endswith("pool.3.weight"):
                nn.init.zeros_(value)
        state = {}
        for name, value in half.state_dict().items():
            index, _, rest = name.partition(".")
            if not rest.startswith("pool"):
                # Our decoder holds the soft clamp as layer 0, diffusers has it in the forward function.
                state[f"layers.{int(index) - shift}.{rest}"] = value
        reference.load_state_dict(state, strict=True)
    with torch.inference_mode():
        latents = ours[0](images)
        torch.testing.assert_close(latents, theirs.encode(images * 2 - 1).latents, rtol=1e-4, atol=1e-5)
        made = theirs.decode(latents * 20).sample
        torch.testing.assert_close(ours[1](latents * 20), (made + 1) / 2, rtol=1e-4, atol=1e-5)


def test_both_files_are_needed(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="taef2_encoder"):
        autoencoder(tmp_path)
    write_weights(tmp_path, "taef2_encoder")
    with pytest.raises(InvalidConfig, match="taef2_decoder"):
        autoencoder(tmp_path)
    write_weights(tmp_path, "taef2_decoder")
    assert not autoencoder(tmp_path).training
