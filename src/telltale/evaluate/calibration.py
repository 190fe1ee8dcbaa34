"""From scores to probabilities and verdicts, on data that were used for nothing else."""

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
    both_classes(is_fake, "the calibration data")
    weight = np.ones(scores.size) if weights is None else weights.astype(np.float64)
    for label in (False, True):
        weight = np.where(is_fake == label, weight / weight[is_fake == label].sum(), weight)
    # C is large: with one coefficient and hundreds of images there is nothing to regularise.
    model = require("sklearn.linear_model", "evaluate").LogisticRegression(C=1e6, max_iter=1000)
    inputs = np.array([logit(float(score)) for score in scores])[:, None]
    model.fit(inputs, is_fake, sample_weight=weight * scores.size / 2)
    return Calibration(
        slope=float(model.coef_[0, 0]),
        intercept=float(model.intercept_[0]),
        fitted_on=fitted_on,
        fingerprint=fingerprint,
    )


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
