"""Average heatmaps of aligned faces, by source and label (paper, figure 3): where the evidence of a data set lies.

One picture at a time goes through, and two numbers a pixel stay (Welford's running mean and sum of squares), so that a
million pictures take the memory of one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import nan
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.evaluate.scoring import Failure, Score, score_files
from telltale.explain.heatmaps import grid_of
from telltale.explain.placement import Heatmap, Placement, check_placement, heatmap, scaled
from telltale.geometry import PatchGrid
from telltale.image import MAX_PIXELS

Values: TypeAlias = Float64[np.ndarray, "..."]
# (source, label)
Group: TypeAlias = tuple[str, str]

# Pictures of another aspect than the canvas by more than this are not aligned to it.
_ASPECT = 0.02
# Of a normal distribution, for 95 %.
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Mean P(fake) over one part of the canvas and all pictures, with its 95 % interval over pictures (normal).

    Attributes:
        value, low, high: in [0, 1], or in [-1, 1] for a difference; the interval is NaN for one picture alone.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """The average heatmap of one source and label.

    Attributes:
        source: where the pictures come from; "" where unknown.
        label: "real", "fake" or "unlabelled".
        count: how many pictures.
        mean: P(fake) per pixel of the canvas, float32 in [0, 1]; NaN where no patch looks.
        standard_error: of that mean, float32; NaN throughout for one picture.
        score: mean of the pictures' scores.
        parts: mean P(fake) over "whole", "centre" (the middle half of height and width), "rim" (outside of the middle
            three quarters), and "centre - rim", the difference within each picture.
    """

    source: str
    label: str
    count: int
    mean: Heatmap
    standard_error: Heatmap
    score: float
    parts: dict[str, Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """All of a data set.

    Attributes:
        each: one for each source and label, fakes before reals, by name.
        failures: pictures that count nowhere, and why.
        canvas: (height, width) in pixels that all were brought to.
        scaled: how many pictures had to be scaled to it.
    """

    each: list[Average]
    failures: list[Failure]
    canvas: tuple[int, int]
    scaled: int


@dataclass(slots=True)
class Running:
    """Mean and standard error of arrays of one shape that come one by one (Welford 1962).

    Attributes:
        count: how many came.
        mean: of each element, float64; NaN where any was NaN.
    """

    count: int = 0
    mean: Values = field(default_factory=lambda: np.zeros(()))
    _squares: Values = field(default_factory=lambda: np.zeros(()), repr=False)

    def add(self, values: Values) -> None:
        """One more; all must have the shape of the first."""
        if not self.count:
            self.mean, self._squares = np.zeros(values.shape), np.zeros(values.shape)
        self.count += 1
        away = values - self.mean
        self.mean = self.mean + away / self.count
        self._squares = self._squares + away * (values - self.mean)

    def standard_error(self) -> Values:
        """Of the mean, by the sample's own spread; NaN for fewer than two."""
        if self.count < 2:
            return np.full_like(self.mean, nan)
        return np.asarray(np.sqrt(self._squares / (self.count - 1) / self.count))


def average_heatmaps(
    detector: Detector,
    samples: Iterable[Sample],
    *,
    canvas: tuple[int, int] | None = None,
    placement: Placement = "mean",
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    visit: Callable[[], None] | None = None,
) -> Averages:
    """Average the heatmaps of aligned pictures, in constant memory; the same numbers for any number of workers.

    Only pictures in which the same thing lies at the same place can be averaged: aligned faces. Each heatmap is of the
    prepared picture, and is brought to one canvas by linear scaling. A picture whose aspect differs from the canvas's
    by more than 2 % becomes a failure: stretching it would misplace what it shows.

    Args:
        detector: what scores.
        samples: which pictures; read lazily.
        canvas: (height, width) in pixels; None takes the prepared size of the first picture that can be scored.
        placement: as for `heatmap`.
        workers: pictures scored at the same time.
        max_pixels: larger pictures become failures before they are decoded.
        visit: called after each picture.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
        InvalidConfig: a canvas without pixels, or an unknown placement.
        InvalidDataset: no picture could be averaged.
    """
    grid, chosen = grid_of(detector), check_placement(placement)
    if canvas is not None and min(canvas) < 1:
        raise InvalidConfig(expected="a canvas of 1 pixel or more", found=str(canvas), do="Choose a larger one.")
    # Tiles of one thread each: their number would move the last digits.
    single = replace(detector, threads=1)
    averaging = Averaging(grid, placement=chosen, canvas=canvas)
    for record in score_files(single, samples, workers=workers, max_pixels=max_pixels):
        averaging.add(record)
        if visit is not None:
            visit()
    return averaging.result()


