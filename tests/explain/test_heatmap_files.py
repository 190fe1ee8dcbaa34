"""Heatmaps on disk: what the numbers mean, how holes are marked, and drawings that can be told from each other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from PIL import Image

from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.explain.heatmap_files import KINDS, as_16_bit, ending, save_raw_png, write_heatmap
from telltale.explain.heatmaps import (
    LEAST_LEGEND,
    colour,
    contour,
    contour_legend,
    heatmap,
    legend,
    overlaid,
    overlay,
    side_by_side,
)
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Preparation
from telltale.spec import DetectorSpec


def brightness(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    """Patches of 8 pixels, 4 apart: the brighter the middle, the more fake."""
    middle = images[:, 4:-3:4, 4:-3:4].mean(axis=-1)
    return np.asarray(((middle - 128) / 16).astype(np.float32))


GRID = PatchGrid(8, 4)
DETECTOR = Detector(
    spec=DetectorSpec(name="bright", architecture="x", preparation=Preparation(), grid=GRID), predict=brightness
)


def ramp(height: int = 67, width: int = 99) -> Pixels:
    """Black on the left, white on the right; the last pixels lie outside of every patch."""
    line = np.linspace(0, 255, width).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(line[None, :, None], (height, width, 3)))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(kind: str, pixels: Pixels, **options: object) -> Path:
        path = tmp_path / f"{kind}{ending(kind)}"
        write_heatmap(path, kind, pixels, DETECTOR(pixels), DETECTOR, **options)  # type: ignore[arg-type]
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
        return path

    return write


def test_numbers_survive_the_disk(written: Callable[..., Path]) -> None:
    expected = heatmap(DETECTOR(ramp()).patch_logits, GRID, (67, 99))
    found = np.load(written("raw-npy", ramp()))
    assert found.dtype == np.float32
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.isnan(found[64:]).all()
    assert np.isnan(found[:, 96:]).all()


def test_a_16_bit_picture_holds_the_numbers_and_the_holes(written: Callable[..., Path]) -> None:
    expected = heatmap(DETECTOR(ramp()).patch_logits, GRID, (67, 99))
    with Image.open(written("raw-png", ramp())) as image:
        assert image.mode == "I;16"
        assert image.info["transparency"] == 0
        assert image.info["Description"].startswith("P(fake) = value / 65535")
        found = np.asarray(image)
    seen = np.isfinite(expected)
    assert np.array_equal(found == 0, ~seen)
    assert np.abs(found[seen] / 65535 - expected[seen]).max() <= 1 / 65535


def test_no_value_is_taken_for_a_hole(tmp_path: Path) -> None:
    heat = np.array([[0.0, 1.0, np.nan, 1e-9, 0.5]], np.float32)
    assert as_16_bit(heat).tolist() == [[1, 65535, 0, 1, 32768]]
    save_raw_png(tmp_path / "a.png", heat)
    assert np.asarray(Image.open(tmp_path / "a.png")).tolist() == [[1, 65535, 0, 1, 32768]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("placement", ["mean", "nearest"])
def test_every_kind_can_be_read_again(written: Callable[..., Path], kind: str, placement: str) -> None:
    path = written(kind, ramp(), placement=placement, longest=50)
    if kind == "raw-npy":
        assert np.load(path).shape == (67, 99)
        return
    with Image.open(path) as image:
        # Raw keeps every pixel of the prepared image; drawings are scaled to `longest`.
        assert image.height == (67 if kind == "raw-png" else LEAST_LEGEND)
        assert image.width == {"raw-png": 99, "side-by-side": 50 + 4 + 50 + 76}.get(kind, 50 + 76)


def test_side_by_side_is_the_picture_and_the_pure_heat() -> None:
    said = DETECTOR(ramp())
    found = side_by_side(ramp(), said, DETECTOR)
    assert np.array_equal(found[:, :99], ramp())
    assert np.array_equal(found[:, 103:202], colour(heatmap(said.patch_logits, GRID, (67, 99))))
    assert np.array_equal(found[:, 202:], legend(67))
    assert (found[64:67, 103:202] == 128).all()


def test_an_overlay_is_its_picture_and_the_legend() -> None:
    said = DETECTOR(ramp())
    assert np.array_equal(overlay(ramp(), said, DETECTOR)[:, :99], overlaid(ramp(), said, DETECTOR))


def test_lines_lie_where_the_heat_passes_their_value() -> None:
    said = DETECTOR(ramp())
    heat = heatmap(said.patch_logits, GRID, (67, 99))
    drawn = contour(ramp(), said, DETECTOR)
    row = heat[30]
    for level, line in ((0.5, (255, 255, 255)), (0.9, (178, 24, 43))):
        places = [x for x in range(95) if row[x] < level <= row[x + 1]]
        assert len(places) == 1
        for x in (places[0], places[0] + 1):
            assert drawn[30, x].tolist() == list(line)
    # Far from both lines the picture is as it was, also along the border of what was seen.
    assert np.array_equal(drawn[:, :20], ramp()[:, :20])
    assert np.array_equal(drawn[:, 90:99], ramp()[:, 90:99])
    assert np.array_equal(drawn[:, 99:], contour_legend(67))


def test_a_picture_without_a_crossing_has_no_line() -> None:
    dark = np.full((40, 40, 3), 10, np.uint8)
    assert np.array_equal(contour(dark, DETECTOR(dark), DETECTOR)[:40, :40], dark)


@pytest.mark.parametrize("shape", [(8, 8), (8, 3000), (3000, 8), (64, 64), (1200, 1600)])
@pytest.mark.parametrize("draw", [side_by_side, contour, overlaid])
def test_any_size_is_drawn(shape: tuple[int, int], draw: Callable[..., Pixels]) -> None:
    pixels = np.full((*shape, 3), 90, np.uint8)
    found = draw(pixels, DETECTOR(pixels), DETECTOR)
    scale = min(1.0, 1024 / max(shape))
    assert found.shape[0] == max(1 if draw is overlaid else LEAST_LEGEND, round(shape[0] * scale))


@pytest.mark.parametrize(("draw", "bar"), [(overlay, legend), (side_by_side, legend), (contour, contour_legend)])
def test_a_small_drawing_has_a_legend_that_can_be_read(draw: Callable[..., Pixels], bar: Callable[..., Pixels]) -> None:
    pixels = np.full((8, 8, 3), 90, np.uint8)
    found = draw(pixels, DETECTOR(pixels), DETECTOR)
    assert np.array_equal(found[:, -76:], bar(LEAST_LEGEND))
    assert (found[8:, :-76] == 255).all()
    # Every label whole: nothing but paper along the lower edge, as in a legend with room to spare.
    assert (found[-4:, -76:] == 255).all()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="raw-png; found 'hologram'"):
        write_heatmap(tmp_path / "a", "hologram", ramp(), DETECTOR(ramp()), DETECTOR)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_image_baseline_writes_nothing(tmp_path: Path, kind: str) -> None:
    baseline = replace(DETECTOR, spec=replace(DETECTOR.spec, grid=None, name="full"))
    said = Prediction(
        score=0.5, probability=None, verdict=None, patch_logits=np.zeros((1, 1), np.float32), shape=(8, 8)
    )
    with pytest.raises(UnsuitableImage, match="whole-image baseline full"):
        write_heatmap(tmp_path / "a.png", kind, ramp(8, 8), said, baseline)
    assert list(tmp_path.iterdir()) == []
