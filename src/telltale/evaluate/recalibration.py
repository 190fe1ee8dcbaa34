"""A new domain from a few dozen images: one number moves, everything else stays as the large data set fitted it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.calibration import balanced, choose_thresholds
from telltale.pooling import sigmoid
from telltale.spec import Calibration, Thresholds

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]


def fit_shift(
    calibration: Calibration,
    is_fake: Labels,
    scores: Scores,
    *,
    weights: Scores | None = None,
    fitted_on: str,
    fingerprint: str,
) -> Calibration:
    """Keep slope and curve, and move the intercept to where these images are most likely.

    Another camera or service moves all scores by about as much, while how steeply they tell fakes from reals takes
    hundreds of images to see. The likelihood has one maximum, where the mean probability is the share of fakes, one
    half since both labels weigh the same; it is finite even where reals and fakes do not overlap.

    Args:
        calibration: of the domain that had many images.
        is_fake: labels.
        scores: pooled scores, in [0, 1].
        weights: of each image within its class.
        fitted_on: the new images in words.
        fingerprint: hash of the new images.

    Raises:
        InvalidDataset: one class only.
    """
    weight = balanced(is_fake, weights)
    places = np.array([calibration.log_odds(float(score)) for score in scores])
    low, high = -places.max() - 1.0, 1.0 - places.min()
    # The mean probability rises with the shift; at `low` it is below one half, at `high` above it.
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if weight @ sigmoid(places + middle) < weight.sum() / 2 else (low, middle)
    moved = (low + high) / 2
    return replace(
        calibration,
        intercept=calibration.intercept + moved,
        fitted_on=f"{calibration.fitted_on}; then the intercept moved by {moved:+.2f} on {fitted_on}",
        fingerprint=fingerprint,
    )


def check_rate(rate: float, name: str = "a rate") -> None:
    """A share that thresholds can keep, never percent.

    Raises:
        InvalidConfig: a rate outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise InvalidConfig(expected=f"{name} in [0, 1)", found=str(rate), do="Give a share, not percent.")


def held_rate(rate: float, images: int) -> float:
    """The share of `images` that may lie beyond a threshold so that a new image does so at most at `rate`.

    A threshold just above all but k of n images is passed by the next image of the same kind with probability
    (k + 1) / (n + 1) at most, whatever the distribution (split conformal prediction; Vovk et al., 2005). Where n is too
    small for that, 0: then the threshold lies above them all, which holds 1 / (n + 1).

    Args:
        rate: in [0, 1).
        images: how many there are, 1 or more.

    Raises:
        InvalidConfig: a rate outside [0, 1).
        InvalidDataset: no images.
    """
    check_rate(rate)
    if images < 1:
        raise InvalidDataset(expected="at least one image", found="none", do="Add images.")
    return max(0, int(rate * (images + 1) + 1e-9) - 1) / images


def held_thresholds(
    is_fake: Labels,
    probabilities: Scores,
    *,
    false_alarm_rate: float,
    miss_rate: float,
    chosen_on: str,
    fingerprint: str,
) -> Thresholds:
    """`choose_thresholds`, so that the rates hold for the next image and not for these alone: see `held_rate`."""
    fakes = int(is_fake.sum())
    return choose_thresholds(
        is_fake,
        probabilities,
        false_alarm_rate=held_rate(false_alarm_rate, max(1, is_fake.size - fakes)),
        miss_rate=held_rate(miss_rate, max(1, fakes)),
        chosen_on=chosen_on,
        fingerprint=fingerprint,
    )


def thresholds_from_reals(
    probabilities: Float[np.ndarray, "n"], *, false_alarm_rate: float, chosen_on: str, fingerprint: str
) -> Thresholds:
    """One threshold, from reals alone: "likely generated" keeps the rate, and nothing is ever "likely real".

    Without fakes nobody can know how many of them a lower threshold would let pass, so there is none; nor where a
    calibration should move to, so it stays.

    Args:
        probabilities: of reals, calibrated, in [0, 1].
        false_alarm_rate: share of reals that may be called "likely generated".
        chosen_on: the reals in words.
        fingerprint: hash of the reals.

    Raises:
        InvalidDataset: no images.
        InvalidConfig: a rate outside [0, 1), or so many reals at probability 1 that no threshold keeps it.
    """
    allowed = round(held_rate(false_alarm_rate, probabilities.size) * probabilities.size)
    above = float(np.nextafter(np.sort(probabilities)[::-1][allowed], 2.0))
    if above > 1:
        raise InvalidConfig(
            expected="reals with probabilities below 1",
            found=f"more than {allowed} of {probabilities.size} at 1",
            do="Allow a higher rate, or calibrate again with fakes.",
        )
    return Thresholds(
        real_below=0.0,
        fake_above=above,
        false_alarm_rate=float((probabilities >= above).mean()),
        miss_rate=0.0,
        chosen_on=chosen_on,
        fingerprint=fingerprint,
    )