class Averaging:
    """The running averages of every source and label, for scores that are made elsewhere.

    Args:
        grid: where the patches of the detector lie.
        placement, canvas: as for `average_heatmaps`.
    """

    def __init__(
        self, grid: PatchGrid, *, placement: Placement = "mean", canvas: tuple[int, int] | None = None
    ) -> None:
        self._grid, self._placement, self._canvas = grid, placement, canvas
        self._failures: list[Failure] = []
        self._scaled = 0
        self._maps: dict[Group, Running] = {}
        self._parts: dict[Group, Running] = {}

    def add(self, record: Score | Failure) -> None:
        """One picture more, or the reason why not."""
        if isinstance(record, Failure):
            self._failures.append(record)
            return
        shape = record.prediction.shape
        if self._canvas is None:
            self._canvas = shape
        if not _fits(shape, self._canvas):
            self._failures.append(_misfit(record, self._canvas))
            return
        self._scaled += shape != self._canvas
        heat = heatmap(record.prediction.patch_logits, self._grid, shape, placement=self._placement)
        placed = scaled(heat, *self._canvas).astype(np.float64)
        group = (record.sample.source, _label(record.sample))
        self._maps.setdefault(group, Running()).add(placed)
        self._parts.setdefault(group, Running()).add(_measured(placed, record.prediction.score))

    def result(self) -> Averages:
        """What there is, once every picture has come.

        Raises:
            InvalidDataset: no picture could be averaged.
        """
        if self._canvas is None or not self._maps:
            reason = f"; the first: {self._failures[0].error}" if self._failures else ""
            raise InvalidDataset(
                expected="at least one picture to average",
                found=f"none, {len(self._failures)} failed{reason}",
                do="Check the data.",
            )
        each = [self._average(group) for group in sorted(self._maps, key=lambda group: (group[1], group[0]))]
        return Averages(each=each, failures=self._failures, canvas=self._canvas, scaled=self._scaled)

    def _average(self, group: Group) -> Average:
        maps, parts = self._maps[group], self._parts[group]
        errors = parts.standard_error()
        shares = {
            name: Share(value=float(value), low=float(value - _Z * error), high=float(value + _Z * error))
            for name, value, error in zip(PARTS, parts.mean[1:], errors[1:], strict=True)
        }
        return Average(
            source=group[0],
            label=group[1],
            count=maps.count,
            mean=np.clip(maps.mean, 0, 1).astype(np.float32),
            standard_error=maps.standard_error().astype(np.float32),
            score=float(parts.mean[0]),
            parts=shares,
        )


PARTS = ("whole", "centre", "rim", "centre - rim")


def centre_of(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The middle half of height and width: the face, where pictures are aligned to it."""
    return _middle(shape, 1 / 4)


def rim_of(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Outside of the middle three quarters of height and width: mostly hair and background."""
    return ~_middle(shape, 1 / 8)


def _middle(shape: tuple[int, int], margin: float) -> Bool[np.ndarray, "height width"]:
    found = np.zeros(shape, bool)
    top, left = (round(length * margin) for length in shape)
    found[top : shape[0] - top, left : shape[1] - left] = True
    return found


def _measured(heat: Float64[np.ndarray, "height width"], score: float) -> Float64[np.ndarray, "5"]:
    """The score, then the mean over each of `PARTS`."""
    shape = (heat.shape[0], heat.shape[1])
    whole, centre, rim = (_seen_mean(heat[part]) for part in (np.ones(shape, bool), centre_of(shape), rim_of(shape)))
    return np.array([score, whole, centre, rim, centre - rim])


def _seen_mean(values: Float64[np.ndarray, "n"]) -> float:
    seen = np.isfinite(values)
    return float(values[seen].mean()) if seen.any() else nan


def _label(sample: Sample) -> str:
    return "unlabelled" if sample.is_fake is None else "fake" if sample.is_fake else "real"


def _fits(shape: tuple[int, int], canvas: tuple[int, int]) -> bool:
    return abs(shape[0] * canvas[1] / (shape[1] * canvas[0]) - 1) <= _ASPECT


def _misfit(record: Score, canvas: tuple[int, int]) -> Failure:
    height, width = record.prediction.shape
    error = UnsuitableImage(
        expected=f"a picture of the aspect of the canvas, {canvas[1]} x {canvas[0]} px",
        found=f"{width} x {height} px once prepared: {record.sample.path}",
        do="Crop the faces alike (`telltale build`), or choose another canvas.",
    )
    return Failure(sample=record.sample, error=str(error))
