"""Tiles equal the whole image for every truncated architecture, at awkward sizes.

In double precision, where the order of additions does not matter, they must agree to the float32 of the answer; the
faint edge of a large receptive field would then show. `test_float32` is what users get: 1e-5.
"""

from dataclasses import replace
from functools import cache
from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from random_weights import noise, randomised, spec_of

from telltale.detector import Detector, PatchLogits
from telltale.geometry import PatchGrid, tiles
from telltale.image import Pixels
from telltale.learn.classifier import ARCHITECTURES

TOLERANCE, FLOAT32_TOLERANCE = 2e-6, 1e-5
WHOLE_IMAGE = ("xception", "resnet18", "resnet50", "mesoinception4")
SMALL = (
    "xception_block1",
    "xception_block2",
    "xception_block4_pointwise",
    "resnet18_layer1",
    "resnet34_layer1",
    "resnet50_layer1",
)
LARGE = tuple(name for name in ARCHITECTURES if name not in (*WHOLE_IMAGE, *SMALL))


@cache
def detector(architecture: str, precision: torch.dtype = torch.float64) -> Detector:
    """On torch, so that nothing but the tiles can differ."""
    torch.set_num_threads(1)
    model = randomised(architecture).to(precision)

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        with torch.inference_mode():
            return np.asarray(model.from_pixels(torch.from_numpy(images)).float().numpy())

    return Detector(spec=spec_of(model), predict=predict)


def grid_of(architecture: str) -> PatchGrid:
    grid = detector(architecture).spec.grid
    assert grid is not None
    return grid


def gap(one: Detector, image: Pixels, *, tile: int | None, threads: int = 1) -> float:
    """The largest difference between tiles and whole."""
    pieces = replace(one, tile=tile, threads=threads).patch_logits(image)
    whole: PatchLogits = one.predict(image[None])[0]
    assert np.ptp(whole) > 1000 * TOLERANCE, "log-odds that differ, or this test shows nothing"
    return float(np.abs(pieces - whole).max())


def smallest(grid: PatchGrid) -> int:
    """Pixels of a piece that holds one patch inside the image."""
    return grid.size + grid.start + ceil(-grid.start / grid.stride) * grid.stride


@pytest.mark.parametrize("architecture", SMALL)
@settings(derandomize=True, deadline=None, max_examples=8)
@given(height=st.integers(30, 110), width=st.integers(30, 110), spare=st.integers(0, 50), threads=st.integers(1, 2))
def test_small_fields(architecture: str, height: int, width: int, spare: int, threads: int) -> None:
    tile = smallest(grid_of(architecture)) + spare
    assert gap(detector(architecture), noise(height, width), tile=tile, threads=threads) <= TOLERANCE


@pytest.mark.parametrize("architecture", ["xception_block2", "resnet18_layer1"])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_tiles_chosen_by_itself(architecture: str, threads: int) -> None:
    assert gap(detector(architecture), noise(401, 299), tile=None, threads=threads) <= TOLERANCE


@pytest.mark.parametrize("architecture", SMALL)
def test_float32(architecture: str) -> None:
    one = detector(architecture, torch.float32)
    assert gap(one, noise(201, 149), tile=100, threads=2) <= FLOAT32_TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("architecture", LARGE)
def test_large_fields(architecture: str) -> None:
    """Long and narrow: three tiles along one axis of a field of up to 955 pixels cost little."""
    grid = grid_of(architecture)
    long, narrow = smallest(grid) * 8 // 5 + 3, 21
    height, width = (long, narrow) if LARGE.index(architecture) % 2 else (narrow, long)
    assert len(list(tiles(grid, height, width, long - 1))) == 3
    assert gap(detector(architecture), noise(height, width), tile=long - 1) <= TOLERANCE


def test_every_architecture_is_covered() -> None:
    assert {*SMALL, *LARGE, *WHOLE_IMAGE} == set(ARCHITECTURES)
    assert all(detector(name).spec.grid is None for name in ("mesoinception4",))


@pytest.mark.parametrize("architecture", ["xception_block1", "resnet18_layer1"])
def test_a_field_one_step_too_small_shows(architecture: str) -> None:
    """The tolerance is no accident: tiles cut for a smaller field miss it by orders of magnitude."""
    one, grid = detector(architecture), grid_of(architecture)
    wrong = PatchGrid(size=grid.size - 2 * grid.stride, stride=grid.stride, start=grid.start + grid.stride)
    image = noise(140, 140)
    pieces = replace(one, spec=replace(one.spec, grid=wrong), tile=60).patch_logits(image)
    assert np.abs(pieces - one.predict(image[None])[0]).max() > 100 * TOLERANCE
