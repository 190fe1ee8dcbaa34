"""Localisation against scikit-learn and loops; what is left out is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray

from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.explain import localisation as localisation_module
from telltale.explain.heatmaps import heatmap
from telltale.explain.localisation import (
    FIGURES,
    Location,
    draws_over,
    figures,
    heat_on_picture,
    localisation,
    locate,
    on_sampled_pixels,
    pixel_step,
)
from telltale.explain.placement import Placement
from telltale.geometry import PatchGrid
from telltale.image import Fit, Preparation, prepare
from telltale.spec import DetectorSpec

GRID = PatchGrid(8, 4, -2)


def noise(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    draw = np.random.default_rng(0)
    return draw.normal(0, 3, (len(images), GRID.count(images.shape[1]), GRID.count(images.shape[2]))).astype(np.float32)


def detector(preparation: Preparation | None = None, grid: PatchGrid | None = GRID) -> Detector:
    spec = DetectorSpec(name="noise", architecture="x", preparation=preparation or Preparation(), grid=grid)
    return Detector(spec=spec, predict=noise, tile=5000)


def maps(count: int, *, seed: int = 0, side: int = 20) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Heatmaps that know something of their masks, each at its own level."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        mask = np.zeros((side, side), np.bool_)
        top, left = draw.integers(0, side // 2, 2)
        mask[top : top + side // 3, left : left + side // 2] = True
        logits = draw.normal(0, 2, (side, side)) + mask * 1.5 + draw.normal(0, 2)
        found.append(((1 / (1 + np.exp(-logits))).astype(np.float32), mask))
    return found


def test_one_heatmap_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    for heat, mask in maps(8):
        heat = np.round(heat, 1)  # many ties
        found = locate(heat, mask)
        assert found.auc == pytest.approx(metrics.roc_auc_score(mask.ravel(), heat.ravel()))
        assert found.iou == pytest.approx(metrics.jaccard_score(mask.ravel(), (heat >= 0.5).ravel()))
        assert found.called == pytest.approx((heat >= 0.5).mean())
        assert found.share == pytest.approx(mask.mean())
        assert found.pointing == pytest.approx(mask[heat == heat.max()].mean())
        assert found.unseen == 0


def test_all_pixels_together_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    pairs = maps(20, side=40)
    located = [locate(heat, mask) for heat, mask in pairs]
    heats, masks = (np.concatenate([pair[place].ravel() for pair in pairs]) for place in (0, 1))
    found = localisation(located, rounds=10)
    assert found.pixel_auc.value == pytest.approx(metrics.roc_auc_score(masks, heats), abs=2e-4)
    best = max(
        np.mean([metrics.jaccard_score(mask.ravel(), (heat >= level).ravel()) for heat, mask in pairs])
        for level in np.linspace(0.02, 0.98, 49)
    )
    assert found.best_iou.value == pytest.approx(best, abs=5e-3)
    assert found.best_iou.value >= found.iou.value - 1e-6
    for name, values in (
        ("mean_auc", [one.auc for one in located]),
        ("iou", [one.iou for one in located]),
        ("pointing", [one.pointing for one in located]),
        ("chance", [one.share for one in located]),
        ("called", [one.called for one in located]),
    ):
        assert getattr(found, name).value == pytest.approx(np.mean(values))  # type: ignore[arg-type]


def test_certain_maps_keep_their_order() -> None:
    """Where every pixel is above 0.999, as late in training, equal-width bins of P(fake) would see one value."""
    mask = np.zeros((10, 10), np.bool_)
    mask[:5] = True
    heat = np.where(mask, 0.99999, 0.9999).astype(np.float32)
    found = localisation([locate(heat, mask), locate(heat, mask)], rounds=10)
    assert found.pixel_auc.value == 1
    assert found.mean_auc.value == 1


@given(seed=st.integers(0, 99), images=st.integers(1, 6), rounds=st.integers(1, 4))
def test_a_resample_is_the_set_with_pictures_repeated(seed: int, images: int, rounds: int) -> None:
    located = [locate(heat, mask) for heat, mask in maps(images, seed=seed)]
    counts = np.random.default_rng(seed).multinomial(images, [1 / images] * images, size=rounds).astype(np.float64)
    found = figures(located, counts)
    for index, times in enumerate(counts):
        repeated = [one for one, number in zip(located, times, strict=True) for _ in range(int(number))]
        alone = figures(repeated, np.ones((1, len(repeated))))
        for name in FIGURES:
            assert found[name][index] == pytest.approx(alone[name][0])


def test_intervals_hold_the_value_and_widen_when_pictures_share_an_original() -> None:
    located = [locate(heat, mask) for heat, mask in maps(12)]
    alone = localisation(located, rounds=200)
    for name in FIGURES:
        estimate = getattr(alone, name)
        assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9 or name == "best_iou"
    twice = [one for one in located for _ in range(4)]
    names = np.array([str(index) for index in range(12) for _ in range(4)])
    together, apart = localisation(twice, groups=names, rounds=200), localisation(twice, rounds=200)
    assert together.pixel_auc.value == pytest.approx(alone.pixel_auc.value)
    assert together.pixel_auc.high - together.pixel_auc.low > 1.5 * (apart.pixel_auc.high - apart.pixel_auc.low)


def test_empty_and_full_masks_are_left_out_and_counted() -> None:
    (heat, mask), *_ = maps(1)
    none, everything = locate(heat, np.zeros_like(mask)), locate(heat, np.ones_like(mask))
    assert none.auc is None
    assert everything.auc is None
    found = localisation([none, locate(heat, mask), everything, none], groups=np.array(["a", "b", "c", "d"]), rounds=10)
    assert (found.n, found.n_empty, found.n_full) == (1, 2, 1)
    with pytest.raises(InvalidDataset, match="found 2 pictures, none of them with both"):
        localisation([none, everything], rounds=10)
    with pytest.raises(InvalidDataset, match="found 0 pictures"):
        localisation([], rounds=10)


def test_pixels_that_no_patch_reads_count_nowhere() -> None:
    (heat, mask), *_ = maps(1)
    blind = heat.copy()
    blind[:, :7] = np.nan
    found, cut = locate(blind, mask), locate(heat[:, 7:], mask[:, 7:])
    assert found.unseen == pytest.approx(7 / 20)
    assert (found.auc, found.iou, found.pointing, found.share) == (cut.auc, cut.iou, cut.pointing, cut.share)


def test_what_cannot_be_compared_is_refused() -> None:
    (heat, mask), *_ = maps(1)
    with pytest.raises(InvalidConfig, match=r"a mask of 20 x 20 px.*found 19 x 20 px"):
        locate(heat, mask[:, 1:])
    for threshold in (0.0, 1.0):
        with pytest.raises(InvalidConfig, match="threshold"):
            locate(heat, mask, threshold=threshold)
    with pytest.raises(InvalidDataset, match="a heatmap with values"):
        locate(np.full_like(heat, np.nan), mask)
    with pytest.raises(UnsuitableImage, match="whole-image baseline noise"):
        heat_on_picture(detector()(np.zeros((40, 40, 3), np.uint8)), detector(grid=None), (40, 40))


def test_the_threshold_is_the_callers() -> None:
    mask = np.array([[True, True, False, False]])
    heat = np.array([[0.9, 0.6, 0.6, 0.1]], np.float32)
    assert locate(heat, mask).iou == pytest.approx(2 / 3)
    assert locate(heat, mask, threshold=0.7).iou == pytest.approx(1 / 2)
    assert locate(heat, mask, threshold=0.95).iou == 0


@pytest.mark.parametrize("fit", ["shorter", "square", "centre"])
@pytest.mark.parametrize("shape", [(40, 40), (40, 64), (97, 55), (23, 16)])
def test_each_pixel_has_the_value_of_the_prepared_pixel_at_its_centre(fit: Fit, shape: tuple[int, int]) -> None:
    judge = detector(Preparation(side=40, fit=fit))
    pixels = np.zeros((*shape, 3), np.uint8)
    said = judge(pixels)
    placement: Placement = "nearest" if shape[0] > shape[1] else "mean"
    heat = heatmap(said.patch_logits, GRID, said.shape, placement=placement)
    found = heat_on_picture(said, judge, shape, placement=placement)
    assert found.shape == shape
    shown = judge.spec.preparation.window(shape)
    for y, x in np.ndindex(shape):
        inside = shown[0].start <= y < shown[0].stop and shown[1].start <= x < shown[1].stop
        if not inside:
            assert np.isnan(found[y, x])
            continue
        row = int((y + 0.5 - shown[0].start) * said.shape[0] / (shown[0].stop - shown[0].start))
        column = int((x + 0.5 - shown[1].start) * said.shape[1] / (shown[1].stop - shown[1].start))
        assert np.array_equal(found[y, x], heat[row, column], equal_nan=True)
    assert prepare(pixels, judge.spec.preparation).shape[:2] == said.shape


def test_large_pictures_are_sampled_where_their_masks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localisation_module, "MOST_PIXELS", 1000)
    shape = (97, 64)
    step = pixel_step(shape)
    assert step == 3
    mask = np.zeros(shape, np.bool_)
    mask[48:] = True
    said = detector()(np.zeros((*shape, 3), np.uint8))
    heat, sampled = heat_on_picture(said, detector(), shape), on_sampled_pixels(mask)
    assert heat.shape == sampled.shape == (32, 21)
    assert np.array_equal(sampled, mask[1::3, 1::3])
    # Nothing is lost but detail: with a step of 1 the mean is nearly the same.
    assert np.nanmean(heat) == pytest.approx(np.nanmean(heatmap(said.patch_logits, GRID, shape)), abs=0.02)
    assert pixel_step((1, 5000)) == 3
    assert on_sampled_pixels(np.ones((1, 5000), np.bool_)).shape == (1, 1667)


def test_a_location_says_what_it_rests_on() -> None:
    located = Location(
        inside=np.array([3], np.int32),
        outside=np.array([9], np.int32),
        auc=0.5,
        iou=0.0,
        pointing=0.0,
        called=0.0,
        unseen=0.0,
    )
    assert located.share == 0.25
    assert located.partial
    assert draws_over(np.array(["a", "a", ""])).group.tolist()[0] == draws_over(np.array(["a", "a", ""])).group[1]
