"""How well heatmaps find the pixels that a generator made, where a truth mask says which they are.

All figures are over pictures that hold both kinds of pixels. A pixel that no patch reads counts nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Shaped
from numpy.typing import NDArray

from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.resampling import Counts, Resampling, Rounds, interval, resampling
from telltale.explain.heatmaps import Heatmap, grid_of, heatmap
from telltale.explain.placement import Placement

Mask: TypeAlias = Bool[np.ndarray, "height width"]
# Of another size than what else a function takes.
_Sampled: TypeAlias = Bool[np.ndarray, "rows columns"]

# Of P(fake) at each pixel. The verdicts' thresholds are on the calibrated score of a whole picture, not on pixels.
THRESHOLD = 0.5
# Pixels of a larger picture are sampled on a regular grid, so that memory stays bounded.
MOST_PIXELS = 4_000_000
# P(fake) is counted by its log-odds, so that maps that are sure everywhere keep their order: in bins of 0.023 for a
# whole set, in 64 times finer ones within a picture. Sorting pixels instead would take longer than scoring them.
LEVELS, FINER, FARTHEST = 1024, 64, 12.0
# Pixels that differ by rounding only share the maximum.
_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """How one heatmap lies on its truth mask.

    Attributes:
        inside, outside: pixels that were generated, and pixels that were not, by level of P(fake), 0 to `LEVELS` - 1.
        auc: area under the ROC curve over the picture's pixels, generated is positive; None where only one kind is.
            Pixels whose log-odds differ by less than 0.0004 count as equal.
        iou: of the mask with the pixels at or above the threshold; 0 where both are empty.
        pointing: 1 where the maximum of the heatmap lies inside the mask, 0 where outside; of several equal maxima,
            the share inside.
        called: share of the pixels at or above the threshold.
        unseen: share of the picture's pixels that no patch reads.
    """

    inside: Int32[np.ndarray, "levels"]
    outside: Int32[np.ndarray, "levels"]
    auc: float | None
    iou: float
    pointing: float
    called: float
    unseen: float

    @property
    def share(self) -> float:
        """Share of generated pixels: what pointing at random hits, and the IoU of calling everything fake."""
        n_inside = int(self.inside.sum())
        return n_inside / (n_inside + int(self.outside.sum()))

    @property
    def partial(self) -> bool:
        """Whether both kinds of pixels are there."""
        return self.auc is not None


def heat_on_picture(
    prediction: Prediction,
    detector: Detector,
    shape: tuple[int, int],
    *,
    placement: Placement = "mean",
    step: int | None = None,
) -> Heatmap:
    """P(fake) at the pixels of the decoded picture: of each pixel, the value of the prepared pixel at its centre.

    Args:
        prediction: what `detector` says of the picture.
        detector: where its patches lie and how it prepares pictures.
        shape: (height, width) of the decoded picture.
        placement: as for `heatmap`: "mean" cannot show anything finer than a receptive field, "nearest" can.
        step: every so many pixels along both axes; None as `pixel_step` says.

    Returns:
        float32 in [0, 1], (pixels along height, along width); NaN where the preparation or no patch looks.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    grid = grid_of(detector)
    step = step or pixel_step(shape)
    coarse = pixel_step(prediction.shape)
    heat = heatmap(prediction.patch_logits, grid, prediction.shape, step=coarse, placement=placement)
    window = detector.spec.preparation.window(shape)
    places = [
        _prepared(_sampled(length, step), part, prepared)
        for length, part, prepared in zip(shape, window, prediction.shape, strict=True)
    ]
    found: Heatmap = heat[np.ix_(*(np.maximum(place, 0) // coarse for place in places))]
    found[places[0] < 0, :] = np.nan
    found[:, places[1] < 0] = np.nan
    return found


def pixel_step(shape: tuple[int, int]) -> int:
    """Every how many pixels a picture of `shape` is looked at: 1 up to `MOST_PIXELS`."""
    return max(1, int(np.ceil(np.sqrt(shape[0] * shape[1] / MOST_PIXELS))))


def on_sampled_pixels(mask: Mask, *, step: int | None = None) -> _Sampled:
    """The mask at the pixels where `heat_on_picture` gives a value."""
    step = step or pixel_step((mask.shape[0], mask.shape[1]))
    return np.asarray(mask[np.ix_(_sampled(mask.shape[0], step), _sampled(mask.shape[1], step))])


def _sampled(length: int, step: int) -> NDArray[np.int64]:
    # A picture thinner than half a step still has one pixel.
    return np.arange(min(step // 2, length - 1), length, step)


def _prepared(pixels: NDArray[np.int64], part: slice, prepared: int) -> NDArray[np.int64]:
    """The prepared pixel that holds each pixel's centre; -1 outside the part that the preparation keeps."""
    place = (2 * (pixels - part.start) + 1) * prepared // (2 * (part.stop - part.start))
    return np.where((pixels >= part.start) & (pixels < part.stop), place, -1)


def locate(heat: Heatmap, mask: _Sampled, *, threshold: float = THRESHOLD) -> Location:
    """Compare one heatmap with its truth mask, pixel by pixel.

    Args:
        heat: P(fake), NaN where no patch reads.
        mask: True where a generator made the pixel; of the same shape.
        threshold: of P(fake), in (0, 1): pixels at or above it are called fake.

    Raises:
        InvalidConfig: another shape, or a threshold out of range.
        InvalidDataset: no patch reads any pixel.
    """
    if heat.shape != mask.shape or not 0 < threshold < 1:
        raise InvalidConfig(
            expected=f"a mask of {heat.shape[1]} x {heat.shape[0]} px and a threshold between 0 and 1",
            found=f"{mask.shape[1]} x {mask.shape[0]} px, threshold {threshold}",
            do="Give the mask of this picture.",
        )
    seen = np.isfinite(heat)
    if not seen.any():
        raise InvalidDataset(expected="a heatmap with values", found="none", do="Give a larger picture.")
    values, truth = heat[seen], mask[seen]
    called = values >= threshold
    both, either = int((called & truth).sum()), int((called | truth).sum())
    inside, outside = _by_level(values[truth]), _by_level(values[~truth])
    partial = inside.any() and outside.any()
    return Location(
        inside=_coarse(inside),
        outside=_coarse(outside),
        auc=float(_auc_of_counts(inside[None], outside[None])[0]) if partial else None,
        iou=both / either if either else 0.0,
        pointing=float(truth[values >= values.max() - _SAME].mean()),
        called=float(called.mean()),
        unseen=float(1 - seen.mean()),
    )


def _by_level(values: Float32[np.ndarray, "n"]) -> Float[np.ndarray, "finer_levels"]:
    """How many values lie at each fine level of their log-odds."""
    finest = LEVELS * FINER
    with np.errstate(divide="ignore"):
        place = (np.log(values) - np.log1p(-values) + np.float32(FARTHEST)) * np.float32(finest / (2 * FARTHEST))
    levels = np.clip(place, 0, finest - 1).astype(np.int32)
    return np.bincount(levels, minlength=finest).astype(np.float64)


def _coarse(fine: Float[np.ndarray, "finer_levels"]) -> Int32[np.ndarray, "levels"]:
    return np.asarray(fine.reshape(LEVELS, FINER).sum(1), np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Localisation:
    """What the heatmaps of a set of pictures are worth, with 95 % bootstrap intervals over pictures.

    Attributes:
        n: pictures with generated and untouched pixels, on which all figures rest.
        n_empty: pictures left out because nothing in them was generated.
        n_full: pictures left out because everything was.
        pixel_auc: over all pixels of all pictures together: P(fake) must mean the same in every picture.
        mean_auc: the mean over pictures of the AUC of each.
        iou: the mean over pictures of the IoU at the threshold.
        best_iou: the same at the one threshold that suits these pictures best: an upper bound, not an estimate.
        pointing: share of pictures whose maximum lies inside the mask.
        chance: mean share of generated pixels: what pointing at random hits, and the IoU of calling everything fake.
        called: mean share of the pixels at or above the threshold.
    """

    n: int
    n_empty: int
    n_full: int
    pixel_auc: Estimate
    mean_auc: Estimate
    iou: Estimate
    best_iou: Estimate
    pointing: Estimate
    chance: Estimate
    called: Estimate


FIGURES = ("pixel_auc", "mean_auc", "iou", "best_iou", "pointing", "chance", "called")


def localisation(
    locations: Sequence[Location],
    *,
    groups: Shaped[np.ndarray, "n"] | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> Localisation:
    """Figures of a set of pictures.

    Args:
        locations: of all its pictures.
        groups: pictures with one name are drawn together, such as composites of one original; "" stands alone.
        rounds: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InvalidDataset: no picture holds both kinds of pixels.
    """
    partial = [one for one in locations if one.partial]
    names = np.array([""] * len(locations)) if groups is None else groups
    how = draws_over(names[[one.partial for one in locations]] if locations else names)
    if not partial:
        raise InvalidDataset(
            expected="at least one picture with generated and untouched pixels",
            found=f"{len(locations)} pictures, none of them with both",
            do="Check the masks.",
        )
    values = figures(partial, np.ones((1, len(partial))))
    drawn = [figures(partial, counts) for counts in how.draws(rounds, seed)]
    estimates = {
        name: interval(float(values[name][0]), np.concatenate([part[name] for part in drawn])) for name in FIGURES
    }
    n_empty = sum(not one.partial and not one.inside.any() for one in locations)
    return Localisation(n=len(partial), n_empty=n_empty, n_full=len(locations) - len(partial) - n_empty, **estimates)


def draws_over(groups: Shaped[np.ndarray, "n"]) -> Resampling:
    """How pictures are drawn again, those of one group together; an empty name stands alone."""
    alike = np.ones(groups.size, np.bool_)
    return resampling(alike, np.zeros(groups.size, np.int64), groups)


def figures(locations: Sequence[Location], counts: Counts) -> dict[str, Rounds]:
    """`FIGURES` of resamples, so that differences between two sets of heatmaps of the same pictures can be paired.

    Args:
        locations: pictures that hold both kinds of pixels.
        counts: how often each is drawn, (rounds, pictures).
    """
    inside, outside = (
        np.array([getattr(one, name) for one in locations], np.float64) for name in ("inside", "outside")
    )
    whole = counts.sum(1)
    names = {"mean_auc": "auc", "iou": "iou", "pointing": "pointing", "chance": "share", "called": "called"}
    means = {
        name: counts @ np.array([getattr(one, field) for one in locations], np.float64) / whole
        for name, field in names.items()
    }
    best = (counts @ _iou_by_level(inside, outside) / whole[:, None]).max(1)
    return {"pixel_auc": _auc_of_counts(counts @ inside, counts @ outside), "best_iou": best, **means}


def _auc_of_counts(inside: Counts, outside: Counts) -> Rounds:
    """AUC from numbers of pixels by rising level, ties counted half; one for each row."""
    lower = outside.cumsum(1) - outside
    return np.asarray((inside * (lower + outside / 2)).sum(1) / (inside.sum(1) * outside.sum(1)))


def _iou_by_level(inside: Counts, outside: Counts) -> Counts:
    """The IoU of each picture where pixels at or above each level are called fake."""
    found, false = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (inside, outside))
    return np.asarray(found / (inside.sum(1, keepdims=True) + false))
