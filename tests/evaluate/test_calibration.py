"""Probabilities and verdicts: against a solver written from the formula, and against what the rates promise."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.calibration import METHODS, choose_thresholds, fit_isotonic, fit_platt, fit_temperature
from telltale.pooling import logit
from telltale.spec import Calibration, Thresholds

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def data(reals: int = 300, fakes: int = 200, seed: int = 0) -> tuple[Labels, Scores]:
    draw = np.random.default_rng(seed)
    is_fake = np.arange(reals + fakes) >= reals
    return is_fake, 1 / (1 + np.exp(-draw.normal(is_fake * 1.2 - 0.4, 1.0)))


def fit(is_fake: Labels, scores: Scores, weights: Scores | None = None) -> Calibration:
    return fit_platt(is_fake, scores, weights=weights, fitted_on="a test", fingerprint="f")


def newton(is_fake: Labels, scores: Scores, weights: Scores) -> tuple[float, float]:
    """Slope and intercept that minimise the weighted log loss, by Newton's method from the formulas."""
    inputs = np.stack([np.array([logit(float(score)) for score in scores]), np.ones(scores.size)])
    weight = np.where(is_fake, weights / weights[is_fake].sum(), weights / weights[~is_fake].sum())
    found = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-found @ inputs))
        gradient = inputs @ (weight * (probability - is_fake))
        curvature = (inputs * (weight * probability * (1 - probability))) @ inputs.T
        found -= np.linalg.solve(curvature, gradient)
    return float(found[0]), float(found[1])


@pytest.mark.parametrize("weighted", [False, True])
def test_platt_scaling_minimises_the_log_loss(weighted: bool) -> None:
    is_fake, scores = data()
    weights = np.random.default_rng(1).uniform(0.2, 5, scores.size) if weighted else np.ones(scores.size)
    found = fit(is_fake, scores, weights if weighted else None)
    slope, intercept = newton(is_fake, scores, weights)
    assert found.slope == pytest.approx(slope, rel=1e-3)
    assert found.intercept == pytest.approx(intercept, abs=1e-3)
    assert (found.fitted_on, found.fingerprint) == ("a test", "f")


def test_the_share_of_fakes_does_not_move_the_probability() -> None:
    is_fake, scores = data()
    once = fit(is_fake, scores)
    more = np.concatenate([np.flatnonzero(~is_fake)] * 5 + [np.flatnonzero(is_fake)])
    again = fit(is_fake[more], scores[more])
    assert (again.slope, again.intercept) == pytest.approx((once.slope, once.intercept), abs=1e-3)


def test_only_the_proportions_of_the_weights_count() -> None:
    is_fake, scores = data()
    weights = np.random.default_rng(2).uniform(1, 3, scores.size)
    small, large = fit(is_fake, scores, weights), fit(is_fake, scores, weights * 1e4)
    assert (small.slope, small.intercept) == pytest.approx((large.slope, large.intercept), rel=1e-6)


def test_calibrated_scores_are_calibrated() -> None:
    is_fake, scores = data(8000, 8000)
    calibration = fit(is_fake, scores)
    probability = np.array([calibration(float(score)) for score in scores])
    for low in np.arange(0.2, 0.8, 0.1):
        inside = (probability >= low) & (probability < low + 0.1)
        assert is_fake[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.04)


def test_unanimous_scores_stay_finite() -> None:
    is_fake, _ = data(20, 20)
    found = fit(is_fake, is_fake.astype(np.float64))
    assert found(1.0) > 0.99
    assert found(0.0) < 0.01


def test_scores_at_chance_or_worse_are_refused() -> None:
    is_fake, scores = data()
    with pytest.raises(InvalidConfig, match="slope above 0"):
        fit(is_fake, 1 - scores)
    with pytest.raises(InvalidConfig, match="better than chance"):
        fit(is_fake, np.full(is_fake.size, 0.7))


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidDataset, match="calibration data; found 4 images and no fakes"):
        fit(np.zeros(4, np.bool_), np.linspace(0.1, 0.9, 4))
    with pytest.raises(InvalidDataset, match="threshold data; found 4 images and no reals"):
        choose(np.ones(4, np.bool_), np.linspace(0.1, 0.9, 4), 0.05, 0.05)


