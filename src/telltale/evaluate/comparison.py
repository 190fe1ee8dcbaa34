"""Two detectors on the same images: is the difference more than chance?

DeLong's test for AUC (DeLong, DeLong and Clarke-Pearson, Biometrics 1988), and the paired bootstrap for every figure.
"""

from dataclasses import dataclass
from math import erfc, nan, sqrt

import numpy as np
from jaxtyping import Bool, Float

from telltale.errors import require
from telltale.evaluate.metrics import Estimate, both_classes
from telltale.evaluate.resampling import FIGURES, Resampled, Resampling, interval, on_draws

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]
Rounds = Float[np.ndarray, "rounds"]

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure of a first detector minus that of a second, on the same images.

    Attributes:
        first, second: the two figures.
        difference: first minus second, with its 95 % interval.
        p: two-sided, of no difference; None where the images leave no variance to judge it by, or come in too few
            groups; then the interval is NaN.
        test: "delong", which takes every image for independent, or "bootstrap", which draws whole groups.
    """

    first: float
    second: float
    difference: Estimate
    p: float | None
    test: str


def delong(is_fake: Labels, first: Scores, second: Scores) -> Difference:
    """DeLong's test of two AUCs on the same images, with the normal 95 % interval of their difference.

    Args:
        is_fake: labels.
        first, second: each detector's scores; ties count half.

    Returns:
        The difference. Its p is None where the variance is 0: two detectors that order these images alike, or one
        image only of a class.

    Raises:
        InvalidDataset: one class only.
        MissingExtra: without the `[evaluate]` extra.
    """
    both_classes(is_fake, "the images to compare on")
    each = (_placements(is_fake, first), _placements(is_fake, second))
    of_fake, of_real = np.stack([one[0] for one in each]), np.stack([one[1] for one in each])
    aucs = of_fake.mean(axis=1)
    variance = sum(_variance_of_difference(part) for part in (of_fake, of_real))
    gap, deviation = float(aucs[0] - aucs[1]), sqrt(max(variance, 0.0))
    # Differences of equal numbers leave a variance of rounding errors.
    p = erfc(abs(gap) / deviation / sqrt(2)) if deviation > 1e-9 else None
    half = _NORMAL_95 * deviation
    return Difference(
        first=float(aucs[0]),
        second=float(aucs[1]),
        difference=Estimate(gap, max(gap - half, -1.0), min(gap + half, 1.0)),
        p=p,
        test="delong",
    )


def _placements(is_fake: Labels, scores: Scores) -> tuple[Float[np.ndarray, "fakes"], Float[np.ndarray, "reals"]]:
    """For each fake the share of reals below it, for each real the share of fakes above it; ties count half.

    From midranks, as in Sun and Xu, IEEE Signal Processing Letters 2014.
    """
    rank = require("scipy.stats", "evaluate").rankdata
    fakes, reals = scores[is_fake], scores[~is_fake]
    together = rank(scores)
    of_fake = (together[is_fake] - rank(fakes)) / reals.size
    of_real = 1 - (together[~is_fake] - rank(reals)) / fakes.size
    return of_fake, of_real


def _variance_of_difference(placements: Float[np.ndarray, "two images"]) -> float:
    if placements.shape[1] < 2:
        return 0.0
    return float((placements[0] - placements[1]).var(ddof=1) / placements.shape[1])


def paired(value_first: float, value_second: float, first: Rounds, second: Rounds) -> Difference:
    """The paired bootstrap of one figure: both detectors measured on the same resamples.

    Args:
        value_first, value_second: the figure on the images themselves.
        first, second: the same on each resample; rounds in which one is NaN do not count.

    Returns:
        The difference with its percentile interval; p is twice the share of resamples on the far side of 0, at least
        2 / (rounds + 1), and None where every resample says the same. Without any round: no interval (NaN), no p.
    """
    gaps = (first - second)[np.isfinite(first) & np.isfinite(second)]
    gap = value_first - value_second
    if gaps.size == 0:
        return Difference(
            first=value_first, second=value_second, difference=Estimate(gap, nan, nan), p=None, test="bootstrap"
        )
    if np.ptp(gaps) < 1e-12:
        return Difference(
            first=value_first, second=value_second, difference=Estimate(gap, gap, gap), p=None, test="bootstrap"
        )
    tail = (1 + min((gaps <= 0).sum(), (gaps >= 0).sum())) / (1 + gaps.size)
    return Difference(
        first=value_first,
        second=value_second,
        difference=interval(gap, gaps),
        p=float(min(1.0, 2 * tail)),
        test="bootstrap",
    )


def paired_bootstrap(
    first: Resampled, second: Resampled, how: Resampling, *, rounds: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Every figure of two detectors on the same images, with the paired bootstrap.

    Args:
        first, second: as `prepared` gives them, for the same images in the same order.
        how: as `resampling` gives it, for these images.
        rounds: resamples.
        seed: of the draws.
    """
    places = np.arange(how.group.size)
    values = [one.figures(np.ones((1, places.size))) for one in (first, second)]
    drawn = on_draws({0: (first, places), 1: (second, places)}, how, rounds=rounds, seed=seed)
    return {
        name: paired(float(values[0][name][0]), float(values[1][name][0]), drawn[0][name], drawn[1][name])
        for name in FIGURES
    }
