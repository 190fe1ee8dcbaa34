"""Metrics against counting by hand."""

from itertools import product
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from telltale.errors import InvalidDataset
from telltale.evaluate.metrics import (
    Estimate,
    auc,
    average_precision,
    average_precision_real,
    bias_corrected,
    bootstrap,
    both_classes,
    ece_if_calibrated,
    expected_calibration_error,
    share,
)
from telltale.evaluate.resampling import prepared

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Labels, Scores]:
    """Few images with many ties, and both classes."""
    count = draw(st.integers(2, 12))
    labels = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda found: len(set(found)) == 2))
    scores = draw(st.lists(st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1.0)), min_size=count, max_size=count))
    return np.array(labels), np.array(scores)


def ap_by_hand(is_positive: Labels, scores: Scores) -> float:
    """Sum over falling thresholds of precision times the recall gained; equal scores fall together."""
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        called = scores >= threshold
        reached = (called & is_positive).sum() / is_positive.sum()
        area += (reached - recall) * (called & is_positive).sum() / called.sum()
        recall = reached
    return float(area)


@settings(deadline=None)
@given(labelled())
def test_auc_counts_pairs(data: tuple[Labels, Scores]) -> None:
    is_fake, scores = data
    pairs = [
        1.0 if fake > real else 0.5 if fake == real else 0.0
        for fake, real in product(scores[is_fake], scores[~is_fake])
    ]
    assert auc(is_fake, scores) == pytest.approx(np.mean(pairs))


@settings(deadline=None)
@given(labelled())
def test_average_precision_counts_thresholds(data: tuple[Labels, Scores]) -> None:
    is_fake, scores = data
    assert average_precision(is_fake, scores) == pytest.approx(ap_by_hand(is_fake, scores))
    assert average_precision_real(is_fake, scores) == pytest.approx(ap_by_hand(~is_fake, -scores))


@pytest.mark.parametrize("digits", [1, 2, 15])
def test_metrics_are_scikit_learns_with_fake_as_positive(digits: int) -> None:
    draw = np.random.default_rng(digits)
    is_fake = draw.random(3000) < 0.3
    scores = np.clip(draw.normal(0.45 + 0.1 * is_fake, 0.2), 0, 1).round(digits)
    assert auc(is_fake, scores) == pytest.approx(reference.roc_auc_score(is_fake, scores), abs=1e-12)
    ap = reference.average_precision_score(is_fake, scores)
    assert average_precision(is_fake, scores) == pytest.approx(ap, abs=1e-12)
    ap = reference.average_precision_score(~is_fake, -scores)
    assert average_precision_real(is_fake, scores) == pytest.approx(ap, abs=1e-12)
    assert auc(is_fake, scores) > 0.5
    assert auc(is_fake, scores) == pytest.approx(1 - auc(~is_fake, scores))


@given(labelled(), st.integers(1, 15))
def test_calibration_error_by_hand(data: tuple[Labels, Scores], bins: int) -> None:
    is_fake, probabilities = data
    gap = 0.0
    for index in range(bins):
        inside = [
            place
            for place, value in enumerate(probabilities)
            if int(value * bins) == index or (index == bins - 1 and value == 1)
        ]
        if inside:
            gap += len(inside) * abs(is_fake[inside].mean() - probabilities[inside].mean())
    assert expected_calibration_error(is_fake, probabilities, bins=bins) == pytest.approx(gap / is_fake.size)