def choose(is_fake: Labels, probabilities: Scores, false_alarms: float, misses: float) -> Thresholds:
    return choose_thresholds(
        is_fake, probabilities, false_alarm_rate=false_alarms, miss_rate=misses, chosen_on="a test", fingerprint="f"
    )


@st.composite
def judged(draw: st.DrawFn) -> tuple[Labels, Scores]:
    count = draw(st.integers(2, 40))
    labels = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda found: len(set(found)) == 2))
    values = st.floats(0, 1) | st.sampled_from((0.0, 0.25, 0.5, 1.0))
    return np.array(labels), np.array(draw(st.lists(values, min_size=count, max_size=count)))


@settings(max_examples=300)
@given(judged(), st.floats(0, 0.99), st.floats(0, 0.99))
def test_the_stated_rates_are_kept_and_are_what_the_verdicts_give(
    found: tuple[Labels, Scores], false_alarms: float, misses: float
) -> None:
    is_fake, probabilities = found
    try:
        thresholds = choose(is_fake, probabilities, false_alarms, misses)
    except InvalidConfig:
        # Only where probabilities at the very end leave no room for a threshold beyond them.
        assert (probabilities[~is_fake] == 1).any() or (probabilities[is_fake] == 0).any()
        return
    verdicts = np.array([thresholds(float(probability)) for probability in probabilities])
    assert thresholds.false_alarm_rate == (verdicts[~is_fake] == "likely generated").mean()
    assert thresholds.miss_rate == (verdicts[is_fake] == "likely real").mean()
    assert thresholds.false_alarm_rate <= false_alarms + 1e-9
    assert thresholds.miss_rate <= misses + 1e-9


@given(judged(), st.floats(0, 0.99), st.floats(0, 0.99))
def test_no_wider_verdict_would_keep_the_rates(
    found: tuple[Labels, Scores], false_alarms: float, misses: float
) -> None:
    is_fake, probabilities = found
    try:
        thresholds = choose(is_fake, probabilities, false_alarms, misses)
    except InvalidConfig:
        return
    assume(thresholds.real_below < thresholds.fake_above)
    reals, fakes = probabilities[~is_fake], probabilities[is_fake]
    below = reals[reals < thresholds.fake_above]
    assert below.size
    assert (reals >= below.max()).mean() > false_alarms - 1e-9
    above = fakes[fakes > thresholds.real_below]
    assert above.size
    assert (fakes <= above.min()).mean() > misses - 1e-9


def test_a_rate_of_29_percent_of_100_is_29_images() -> None:
    is_fake = np.arange(200) >= 100
    probabilities = np.concatenate([np.linspace(0.2, 0.8, 100), np.linspace(0.21, 0.81, 100)])
    thresholds = choose(is_fake, probabilities, 0.29, 0.29)
    assert thresholds.false_alarm_rate == 0.29
    assert thresholds.miss_rate == 0.29


def test_separated_classes_leave_nothing_inconclusive() -> None:
    is_fake = np.arange(20) >= 10
    thresholds = choose(is_fake, np.where(is_fake, 0.9, 0.1) + np.arange(20) / 1000, 0.05, 0.05)
    assert thresholds.real_below == thresholds.fake_above
    assert 0.11 < thresholds.fake_above < 0.9
    assert (thresholds.false_alarm_rate, thresholds.miss_rate) == (0, 0)


def test_a_fake_exactly_where_the_verdicts_meet_is_not_missed() -> None:
    is_fake = np.arange(8) >= 4
    thresholds = choose(is_fake, np.array([0.25] * 4 + [0.5, 0.75, 0.75, 0.75]), 0.0, 0.25)
    assert thresholds.real_below == thresholds.fake_above == 0.5
    assert thresholds(0.5) == "likely generated"
    assert thresholds.miss_rate == 0


