"""A new domain from few images: the one number that moves is the right one, and what cannot be known is not said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.recalibration import fit_shift, held_rate, held_thresholds, thresholds_from_reals
from telltale.pooling import sigmoid
from telltale.spec import Calibration

OLD = Calibration(slope=2.0, intercept=0.3, fitted_on="many", fingerprint="old")
CURVED = Calibration(
    slope=1.0, intercept=0.1, fitted_on="many", fingerprint="old", curve=((-1.0, -2.0), (0.0, 0.0), (1.0, 3.0))
)


def domain(count: int, moved: float, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Scores whose true log-odds are 2 x log-odds of the score + 0.3 + moved, for as many fakes as reals."""
    draw = np.random.default_rng(seed)
    places = draw.normal(-(0.3 + moved) / 2, 1.0, count)
    return draw.random(count) < sigmoid(2 * places + 0.3 + moved), sigmoid(places)


def shift(calibration: Calibration, is_fake: NDArray[np.bool_], scores: NDArray[np.float64]) -> Calibration:
    return fit_shift(calibration, is_fake, scores, fitted_on="few", fingerprint="new")


@pytest.mark.parametrize("moved", [-1.5, 0.0, 0.8])
def test_the_shift_of_a_domain_is_found(moved: float) -> None:
    found = shift(OLD, *domain(6000, moved))
    assert found.intercept == pytest.approx(0.3 + moved, abs=0.12)
    assert found.slope == OLD.slope
    assert found.fingerprint == "new"
    assert found.fitted_on.startswith("many; then the intercept moved by ")


@pytest.mark.parametrize("calibration", [OLD, CURVED])
def test_the_likelihood_is_highest_there(calibration: Calibration) -> None:
    is_fake, scores = domain(60, 0.7, seed=3)
    found = shift(calibration, is_fake, scores)

    def loss(intercept: float) -> float:
        places = np.array([calibration.log_odds(float(score)) for score in scores]) - calibration.intercept + intercept
        each = np.logaddexp(0, np.where(is_fake, -places, places))
        return float(each[is_fake].mean() + each[~is_fake].mean())

    best = loss(found.intercept)
    assert all(loss(found.intercept + step) > best for step in (-0.1, -0.01, 0.01, 0.1))


def test_it_stays_finite_where_reals_and_fakes_do_not_overlap_and_where_all_scores_are_equal() -> None:
    apart = shift(OLD, np.array([False, False, True]), np.array([0.0, 0.1, 1.0]))
    assert np.isfinite(apart.intercept)
    equal = shift(OLD, np.array([False, False, True]), np.full(3, 0.9))
    assert equal(0.9) == pytest.approx(0.5)


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidDataset, match="no fakes"):
        shift(OLD, np.zeros(3, np.bool_), np.array([0.1, 0.2, 0.3]))


@given(st.floats(0, 0.99), st.integers(1, 400))
def test_the_next_image_keeps_the_rate(rate: float, images: int) -> None:
    beyond = round(held_rate(rate, images) * images)
    assert beyond == pytest.approx(held_rate(rate, images) * images)
    if beyond:
        assert (beyond + 1) / (images + 1) <= rate + 1e-9
    assert (beyond + 2) / (images + 1) > rate


def test_rates_and_counts_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InvalidConfig):
        held_rate(1.0, 10)
    with pytest.raises(InvalidConfig):
        held_rate(float("nan"), 10)
    with pytest.raises(InvalidDataset):
        held_rate(0.05, 0)


def test_reals_alone_keep_the_rate_on_images_to_come() -> None:
    draw, alarms = np.random.default_rng(0), []
    for _ in range(400):
        found = thresholds_from_reals(draw.beta(2, 4, 39), false_alarm_rate=0.1, chosen_on="few", fingerprint="new")
        alarms.append((draw.beta(2, 4, 200) >= found.fake_above).mean())
    assert 0.08 < np.mean(alarms) <= 0.105


def test_reals_alone_never_make_an_image_likely_real() -> None:
    found = thresholds_from_reals(np.linspace(0.2, 0.6, 40), false_alarm_rate=0.05, chosen_on="few", fingerprint="new")
    assert [found(p) for p in (1e-9, 0.3, 0.7)] == ["inconclusive", "inconclusive", "likely generated"]
    assert (found.miss_rate, found.real_below) == (0.0, 0.0)
    assert found.false_alarm_rate <= 0.05
    with pytest.raises(InvalidConfig, match="below 1"):
        thresholds_from_reals(np.ones(40), false_alarm_rate=0.05, chosen_on="", fingerprint="")


def test_thresholds_hold_for_the_next_image_not_for_these_alone() -> None:
    draw = np.random.default_rng(0)
    alarms, misses = [], []
    for _ in range(200):
        is_fake = np.arange(100) >= 60
        found = held_thresholds(
            is_fake,
            np.where(is_fake, draw.beta(3, 3, 100), draw.beta(2, 4, 100)),
            false_alarm_rate=0.1,
            miss_rate=0.1,
            chosen_on="",
            fingerprint="",
        )
        alarms.append((draw.beta(2, 4, 300) >= found.fake_above).mean())
        misses.append((draw.beta(3, 3, 300) <= found.real_below).mean())
    assert np.mean(alarms) <= 0.105
    assert np.mean(misses) <= 0.105
