"""From scores to probabilities and verdicts, on data that were used for nothing else."""

from collections.abc import Mapping
from math import ceil
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from telltale.errors import InvalidConfig, require
from telltale.evaluate.metrics import both_classes
from telltale.pooling import logit
from telltale.spec import Calibration, Thresholds

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]


def fit_platt(
    is_fake: Labels, scores: Scores, *, weights: Scores | None = None, fitted_on: str, fingerprint: str
) -> Calibration:
    """Platt scaling: logistic regression on the score's log-odds, reals and fakes weighing the same in sum.

    Args:
        is_fake: labels.
        scores: pooled scores, in [0, 1].
        weights: of each image within its class, for instance so that every source counts the same.
        fitted_on: the data in words.
        fingerprint: hash of the data.

    Raises:
        InvalidDataset: one class only.
        InvalidConfig: the scores order these images at chance or worse, so that no slope above 0 fits.
    """
    weight = balanced(is_fake, weights)
    # C is large: with one coefficient and hundreds of images there is nothing to regularise.
    model = require("sklearn.linear_model", "evaluate").LogisticRegression(C=1e6, max_iter=1000)
    model.fit(_log_odds(scores)[:, None], is_fake, sample_weight=weight)
    return Calibration(
        slope=float(model.coef_[0, 0]),
        intercept=float(model.intercept_[0]),
        fitted_on=fitted_on,
        fingerprint=fingerprint,
    )


def fit_temperature(
    is_fake: Labels, scores: Scores, *, weights: Scores | None = None, fitted_on: str, fingerprint: str
) -> Calibration:
    """Temperature scaling (Guo et al., 2017): the score's log-odds times one number, the inverse temperature.

    It makes a detector more or less sure and never moves the score at which it is undecided, 0.5. Where that score is
    off, Platt scaling is the choice.

    Args, Raises: as for `fit_platt`.
    """
    model = require("sklearn.linear_model", "evaluate").LogisticRegression(C=1e6, max_iter=1000, fit_intercept=False)
    weight = balanced(is_fake, weights)
    model.fit(_log_odds(scores)[:, None], is_fake, sample_weight=weight)
    return Calibration(slope=float(model.coef_[0, 0]), intercept=0.0, fitted_on=fitted_on, fingerprint=fingerprint)


# Fewer images than this a knot, and the curve follows chance.
IMAGES_A_KNOT, KNOTS = 10, 32


def fit_isotonic(
    is_fake: Labels, scores: Scores, *, weights: Scores | None = None, fitted_on: str, fingerprint: str
) -> Calibration:
    """Isotonic regression (Zadrozny and Elkan, 2002), kept strictly rising so that no two images become equal.

    Steps of the pooled-adjacent-violators solution become knots at their mean place, joined by straight lines in
    log-odds. Neighbouring steps are merged until each rests on 10 images and there are at most 32; half a real and half
    a fake are added to each, so that no probability is 0 or 1, and steps that then no longer rise are merged too.

    It follows any shape, and takes a thousand images to do so better than Platt scaling does.

    Args: as for `fit_platt`.

    Raises:
        InvalidDataset: one class only.
        InvalidConfig: the scores order these images at chance or worse, or there are too few for two knots.
    """
    weight, places = balanced(is_fake, weights), _log_odds(scores)
    model = require("sklearn.isotonic", "evaluate").IsotonicRegression()
    # Rounded, because the levels of one step differ in their last digits.
    levels = model.fit_transform(places, is_fake, sample_weight=weight).round(9)
    steps = np.unique(levels, return_inverse=True)[1]
    each = (np.ones_like(weight), weight, weight * places, weight * is_fake)
    knots = _merged(np.stack([np.bincount(steps, values) for values in each], axis=1), scores.size)
    if len(knots) < 2:
        raise InvalidConfig(
            expected=f"scores that rise with the share of fakes, on {2 * IMAGES_A_KNOT} images or more",
            found=f"{scores.size} images at which they do not",
            do="Calibrate with platt, or on more images that the detector orders better than chance.",
        )
    curve = tuple((float(knot[2] / knot[1]), logit(_level(knot))) for knot in knots)
    return Calibration(slope=1.0, intercept=0.0, fitted_on=fitted_on, fingerprint=fingerprint, curve=curve)


# Sums over the images of one step: number, weight, weighted log-odds of the score, weight of the fakes.
_Step = Float[np.ndarray, "4"]