def test_rates_that_cannot_be_kept_or_make_no_sense_are_refused() -> None:
    is_fake = np.arange(20) >= 10
    with pytest.raises(InvalidConfig, match="cannot be kept"):
        choose(is_fake, np.ones(20), 0.05, 0.05)
    for rate in (-0.1, 1.0, 5.0):
        with pytest.raises(InvalidConfig, match="not percent"):
            choose(is_fake, np.linspace(0.1, 0.9, 20), rate, 0.05)
        with pytest.raises(InvalidConfig, match="not percent"):
            choose(is_fake, np.linspace(0.1, 0.9, 20), 0.05, rate)


def test_temperature_is_platt_without_an_intercept() -> None:
    is_fake, scores = data()
    found = fit_temperature(is_fake, scores, fitted_on="a test", fingerprint="f")
    assert found.intercept == 0
    assert found(0.5) == 0.5
    places = np.array([logit(float(score)) for score in scores])

    def loss(slope: float) -> float:
        each = np.logaddexp(0, np.where(is_fake, -slope * places, slope * places))
        return float(each[is_fake].mean() + each[~is_fake].mean())

    best = loss(found.slope)
    assert all(loss(found.slope + step) > best for step in (-0.05, -0.01, 0.01, 0.05))


def isotonic(is_fake: Labels, scores: Scores) -> Calibration:
    return fit_isotonic(is_fake, scores, fitted_on="a test", fingerprint="f")


def test_isotonic_follows_a_shape_that_platt_cannot() -> None:
    draw = np.random.default_rng(0)
    places = draw.uniform(-3, 3, 20_000)
    truth = np.where(places < 0, 0.3, 0.8)
    is_fake = draw.random(places.size) < truth
    scores = 1 / (1 + np.exp(-places))
    found, platt = isotonic(is_fake, scores), fit(is_fake, scores)
    # The calibration is for equally many reals and fakes; these have 55 fakes in 100.
    prior = np.log(is_fake.mean() / (1 - is_fake.mean()))
    for score, expected in ((0.2, 0.3), (0.7, 0.8), (0.9, 0.8)):
        balanced = 1 / (1 + np.exp(-(np.log(expected / (1 - expected)) - prior)))
        assert found(score) == pytest.approx(balanced, abs=0.05)
    assert platt(0.55) < 0.6 < 0.7 < found(0.55)


@given(st.integers(0, 30), st.integers(15, 200), st.integers(15, 200), st.sampled_from((2, 5, 1000)))
@settings(max_examples=40)
def test_isotonic_never_makes_two_scores_equal_and_never_reaches_the_ends(
    seed: int, reals: int, fakes: int, levels: int
) -> None:
    is_fake, scores = data(reals, fakes, seed)
    scores = np.round(scores * levels) / levels
    try:
        found = isotonic(is_fake, scores)
    except InvalidConfig:
        return
    assert 2 <= len(found.curve) <= 32
    said = [found.log_odds(float(score)) for score in np.linspace(0.001, 0.999, 200)]
    assert (np.diff(said) > 0).all()
    assert all(abs(height) < 8 for _, height in found.curve)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_refuses_chance_and_one_class(method: str) -> None:
    is_fake, scores = data(400, 400)
    about = {"weights": None, "fitted_on": "", "fingerprint": ""}
    assert METHODS[method](is_fake, scores, **about)(0.9) > 0.6  # type: ignore[arg-type]
    for useless in (1 - scores, np.full(is_fake.size, 0.5)):
        with pytest.raises(InvalidConfig):
            METHODS[method](is_fake, useless, **about)  # type: ignore[arg-type]
    with pytest.raises(InvalidDataset):
        METHODS[method](np.ones(4, np.bool_), np.linspace(0.1, 0.9, 4), **about)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_minds_how_many_fakes_there_are(method: str) -> None:
    is_fake, scores = data(1000, 1000)
    more = np.concatenate([np.flatnonzero(~is_fake), *[np.flatnonzero(is_fake)] * 3])
    about = {"weights": None, "fitted_on": "", "fingerprint": ""}
    once, again = (METHODS[method](is_fake[i], scores[i], **about) for i in (np.arange(is_fake.size), more))  # type: ignore[arg-type]
    for score in (0.3, 0.5, 0.7):
        assert once(score) == pytest.approx(again(score), abs=0.06 if method == "isotonic" else 1e-3)
