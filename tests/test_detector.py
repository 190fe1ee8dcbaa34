"""A detector around plain numpy functions: what it hands on, what it refuses; tiles and threads do not show."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from telltale.detector import AT_ONCE, Detector, Predict
from telltale.errors import InvalidConfig, InvalidDetector, UnsuitableImage
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Preparation
from telltale.pooling import POOLINGS, Pooling
from telltale.spec import Calibration, DetectorSpec, Thresholds

GRID = PatchGrid(size=11, stride=4, start=-3)
SPEC = DetectorSpec(name="plain", architecture="xception_block1", preparation=Preparation(side=None), grid=GRID)
Images = UInt8[np.ndarray, "n height width 3"]
Answers = Float32[np.ndarray, "n rows columns"]


def means(images: Images) -> Answers:
    """Log-odds of each patch: its mean over 11 x 11 pixels, 4 apart, with 3 pixels of zeros around the image."""
    grey = np.pad(images.astype(np.int64).sum(axis=3), ((0, 0), (3, 3), (3, 3)))
    windows = sliding_window_view(grey, (11, 11), axis=(1, 2))[:, ::4, ::4]
    # Integers until the last step, so that equal means equal to the bit.
    found: Answers = (windows.sum(axis=(3, 4)) / 40_000 - 1).astype(np.float32)
    return found


def picture(height: int = 97, width: int = 131, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def answering(patch_logits: Answers) -> Predict:
    return lambda images: patch_logits


def test_what_a_prediction_holds() -> None:
    image = picture()
    said = Detector(spec=SPEC, predict=means)(image)
    assert said.shape == (97, 131)
    assert said.patch_logits.dtype == np.float32
    assert np.array_equal(said.patch_logits, means(image[None])[0])
    assert said.patch_logits[said.strongest] == said.patch_logits.max()
    assert said.score == pytest.approx((1 / (1 + np.exp(-said.patch_logits.astype(float)))).mean())
    assert (said.probability, said.verdict) == (None, None)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(5, 130), st.integers(5, 130), st.integers(1, 140), st.integers(1, 4))
def test_tiles_and_threads_change_nothing(height: int, width: int, tile: int, threads: int) -> None:
    image = picture(height, width)
    cut = Detector(spec=SPEC, predict=means, tile=tile, threads=threads)
    assert np.array_equal(cut(image).patch_logits, means(image[None])[0])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_the_specs(pooling: Pooling) -> None:
    logits = np.array([[[3.0, -1.0], [-1.0, -2.0]]], np.float32)
    spec = replace(SPEC, grid=PatchGrid(1, 1, 0), pooling=pooling)
    score = Detector(spec=spec, predict=answering(logits))(picture(2, 2)).score
    shares = 1 / (1 + np.exp(-logits))
    expected = {"mean_probability": shares.mean(), "mean_logit": 1 / (1 + np.exp(0.25)), "vote": 0.25}
    assert score == pytest.approx(expected[pooling], abs=1e-6)


def test_calibration_and_verdict() -> None:
    calibration = Calibration(slope=2.0, intercept=1.0, fitted_on="a test", fingerprint="0")
    thresholds = Thresholds(
        real_below=0.2, fake_above=0.8, false_alarm_rate=0.05, miss_rate=0.05, chosen_on="a test", fingerprint="0"
    )
    spec = replace(SPEC, grid=PatchGrid(1, 1, 0), calibration=calibration, thresholds=thresholds)
    for log_odds, verdict in ((-3.0, "likely real"), (-0.5, "inconclusive"), (1.0, "likely generated")):
        said = Detector(spec=spec, predict=answering(np.full((1, 1, 1), log_odds, np.float32)))(picture(1, 1))
        assert said.probability == pytest.approx(1 / (1 + np.exp(-(2 * log_odds + 1))))
        assert said.verdict == verdict


def test_preparation_comes_first() -> None:
    spec = replace(SPEC, preparation=Preparation(side=40, fit="square"))
    said = Detector(spec=spec, predict=means)(picture())
    assert said.shape == (40, 40)
    assert said.patch_logits.shape == (GRID.count(40), GRID.count(40))


def test_strongest_is_the_first_of_equals() -> None:
    logits = np.zeros((1, 3, 4), np.float32)
    logits[0, 1, 2] = logits[0, 2, 0] = 1
    assert Detector(spec=replace(SPEC, grid=PatchGrid()), predict=answering(logits))(picture(3, 4)).strongest == (1, 2)


@pytest.mark.parametrize(("height", "width"), [(4, 50), (50, 4), (1, 1), (4, 4)])
def test_too_small_an_image(height: int, width: int) -> None:
    with pytest.raises(UnsuitableImage, match=f"at least 5 px a side.*{width} x {height} px"):
        Detector(spec=SPEC, predict=means)(picture(height, width))


def test_smallest_image() -> None:
    assert Detector(spec=SPEC, predict=means)(picture(5, 5)).patch_logits.shape == (1, 1)


@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 24, 31), (1, 1, 1)])
@pytest.mark.parametrize("threads", [1, 3])
def test_wrong_shape(shape: tuple[int, ...], threads: int) -> None:
    detector = Detector(spec=SPEC, predict=answering(np.zeros(shape, np.float32)), threads=threads, tile=60)
    with pytest.raises(InvalidDetector, match=r"do not belong together"):
        detector(picture())


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("threads", [1, 3])
def test_values_that_are_not_finite(damage: float, threads: int) -> None:
    """In one tile of many, and from a thread."""

    def damaged(images: Images) -> Answers:
        found = means(images)
        found[0, -1, -1] = damage if (images == image[-1, -1]).all(axis=3).any() else 0
        return found

    image = picture() // 2
    image[-1, -1] = 255
    with pytest.raises(InvalidDetector, match="finite"):
        Detector(spec=SPEC, predict=damaged, threads=threads, tile=40)(image)


def test_whole_image_baseline() -> None:
    spec = replace(SPEC, grid=None)
    said = Detector(spec=spec, predict=answering(np.full((1, 1, 1), 2.0, np.float32)))(picture())
    assert said.patch_logits.shape == (1, 1)
    assert said.score == pytest.approx(1 / (1 + np.exp(-2)))
    for wrong in (np.zeros((1, 2, 2), np.float32), np.full((1, 1, 1), np.nan, np.float32)):
        with pytest.raises(InvalidDetector):
            Detector(spec=spec, predict=answering(wrong))(picture())


def test_an_error_reaches_the_caller_and_stops_the_rest() -> None:
    calls: list[bool] = []

    def counted(images: Images) -> Answers:
        calls.append(True)
        return means(images)

    def failing(images: Images) -> Answers:
        calls.append(False)
        # The caller hears of the first failure while the others are still at it, however busy the machine is.
        time.sleep(0.02 if calls.count(False) > 1 else 0)
        raise MemoryError("no room")

    Detector(spec=SPEC, predict=counted, threads=2, tile=20)(picture(200, 200))
    with pytest.raises(MemoryError):
        Detector(spec=SPEC, predict=failing, threads=2, tile=20)(picture(200, 200))
    tiles = calls.count(True)
    assert tiles > 200
    assert calls.count(False) < tiles, "some of the hundreds of tiles were cancelled"


class Counting:
    """How many calls run at once, and how large their images are."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.sides: set[int] = set()
        self.lock = threading.Lock()

    def __call__(self, images: Images) -> Answers:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.sides |= set(images.shape[1:3])
        found = means(images)
        with self.lock:
            self.running -= 1
        return found


