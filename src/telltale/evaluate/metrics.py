"""Metrics of scores against labels, fake positive, with bootstrap intervals.

Written out in NumPy because an interval takes a thousand of them, and scikit-learn's checks of its arguments take far
longer than the counting; the tests compare them with scikit-learn's.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isnan, nan, sqrt
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from telltale.errors import InvalidDataset, require

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]
Metric = Callable[[NDArray[np.bool_], NDArray[np.float64]], float]

# Numbers held at a time: rounds times images.
_AT_ONCE = 4_000_000
# Fewer groups of images than this do not say how much others would differ.
FEWEST_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; NaN ends where there is none."""

    value: float
    low: float
    high: float

    def plain(self) -> dict[str, float | None]:
        """By name, None for NaN, which JSON does not know."""
        return {name: None if isnan(one) else one for name, one in asdict(self).items()}


def auc(is_fake: Labels, scores: Scores) -> float:
    """Area under the ROC curve: how often a fake scores above a real, ties counted half. In [0, 1].

    Raises:
        InvalidDataset: one class only, or a score that is not finite.
    """
    fakes, reals = _counts(is_fake, scores)
    lower = reals.cumsum() - reals
    return float(fakes @ (lower + reals / 2) / (fakes.sum() * reals.sum()))


def average_precision(is_fake: Labels, scores: Scores) -> float:
    """AP with fake as the positive class, in [0, 1]; its chance level is the share of fakes.

    The sum over falling thresholds of the precision times the recall gained; equal scores fall together.

    Raises:
        InvalidDataset: one class only, or a score that is not finite.
    """
    fakes, reals = _counts(is_fake, scores)
    found, called = fakes[::-1].cumsum(), (fakes + reals)[::-1].cumsum()
    return float(fakes[::-1] @ (found / called) / fakes.sum())


def average_precision_real(is_fake: Labels, scores: Scores) -> float:
    """AP with real as the positive class, as the paper's released code counts.

    Raises:
        InvalidDataset: one class only, or a score that is not finite.
    """
    both_classes(is_fake, "the images to measure")
    return average_precision(~is_fake, -scores)


def _counts(is_fake: Labels, scores: Scores) -> tuple[Float[np.ndarray, "levels"], Float[np.ndarray, "levels"]]:
    """How many fakes and how many reals have each score, from the lowest to the highest."""
    both_classes(is_fake, "the images to measure")
    if not np.isfinite(scores).all():
        raise InvalidDataset(expected="finite scores", found="NaN or infinity", do="Score these images again.")
    levels, place = np.unique(scores, return_inverse=True)
    fakes = np.bincount(place, weights=is_fake, minlength=levels.size)
    return fakes, np.bincount(place, minlength=levels.size) - fakes


def expected_calibration_error(
    is_fake: Labels, probabilities: Scores, *, bins: int = 10, weights: Scores | None = None
) -> float:
    """Mean gap between probability and share of fakes over `bins` equal-width bins, weighted by what is in them.

    Args:
        is_fake: labels.
        probabilities: calibrated, in [0, 1].
        bins: of equal width.
        weights: of each image; a probability made for equally many reals and fakes is judged at equal weights of both.

    Raises:
        InvalidDataset: no images.
    """
    if is_fake.size == 0:
        raise InvalidDataset(expected="at least one image", found="none", do="Check the selection.")
    weight = np.ones(is_fake.size) if weights is None else weights
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    fakes = np.bincount(place, weights=weight * is_fake, minlength=bins)
    said = np.bincount(place, weights=weight * probabilities, minlength=bins)
    return float(np.abs(fakes - said).sum() / weight.sum())


def _cells(is_fake: Labels, group: Int[np.ndarray, "n"] | None) -> Int[np.ndarray, "n"]:
    """A number for each image, the same for images of one group and label."""
    return np.arange(is_fake.size) if group is None else 2 * group + is_fake


def both_classes(is_fake: Labels, what: str) -> None:
    """Refuse labels of one class only, on which no ranking metric is defined.

    Raises:
        InvalidDataset: naming what is missing.
    """
    if is_fake.all() or not is_fake.any():
        missing = "reals" if is_fake.all() else "fakes"
        raise InvalidDataset(
            expected=f"reals and fakes in {what}",
            found=f"{is_fake.size} images and no {missing}",
            do=f"Add {missing}.",
        )


