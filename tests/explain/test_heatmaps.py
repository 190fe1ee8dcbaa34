"""Heatmaps against a loop over patches and pixels; colours that mean the same in every picture."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray

from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.explain.heatmaps import LEAST_LEGEND, colour, heatmap, legend, overlay
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Preparation
from telltale.spec import DetectorSpec


def by_hand(
    patch_logits: NDArray[np.float32], grid: PatchGrid, shape: tuple[int, int], step: int
) -> NDArray[np.float64]:
    """Each block of `step` x `step` pixels averages the patches whose window holds any of its pixels."""
    height, width = ceil(shape[0] / step), ceil(shape[1] / step)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for row in range(patch_logits.shape[0]):
        for column in range(patch_logits.shape[1]):
            top, left = grid.start + row * grid.stride, grid.start + column * grid.stride
            held = {
                (y // step, x // step)
                for y in range(max(top, 0), min(top + grid.size, shape[0]))
                for x in range(max(left, 0), min(left + grid.size, shape[1]))
            }
            for place in held:
                total[place] += 1 / (1 + np.exp(-np.float64(patch_logits[row, column])))
                count[place] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


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
def test_each_pixel_averages_the_patches_that_hold_it(
    size: int, stride: int, start: int, height: int, width: int, step: int, seed: int
) -> None:
    grid = PatchGrid(size, stride, max(start, 1 - size))
    rows, columns = grid.count(height), grid.count(width)
    logits = np.random.default_rng(seed).normal(0, 4, (rows, columns)).astype(np.float32)
    found = heatmap(logits, grid, (height, width), step=step)
    expected = by_hand(logits, grid, (height, width), step)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found, expected, atol=1e-6, equal_nan=True)


def test_gaps_between_patches_hold_no_number() -> None:
    grid = PatchGrid(size=2, stride=5)
    heat = heatmap(np.full((2, 2), 3.0, np.float32), grid, (9, 9))
    seen = [0, 1, 5, 6]
    assert np.isfinite(heat[np.ix_(seen, seen)]).all()
    assert np.isnan(np.delete(heat, seen, axis=0)).all()
    assert np.isnan(np.delete(heat, seen, axis=1)).all()


def test_a_large_map_stays_in_range_and_exact() -> None:
    grid = PatchGrid(43, 8, -17)
    shape = (1001, 803)
    logits = np.where(np.random.default_rng(0).random((grid.count(1001), grid.count(803))) < 0.5, -60, 60)
    heat = heatmap(logits.astype(np.float32), grid, shape)
    assert heat.min() >= 0
    assert heat.max() <= 1
    assert np.allclose(heatmap(np.zeros_like(logits, np.float32), grid, shape), 0.5, atol=1e-7)


def test_another_pictures_shape_is_refused() -> None:
    grid = PatchGrid(8, 4)
    with pytest.raises(InvalidConfig, match=r"shape \(3, 5\), as the grid gives.*found shape \(3, 4\)"):
        heatmap(np.zeros((3, 4), np.float32), grid, (16, 24))
    with pytest.raises(InvalidConfig, match="step 0"):
        heatmap(np.zeros((3, 5), np.float32), grid, (16, 24), step=0)


def test_the_scale_is_fixed_and_runs_from_blue_to_red() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32)
    ramp = colour(values[None]).astype(int)[0]
    assert ramp[0].tolist() == [33, 102, 172]
    assert ramp[100].tolist() == [178, 24, 43]
    assert ramp[50].tolist() == [247, 247, 247]
    redness = ramp[:, 0] - ramp[:, 2]
    assert (np.diff(redness) >= -1).all() or (np.diff(redness[20:80]) > 0).all()
    assert (redness[:50] < 0).all()
    assert (redness[51:] > 0).all()
    # A value has the same colour whatever else the map holds.
    for other in (0.0, 0.5, 1.0):
        assert np.array_equal(colour(np.array([[0.3, other]], np.float32))[0, 0], ramp[30])


def test_where_nothing_looked_is_grey() -> None:
    assert colour(np.array([[np.nan, 0.0]], np.float32))[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("height", [1, 2, 3, 20, 95, 96, 400])
def test_the_legend_fits_any_height(height: int) -> None:
    board = legend(height)
    assert board.shape == (height, 76, 3)
    ramp = board[height // 2, 8:22]
    assert np.ptp(ramp.reshape(-1, 3), axis=0).max() == 0


def test_the_legend_has_fake_on_top_and_real_below() -> None:
    board = legend(400)
    assert board[24, 10].tolist() == [178, 24, 43]
    assert board[375, 10].tolist() == [33, 102, 172]
    assert (board[40:360, 30:] < 128).any()  # the middle label
    assert not np.array_equal(legend(400)[:40, 27:], np.full((40, 49, 3), 255))


def halves(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    """Patches of 8 pixels, 4 apart; the left half of whatever comes in is fake."""
    rows, columns = (images.shape[1] - 8) // 4 + 1, (images.shape[2] - 8) // 4 + 1
    logits = np.full((len(images), rows, columns), -9, np.float32)
    logits[:, :, : columns // 2] = 9
    return logits


def detector(preparation: Preparation | None = None) -> Detector:
    spec = DetectorSpec(name="halves", architecture="x", preparation=preparation or Preparation(), grid=PatchGrid(8, 4))
    return Detector(spec=spec, predict=halves, tile=5000)


def drawn(pixels: Pixels, judge: Detector, **options: float) -> tuple[Pixels, Prediction]:
    said = judge(pixels)
    return overlay(pixels, said, judge, **options), said  # type: ignore[arg-type]


def redness(pixels: Pixels) -> NDArray[np.int64]:
    return np.asarray(pixels[:, :, 0].astype(np.int64) - pixels[:, :, 2])


def test_an_overlay_is_the_picture_the_heat_and_the_legend() -> None:
    pixels = np.full((96, 160, 3), 128, np.uint8)
    found, _ = drawn(pixels, detector())
    assert found.shape == (96, 160 + 76, 3)
    assert np.array_equal(found[:, 160:], legend(96))
    assert (redness(found[:, :70]) > 30).all()
    assert (redness(found[:, 90:160]) < -30).all()


def test_strength_runs_from_the_picture_to_the_heat() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    plain, said = drawn(pixels, detector(), strength=0.0)
    assert np.array_equal(plain[:40, :40], pixels)
    full, _ = drawn(pixels, detector(), strength=1.0)
    assert np.array_equal(full[:40, :40], colour(heatmap(said.patch_logits, PatchGrid(8, 4), (40, 40))))


def test_what_the_detector_did_not_look_at_keeps_its_pixels() -> None:
    # 43 pixels: the last patch ends at 40.
    pixels = np.random.default_rng(1).integers(0, 256, (43, 43, 3), dtype=np.uint8)
    found, _ = drawn(pixels, detector())
    assert np.array_equal(found[40:43, :43], pixels[40:])
    assert np.array_equal(found[:43, 40:43], pixels[:, 40:])
    assert not np.array_equal(found[:40, :40], pixels[:40, :40])
    wide = np.random.default_rng(2).integers(0, 256, (40, 100, 3), dtype=np.uint8)
    found, _ = drawn(wide, detector(Preparation(side=40, fit="centre")))
    assert np.array_equal(found[:40, :30], wide[:, :30])
    assert np.array_equal(found[:40, 70:100], wide[:, 70:])
    assert redness(found[:40, 32:48]).mean() > 30
    assert redness(found[:40, 54:68]).mean() < -30


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3000, 2000), (8, 8), (2049, 2049)])
@pytest.mark.parametrize("fit", ["shorter", "square", "centre"])
def test_any_shape_can_be_drawn(shape: tuple[int, int], fit: str) -> None:
    side = 8 if 1 in shape else 24
    judge = detector(Preparation(side=side, fit=fit))  # type: ignore[arg-type]
    found, _ = drawn(np.full((*shape, 3), 90, np.uint8), judge)
    scale = min(1.0, 1024 / max(shape))
    height, width = (max(1, round(length * scale)) for length in shape)
    assert found.shape == (max(LEAST_LEGEND, height), width + 76, 3)


def test_large_pictures_are_drawn_small_with_the_heat_in_place() -> None:
    found, said = drawn(np.full((1500, 3000, 3), 128, np.uint8), detector())
    assert said.patch_logits.shape == (374, 749)
    assert found.shape == (512, 1024 + 76, 3)
    assert (redness(found[:, :505]) > 30).all()
    assert (redness(found[:, 520:1023]) < -30).all()


def test_a_whole_image_baseline_has_no_heatmap() -> None:
    judge = detector()
    baseline = replace(judge, spec=replace(judge.spec, grid=None, name="full_xception"))
    pixels = np.zeros((8, 8, 3), np.uint8)
    said = Prediction(
        score=0.5, probability=None, verdict=None, patch_logits=np.zeros((1, 1), np.float32), shape=(8, 8)
    )
    with pytest.raises(UnsuitableImage, match="whole-image baseline full_xception"):
        overlay(pixels, said, baseline)