def test_memory_does_not_grow_with_the_cores() -> None:
    """Large tiles are not predicted sixty at a time."""
    counting, side = Counting(), 1000
    Detector(spec=SPEC, predict=counting, threads=64, tile=side)(picture(2500, 2500))
    assert max(counting.sides) <= side
    assert counting.most <= AT_ONCE // side**2 == 2


def test_a_middling_image_keeps_every_thread_busy_but_a_small_one_stays_whole() -> None:
    sides = {}
    for threads, side in ((1, 299), (4, 299), (4, 30), (1, 500)):
        counting = Counting()
        Detector(spec=SPEC, predict=counting, threads=threads)(picture(side, side))
        sides[threads, side] = max(counting.sides)
    assert sides[1, 299] >= 296, "one thread: one tile"
    assert sides[4, 299] <= 161, "four threads: four tiles"
    assert sides[4, 30] >= 29, "too small to be worth cutting"
    assert sides[1, 500] <= 384


@pytest.mark.parametrize(("threads", "tile"), [(0, None), (-1, None), (1, 0), (1, -8)])
def test_impossible_numbers(threads: int, tile: int | None) -> None:
    with pytest.raises(InvalidConfig):
        Detector(spec=SPEC, predict=means, threads=threads, tile=tile)


@pytest.mark.parametrize(("shorter", "scored"), [(4, False), (5, True), (40, True)])
def test_a_picture_enlarged_beyond_recognition_is_refused(shorter: int, scored: bool) -> None:
    """What an eightfold enlargement shows is the filter; a verdict on it would be about nothing."""
    spec = DetectorSpec(
        name="any", architecture="xception_block1", preparation=Preparation(side=40), grid=PatchGrid(8, 4, 0)
    )

    def flat(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        count = spec.grid.count if spec.grid else int
        return np.zeros((len(images), count(images.shape[1]), count(images.shape[2])), np.float32)

    detector, picture = Detector(spec=spec, predict=flat), np.zeros((shorter, 60, 3), np.uint8)
    if scored:
        assert detector(picture).score == 0.5
    else:
        with pytest.raises(UnsuitableImage, match="at least 5 px a side"):
            detector(picture)
