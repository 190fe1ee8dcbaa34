"""Top patches: where they read, which come first, and what a stream of pictures keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.evaluate.scoring import strongest_window
from telltale.explain.patches import Strongest, TopPatch, top_patches
from telltale.geometry import PatchGrid
from telltale.image import Fit, Preparation, prepare
from telltale.spec import DetectorSpec

GRID = PatchGrid(8, 4, -2)


def never(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    raise AssertionError("these tests make their own predictions")


def detector(preparation: Preparation | None = None, grid: PatchGrid | None = GRID) -> Detector:
    spec = DetectorSpec(name="plain", architecture="x", preparation=preparation or Preparation(), grid=grid)
    return Detector(spec=spec, predict=never)


def said(logits: NDArray[np.float32], shape: tuple[int, int]) -> Prediction:
    return Prediction(score=0.5, probability=None, verdict=None, patch_logits=logits, shape=shape)


def sample(number: int = 0) -> Sample:
    return Sample(path=Path(f"{number}.png"))


@given(
    rows=st.integers(1, 6), columns=st.integers(1, 6), count=st.integers(1, 40), real=st.booleans(), seed=st.integers(0)
)
def test_the_surest_come_first_and_equals_in_reading_order(
    rows: int, columns: int, count: int, real: bool, seed: int
) -> None:
    shape = (GRID.size + 2 * GRID.start + 4 * (rows - 1), GRID.size + 2 * GRID.start + 4 * (columns - 1))
    # Few levels, so that many are equal.
    logits = np.random.default_rng(seed).integers(-2, 3, (rows, columns)).astype(np.float32)
    found = top_patches(said(logits, shape), detector(), sample(), shape, count=count, real=real)
    every = [(float(logits[row, column]), row, column) for row in range(rows) for column in range(columns)]
    every.sort(key=lambda one: (one[0] if real else -one[0], one[1], one[2]))
    assert [(one.log_odds, one.row, one.column) for one in found] == every[:count]


def test_the_first_is_the_strongest_window_of_a_score() -> None:
    shape = (60, 90)
    logits = np.random.default_rng(1).normal(size=(GRID.count(60), GRID.count(90))).astype(np.float32)
    prediction = said(logits, shape)
    (found,) = top_patches(prediction, detector(), sample(), shape)
    assert (found.row, found.column) == prediction.strongest
    assert found.window == strongest_window(detector(), prediction, shape)


@pytest.mark.parametrize("fit", ["shorter", "square", "centre"])
@pytest.mark.parametrize("shape", [(40, 40), (40, 64), (97, 55), (16, 23)])
def test_a_window_is_the_receptive_field_on_the_original(fit: Fit, shape: tuple[int, int]) -> None:
    preparation = Preparation(side=40, fit=fit)
    height, width = prepare(np.zeros((*shape, 3), np.uint8), preparation).shape[:2]
    shown = preparation.window(shape)
    for place in np.ndindex(GRID.count(height), GRID.count(width)):
        logits = np.zeros((GRID.count(height), GRID.count(width)), np.float32)
        logits[place] = 1
        (found,) = top_patches(said(logits, (height, width)), detector(preparation), sample(), shape)
        x, y, wide, high = found.window
        for first, length, index, part, prepared in ((y, high, 0, shown[0], height), (x, wide, 1, shown[1], width)):
            scale = (part.stop - part.start) / prepared
            read = GRID.window(place[index], prepared)
            before = part.start + read.start * scale - first
            behind = first + length - (part.start + read.stop * scale)
            assert -1e-9 <= before < 1
            assert -1e-9 <= behind < 1


def stream(images: int, patches: int, seed: int) -> list[list[TopPatch]]:
    draw = np.random.default_rng(seed)
    return [
        [
            TopPatch(sample=sample(image), row=place, column=0, window=(0, 0, 1, 1), log_odds=float(value))
            for place, value in enumerate(draw.integers(-3, 4, patches))
        ]
        for image in range(images)
    ]


@given(
    images=st.integers(0, 12),
    patches=st.integers(0, 5),
    count=st.integers(1, 15),
    unique=st.booleans(),
    real=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_stream_keeps_what_a_sort_of_everything_would(
    images: int, patches: int, count: int, unique: bool, real: bool, seed: int
) -> None:
    pictures = stream(images, patches, seed)
    sign = 1 if real else -1

    def place(entry: tuple[int, TopPatch]) -> tuple[float, int, int]:
        return sign * entry[1].log_odds, entry[0], entry[1].row

    every = [(order, patch) for order, found in enumerate(pictures) for patch in found]
    every.sort(key=place)
    if unique:
        first: dict[int, TopPatch] = {}
        for order, patch in every:
            first.setdefault(order, patch)
        every = list(first.items())
    kept = Strongest(count=count, unique=unique, real=real)
    for order in np.random.default_rng(seed + 1).permutation(images):
        kept.add(int(order), pictures[order])
    assert kept.best() == [patch for _, patch in every][:count]
    assert len(kept._heap) <= count


def test_a_whole_image_baseline_and_no_patches_are_refused() -> None:
    baseline = detector(grid=None)
    baseline = replace(baseline, spec=replace(baseline.spec, name="full_xception"))
    prediction = said(np.zeros((1, 1), np.float32), (8, 8))
    with pytest.raises(UnsuitableImage, match="whole-image baseline full_xception"):
        top_patches(prediction, baseline, sample(), (8, 8))
    with pytest.raises(InvalidConfig, match="at least 1 patch; found 0"):
        top_patches(prediction, detector(), sample(), (8, 8), count=0)
    with pytest.raises(InvalidConfig, match="at least 1 patch; found -1"):
        Strongest(count=-1)