@given(labelled(), st.integers(1, 12), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_a_weight_in_calibration_error_is_a_repeated_image(
    data: tuple[Labels, Scores], bins: int, times: list[int]
) -> None:
    is_fake, probabilities = data
    count = np.array(times[: is_fake.size])
    repeated = expected_calibration_error(np.repeat(is_fake, count), np.repeat(probabilities, count), bins=bins)
    weighted = expected_calibration_error(is_fake, probabilities, bins=bins, weights=count.astype(float))
    assert weighted == pytest.approx(repeated)


def test_perfect_calibration_has_no_error_and_certain_mistakes_have_all() -> None:
    is_fake = np.arange(100) < 30
    assert expected_calibration_error(is_fake, np.full(100, 0.3)) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(is_fake, 1.0 - is_fake) == pytest.approx(1)


@pytest.mark.parametrize(
    "metric", [auc, average_precision, average_precision_real, lambda labels, scores: bootstrap(auc, labels, scores)]
)
@pytest.mark.parametrize(("only", "missing"), [(True, "reals"), (False, "fakes")])
def test_one_class_only_is_refused_by_name(metric: object, only: bool, missing: str) -> None:
    assert callable(metric)
    with pytest.raises(InvalidDataset, match=rf"7 images and no {missing}.*Add {missing}"):
        metric(np.full(7, only), np.linspace(0, 1, 7))


@pytest.mark.parametrize("metric", [auc, average_precision, average_precision_real])
def test_scores_that_are_no_numbers_are_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(InvalidDataset, match="finite scores"):
        metric(np.array([True, False]), np.array([0.5, np.nan]))


def test_nothing_to_measure_is_refused() -> None:
    nothing, no_scores = np.zeros(0, np.bool_), np.zeros(0)
    with pytest.raises(InvalidDataset):
        both_classes(nothing, "the images")
    with pytest.raises(InvalidDataset, match="at least one image"):
        expected_calibration_error(nothing, no_scores)
    with pytest.raises(InvalidDataset, match="at least one image"):
        share(nothing)


def sample(count: int, seed: int = 0) -> tuple[Labels, Scores]:
    draw = np.random.default_rng(seed)
    is_fake = np.arange(count) % 3 == 0
    return is_fake, draw.normal(is_fake * 1.0, 1.0)


def test_bootstrap_repeats_itself_and_keeps_the_class_counts() -> None:
    is_fake, scores = sample(90)
    first, again = (bootstrap(auc, is_fake, scores, rounds=50) for _ in range(2))
    assert first == again
    assert first.low < first.value < first.high
    assert first != bootstrap(auc, is_fake, scores, rounds=50, seed=1)
    fakes = bootstrap(lambda labels, _: float(labels.sum()), is_fake, scores, rounds=20)
    assert (fakes.low, fakes.value, fakes.high) == (30, 30, 30)


@pytest.mark.parametrize("side", [True, False])
def test_bootstrap_interval_of_a_mean_is_the_textbooks(side: bool) -> None:
    is_fake, scores = sample(1200)
    found = bootstrap(lambda labels, values: float(values[labels == side].mean()), is_fake, scores)
    half = 1.96 * scores[is_fake == side].std() / sqrt((is_fake == side).sum())
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)
    wider = bootstrap(lambda labels, values: float(values[labels == side].mean()), is_fake, scores, level=0.99)
    assert wider.low < found.low < found.high < wider.high


def test_a_correction_moves_both_ends_to_where_the_value_stands() -> None:
    drawn = np.random.default_rng(0).normal(size=4001)
    middle = float(np.median(drawn))
    plain = np.quantile(drawn, [0.025, 0.975])
    found = bias_corrected(middle, drawn)
    assert (found.low, found.high) == pytest.approx(tuple(plain))
    # Draws of a normal distribution that lie half a deviation too high: the interval comes down by a whole one.
    shifted = bias_corrected(middle - 0.5, drawn)
    assert (shifted.low, shifted.high) == pytest.approx((plain[0] - 1, plain[1] - 1), abs=0.15)
    assert bias_corrected(1.0, np.ones(50)) == Estimate(1.0, 1.0, 1.0)
    # Beyond every draw: the end that lies there, not an infinite one.
    assert bias_corrected(9.0, drawn).high == drawn.max()


def test_average_precision_is_missed_less_often_than_by_plain_percentiles() -> None:
    """Of 50 reals and 50 fakes; the truth is that of the two distributions."""
    is_fake = np.arange(100) < 50
    draw = np.random.default_rng(3)
    many = np.arange(200_000) < 100_000
    truth = average_precision(many, draw.normal(many * 1.0, 1))
    missed = {"plain": 0, "corrected": 0}
    for _ in range(200):
        scores = draw.normal(is_fake * 1.0, 1)
        images = prepared(is_fake, scores)
        times = np.hstack([draw.multinomial(50, np.full(50, 0.02), size=200) for _ in range(2)]).astype(float)
        drawn = images.figures(times)["ap_fake"]
        found = bias_corrected(average_precision(is_fake, scores), drawn)
        missed["plain"] += not np.quantile(drawn, 0.025) <= truth <= np.quantile(drawn, 0.975)
        missed["corrected"] += not found.low <= truth <= found.high
    assert missed["corrected"] < missed["plain"] < 40


@pytest.mark.parametrize("share_fake", [0.5, 0.1])
def test_ece_of_right_probabilities_lies_where_it_should(share_fake: float) -> None:
    """Scores that are the probability of a fake where reals and fakes are equally many, whatever the share here."""
    draw = np.random.default_rng(1)
    inside, sharpened = 0, 0
    for seed in range(40):
        is_fake = np.arange(400) < 400 * share_fake
        probabilities = 1 / (1 + np.exp(-draw.normal(np.where(is_fake, 0.5, -0.5), 1)))
        weights = np.where(is_fake, 0.5 / is_fake.mean(), 0.5 / (~is_fake).mean())
        found = ece_if_calibrated(is_fake, probabilities, rounds=200, seed=seed)
        assert 0 < found.low < found.value < found.high
        inside += found.low <= expected_calibration_error(is_fake, probabilities, weights=weights) <= found.high
        odds = (probabilities / (1 - probabilities)) ** 3
        sharp = odds / (1 + odds)
        measured = expected_calibration_error(is_fake, sharp, weights=weights)
        sharpened += measured > ece_if_calibrated(is_fake, sharp, rounds=200, seed=seed).high
    assert inside >= 35
    assert sharpened >= 36