def bootstrap(
    metric: Metric,
    is_fake: Labels,
    scores: Scores,
    *,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
    corrected: bool = False,
) -> Estimate:
    """A metric with its percentile bootstrap interval.

    Reals and fakes are resampled apart, so that every round holds both and their numbers stay as they were.

    Args:
        metric: of labels and scores, such as `auc`.
        is_fake: labels.
        scores: higher means more likely fake.
        seed: of the resampling.
        rounds: how many resamples.
        level: of the interval.
        corrected: whether for the bias of resamples, as `bias_corrected` does it: for average precision.

    Raises:
        InvalidDataset: one class only.
    """
    both_classes(is_fake, "the images to measure")
    draw = np.random.default_rng(seed)
    fakes, reals = np.flatnonzero(is_fake), np.flatnonzero(~is_fake)
    values = np.empty(rounds)
    for index in range(rounds):
        chosen = np.concatenate([draw.choice(fakes, fakes.size), draw.choice(reals, reals.size)])
        values[index] = metric(is_fake[chosen], scores[chosen])
    value = metric(is_fake, scores)
    if corrected:
        return bias_corrected(value, values, level=level)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def bias_corrected(value: float, drawn: Float[np.ndarray, "rounds"], *, level: float = 0.95) -> Estimate:
    """A value with the bias-corrected percentile interval of its resamples (Efron 1981, "BC").

    A resample holds some images twice, and average precision is then higher in the mean: plain percentiles miss the
    truth on that side. Where half of the resamples lie below the value these are the plain percentiles; else both ends
    move to where the value itself stands among its resamples.

    Args:
        value: of the images themselves.
        drawn: of the resamples, finite; ties with the value count half.
        level: of the interval.
    """
    normal = NormalDist()
    # The same number summed up in another order may differ in its last digits.
    equal = np.abs(drawn - value) <= 1e-9
    below = (np.count_nonzero((drawn < value) & ~equal) + np.count_nonzero(equal) / 2) / drawn.size
    # At least half a resample on either side, or the ends would be infinitely far out.
    edge = 0.5 / drawn.size
    shift = 2 * normal.inv_cdf(min(max(below, edge), 1 - edge))
    reach = normal.inv_cdf((1 + level) / 2)
    low, high = np.quantile(drawn, [normal.cdf(shift - reach), normal.cdf(shift + reach)])
    return Estimate(value, float(low), float(high))


def ece_if_calibrated(
    is_fake: Labels,
    probabilities: Scores,
    *,
    group: Int[np.ndarray, "n"] | None = None,
    bins: int = 10,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The expected calibration error that these probabilities would show if they were right.

    ECE adds up the sizes of gaps, so that it is never 0 on a few hundred images, however good the probabilities: one
    inside this interval is no sign of bad calibration (consistency resampling, Broecker and Smith, Weather and
    Forecasting 2007). Labels are drawn from the probabilities, which are for equally many reals and fakes, at the share
    of fakes that the images have; reals and fakes then weigh the same.

    Args:
        is_fake: labels, for the share of fakes.
        probabilities: in [0, 1].
        group: number of each image's group, from 0; images of one group and label, such as frames of a video, are right
            or wrong together, as far as their probabilities allow. Each image alone where None.
        bins: of equal width.
        rounds: how often labels are drawn.
        seed: of the drawing.
        level: of the interval.

    Returns:
        Mean over the rounds, with the interval's ends.

    Raises:
        InvalidDataset: one class only.
    """
    both_classes(is_fake, "the images to measure")
    share_fake = float(is_fake.mean())
    fake, real = probabilities * share_fake, (1 - probabilities) * (1 - share_fake)
    chance = fake / (fake + real)
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    inside = (place[:, None] == np.arange(bins)).astype(np.float64)
    together = np.unique(_cells(is_fake, group), return_inverse=True)[1]
    random = np.random.default_rng(seed)
    found = np.empty(rounds)
    step = max(1, _AT_ONCE // is_fake.size)
    for first in range(0, rounds, step):
        drawn = random.random((min(step, rounds - first), together.max() + 1))[:, together] < chance
        # A draw of one class only: no weight can make it equal, and both sums are then of that class.
        fakes, reals = (np.maximum(part.sum(1), 1)[:, None] for part in (drawn, ~drawn))
        gaps = (drawn * (1 - probabilities)) @ inside / fakes - (~drawn * probabilities) @ inside / reals
        found[first : first + step] = np.abs(gaps).sum(1) / 2
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(found.mean()), float(low), float(high))


def share(hits: Labels, *, group: Int[np.ndarray, "n"] | None = None, level: float = 0.95) -> Estimate:
    """A proportion with its Wilson interval, which stays inside [0, 1] and is honest at 0 and 1.

    Images of one group are no independent ones: the interval is then Wilson's for as many independent images as would
    spread as much as the groups do, at most as many as there are, with Student's quantile for the number of groups
    (Korn & Graubard, Survey Methodology 1998; Dean & Pagano, J. Survey Stat. Methodol. 2015). Where all images agree,
    a group counts as one image. Of fewer than five groups there is no interval: NaN.

    Args:
        hits: whether each image is one of those counted.
        group: a number for each image, the same for images of one group.
        level: of the interval.

    Raises:
        InvalidDataset: no images.
    """
    if hits.size == 0:
        raise InvalidDataset(expected="at least one image", found="none", do="Check the selection.")
    stats, value = require("scipy.stats", "evaluate"), float(hits.mean())
    place = np.unique(np.arange(hits.size) if group is None else group, return_inverse=True)[1]
    sizes = np.bincount(place)
    if sizes.size == hits.size:
        test = stats.binomtest(int(hits.sum()), hits.size)
        interval = test.proportion_ci(confidence_level=level, method="wilson")
        return Estimate(value, float(interval.low), float(interval.high))
    if sizes.size < FEWEST_GROUPS:
        return Estimate(value, nan, nan)
    beyond = np.bincount(place, weights=hits) - value * sizes
    variance = float(beyond @ beyond) * sizes.size / (sizes.size - 1) / hits.size**2
    alone = min(float(hits.size), value * (1 - value) / variance) if variance > 0 else float(hits.size)
    count = float(sizes.size) if value in (0, 1) else max(1.0, alone)
    z2 = float(stats.t.ppf((1 + level) / 2, sizes.size - 1)) ** 2
    centre = (value + z2 / (2 * count)) / (1 + z2 / count)
    half = sqrt(z2 * value * (1 - value) / count + z2 * z2 / (4 * count * count)) / (1 + z2 / count)
    return Estimate(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)))