def _level(step: _Step) -> float:
    """Share of fakes, with half a real and half a fake more."""
    return float((step[0] * step[3] / step[1] + 0.5) / (step[0] + 1))


def _merged(steps: Float[np.ndarray, "steps 4"], images: int) -> list[_Step]:
    """Join neighbours until every step rests on enough images and lies above the one before."""
    least, found = max(IMAGES_A_KNOT, ceil(images / KNOTS)), list(steps)
    while len(found) > 1:
        smallest = min(range(len(found)), key=lambda index: float(found[index][0]))
        falls = [index for index in range(len(found) - 1) if _level(found[index]) >= _level(found[index + 1])]
        if found[smallest][0] < least:
            beside = [index for index in (smallest - 1, smallest + 1) if 0 <= index < len(found)]
            first = min(smallest, min(beside, key=lambda index: float(found[index][0])))
        elif falls:
            first = falls[0]
        else:
            break
        found[first : first + 2] = [found[first] + found[first + 1]]
    return found


class Fit(Protocol):
    """How a calibration is fitted: the seam that `METHODS` and a recalibration share."""

    def __call__(
        self, is_fake: Labels, scores: Scores, *, weights: Scores | None, fitted_on: str, fingerprint: str
    ) -> Calibration:
        """As `fit_platt`."""


METHODS: Mapping[str, Fit] = {"platt": fit_platt, "temperature": fit_temperature, "isotonic": fit_isotonic}


def balanced(is_fake: Labels, weights: Scores | None) -> Scores:
    """Weights that sum to half the number of images within each label.

    Raises:
        InvalidDataset: one class only.
    """
    both_classes(is_fake, "the calibration data")
    weight = np.ones(is_fake.size) if weights is None else weights.astype(np.float64)
    for label in (False, True):
        weight = np.where(is_fake == label, weight / weight[is_fake == label].sum(), weight)
    return np.asarray(weight * is_fake.size / 2)


def _log_odds(scores: Scores) -> Scores:
    return np.array([logit(float(score)) for score in scores])


def choose_thresholds(
    is_fake: Labels,
    probabilities: Scores,
    *,
    false_alarm_rate: float,
    miss_rate: float,
    chosen_on: str,
    fingerprint: str,
) -> Thresholds:
    """The three verdicts: at most the stated share of reals above, at most the stated share of fakes below.

    Args:
        is_fake: labels.
        probabilities: calibrated, in [0, 1].
        false_alarm_rate: share of reals that may be called "likely generated".
        miss_rate: share of fakes that may be called "likely real".
        chosen_on: the data in words.
        fingerprint: hash of the data.

    Returns:
        Thresholds with the rates these data really give. Where the classes are so far apart that the two would cross,
        they meet in the middle and nothing is inconclusive.

    Raises:
        InvalidDataset: one class only.
        InvalidConfig: a rate outside [0, 1), or so many probabilities at exactly 1 (of reals) or 0 (of fakes) that no
            threshold keeps the rate.
    """
    both_classes(is_fake, "the threshold data")
    if not (0 <= false_alarm_rate < 1 and 0 <= miss_rate < 1):
        raise InvalidConfig(
            expected="rates in [0, 1)", found=f"{false_alarm_rate} and {miss_rate}", do="Give shares, not percent."
        )
    reals, fakes = np.sort(probabilities[~is_fake]), np.sort(probabilities[is_fake])
    above = np.nextafter(reals[::-1][_allowed(false_alarm_rate, reals.size)], 2.0)
    below = np.nextafter(fakes[_allowed(miss_rate, fakes.size)], -1.0)
    if below > above:
        below = above = (below + above) / 2
    if above > 1 or below < 0:
        raise InvalidConfig(
            expected="probabilities that leave room for the thresholds",
            found=f"so many reals at 1 or fakes at 0 that rates of {false_alarm_rate} and {miss_rate} cannot be kept",
            do="Allow higher rates, or calibrate again.",
        )
    return Thresholds(
        real_below=float(below),
        fake_above=float(above),
        false_alarm_rate=float((reals >= above).mean()),
        miss_rate=float(((fakes <= below) & (fakes < above)).mean()),
        chosen_on=chosen_on,
        fingerprint=fingerprint,
    )


def _allowed(rate: float, images: int) -> int:
    """How many images a rate allows; the small term undoes rounding such as 0.29 * 100 < 29."""
    return min(int(rate * images + 1e-9), images - 1)
