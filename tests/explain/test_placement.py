"""Which patch answers for a pixel, and where a heatmap lies on the picture it came from."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale.errors import InvalidConfig
from telltale.explain.placement import check_placement, heatmap, laid_on, scaled
from telltale.geometry import PatchGrid


def nearest_by_hand(
    logits: NDArray[np.float32], grid: PatchGrid, shape: tuple[int, int], step: int
) -> NDArray[np.float64]:
    """For every block the patch whose centre is nearest its middle; nothing where no window holds any pixel of it."""
    found = np.full((ceil(shape[0] / step), ceil(shape[1] / step)), np.nan)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            chosen = []
            for block, length in ((y, shape[0]), (x, shape[1])):
                pixels = range(block * step, min((block + 1) * step, length))
                windows = [range(*grid.window(index, length).indices(length)) for index in range(grid.count(length))]
                if not any(pixel in window for window in windows for pixel in pixels):
                    break
                middle = (pixels[0] + pixels[-1]) / 2
                centres = [grid.start + index * grid.stride + (grid.size - 1) / 2 for index in range(len(windows))]
                chosen.append(min(range(len(windows)), key=lambda index: (abs(centres[index] - middle), index)))
            if len(chosen) == 2:
                found[y, x] = 1 / (1 + np.exp(-np.float64(logits[chosen[0], chosen[1]])))
    return found


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(1, 9),
    stride=st.integers(1, 7),
    start=st.integers(-4, 0),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    step=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_nearest_is_the_patch_whose_centre_is_nearest(
    size: int, stride: int, start: int, height: int, width: int, step: int, seed: int
) -> None:
    grid = PatchGrid(size, stride, max(start, 1 - size))
    shape = (height, width)
    logits = np.random.default_rng(seed).normal(0, 4, (grid.count(height), grid.count(width))).astype(np.float32)
    found = heatmap(logits, grid, shape, step=step, placement="nearest")
    expected = nearest_by_hand(logits, grid, shape, step)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-6, equal_nan=True)
    averaged = heatmap(logits, grid, shape, step=step)
    assert np.array_equal(np.isnan(found), np.isnan(averaged))


def test_nearest_keeps_the_values_of_the_patches() -> None:
    grid = PatchGrid(43, 8, -18)
    logits = np.random.default_rng(0).normal(0, 3, (grid.count(100), grid.count(60))).astype(np.float32)
    found = heatmap(logits, grid, (100, 60), placement="nearest")
    assert set(np.unique(found)) == set(np.unique(1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32))


def test_bands_of_rows_make_no_difference() -> None:
    grid = PatchGrid(43, 8, -18)
    logits = np.random.default_rng(0).normal(0, 3, (grid.count(1100), grid.count(40))).astype(np.float32)
    tall = heatmap(logits, grid, (1100, 40))
    across = heatmap(logits.T.copy(), grid, (40, 1100))
    assert np.allclose(tall, across.T, atol=1e-6)


def test_an_unknown_placement_is_refused() -> None:
    assert check_placement("nearest") == "nearest"
    with pytest.raises(InvalidConfig, match="mean, nearest; found 'median'"):
        check_placement("median")


def test_scaling_keeps_holes_and_never_leaves_the_scale() -> None:
    heat = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    heat[:, 20:] = np.nan
    for height, width in ((20, 30), (40, 60), (10, 15), (7, 90)):
        for smooth in (True, False):
            found = scaled(heat, height, width, smooth=smooth)
            assert found.shape == (height, width)
            cut = round(width * 20 / 30)
            assert np.isfinite(found[:, : cut - 1]).all()
            assert np.isnan(found[:, cut + 1 :]).all()
            assert np.nanmin(found) >= 0
            assert np.nanmax(found) <= 1


def test_what_was_not_prepared_holds_nothing() -> None:
    # A centre square of 40 x 100 pixels, drawn at half size.
    heat = np.ones((16, 16), np.float32)
    found = laid_on(heat, (slice(0, 40), slice(30, 70)), (40, 100), (20, 50))
    assert found.shape == (20, 50)
    assert np.isnan(found[:, :15]).all()
    assert np.isnan(found[:, 35:]).all()
    assert (found[:, 15:35] == 1).all()