def test_ece_of_right_probabilities_of_whole_videos_lies_where_it_should() -> None:
    """Ten frames of a video have one label and nearly one probability: they say a tenth of what 200 pictures do."""
    draw = np.random.default_rng(1)
    inside = {"together": 0, "alone": 0}
    for seed in range(40):
        is_fake = np.repeat(np.arange(20) < 10, 10)
        place = np.repeat(draw.normal(np.where(is_fake[::10], 0.5, -0.5), 1), 10) + draw.normal(0, 0.01, 200)
        probabilities = 1 / (1 + np.exp(-place))
        measured = expected_calibration_error(is_fake, probabilities)
        for name, group in (("together", np.repeat(np.arange(20), 10)), ("alone", None)):
            found = ece_if_calibrated(is_fake, probabilities, group=group, rounds=200, seed=seed)
            inside[name] += found.low <= measured <= found.high
    assert inside["together"] >= 35
    assert inside["alone"] <= 5


def test_ece_of_right_probabilities_is_what_drawn_labels_give(monkeypatch: pytest.MonkeyPatch) -> None:
    is_fake = np.arange(60) < 20
    probabilities = np.random.default_rng(2).random(60)
    chance = probabilities / (probabilities + (1 - probabilities) * 2)
    drawn = np.random.default_rng(5).random((30, 60)) < chance
    each = [
        expected_calibration_error(
            labels, probabilities, weights=np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
        )
        for labels in drawn
    ]
    found = ece_if_calibrated(is_fake, probabilities, rounds=30, seed=5)
    assert found.value == pytest.approx(np.mean(each))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(each, [0.025, 0.975])))
    monkeypatch.setattr("telltale.evaluate.metrics._AT_ONCE", 60 * 7)
    assert ece_if_calibrated(is_fake, probabilities, rounds=30, seed=5) == found
    with pytest.raises(InvalidDataset, match="no fakes"):
        ece_if_calibrated(np.zeros(9, np.bool_), probabilities[:9])


@given(st.integers(0, 40), st.integers(1, 40))
def test_share_has_the_wilson_interval(hits: int, count: int) -> None:
    hits = min(hits, count)
    found = share(np.arange(count) < hits)
    z, part = 1.959963984540054, hits / count
    centre = (part + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(part * (1 - part) / count + z * z / (4 * count * count))
    assert found.value == pytest.approx(part)
    assert found.low == pytest.approx(max(0.0, centre - half), abs=1e-9)
    assert found.high == pytest.approx(min(1.0, centre + half), abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_share_takes_copies_for_one_image() -> None:
    hits = np.arange(40) < 12
    doubled, twice = np.repeat(hits, 3), np.repeat(np.arange(40), 3)
    found, alone = share(doubled, group=twice), share(hits)
    too_sure = share(doubled)
    assert found.value == alone.value
    # Student's quantile and a variance over 39 degrees of freedom make it a little wider than that of 40 images.
    assert alone.low - 0.02 < found.low < alone.low < too_sure.low
    assert too_sure.high < alone.high < found.high < alone.high + 0.02


def test_share_of_images_that_stand_alone_is_the_same_with_their_numbers() -> None:
    hits = np.arange(30) < 7
    assert share(hits, group=np.arange(30)[::-1]) == share(hits)


def test_share_of_agreeing_groups_counts_groups() -> None:
    none, of_ten = np.zeros(1000, np.bool_), np.repeat(np.arange(10), 100)
    found, alone = share(none, group=of_ten), share(none[:10])
    assert (found.value, found.low) == (0, 0)
    assert alone.high < found.high < alone.high + 0.1
    assert share(none).high < 0.01


def test_share_of_groups_that_spread_less_than_chance_is_not_surer_than_all_images() -> None:
    pairs = np.tile([True, False], 50)
    found, alone = share(pairs, group=np.repeat(np.arange(50), 2)), share(pairs)
    assert found.low <= alone.low < alone.high <= found.high


def test_share_of_few_groups_has_no_interval() -> None:
    found = share(np.arange(80) < 20, group=np.arange(80) % 4)
    assert found.value == 0.25
    assert isnan(found.low)
    assert isnan(found.high)


def test_share_in_groups_holds_the_truth_as_often_as_it_says() -> None:
    """Groups of six frames that are nearly all right or all wrong; a Wilson interval of the frames misses often."""
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 6)
    held, alone = 0, 0
    for _ in range(300):
        hits = np.repeat(draw.random(40) < 0.3, 6) ^ (draw.random(240) < 0.05)
        truth = 0.3 * 0.95 + 0.7 * 0.05
        found, naive = share(hits, group=group), share(hits)
        held += found.low <= truth <= found.high
        alone += naive.low <= truth <= naive.high
    assert held / 300 > 0.92
    assert alone / 300 < 0.75
