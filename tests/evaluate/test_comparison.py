"""DeLong's test against its formula written out, and against the paired bootstrap."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from telltale.errors import InvalidDataset
from telltale.evaluate.comparison import delong, paired, paired_bootstrap
from telltale.evaluate.measures import measures
from telltale.evaluate.metrics import auc
from telltale.evaluate.resampling import FIGURES, prepared, resampling

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def images(count: int = 400, *, seed: int = 0, better: float = 0.1) -> tuple[Labels, Scores, Scores]:
    draw = np.random.default_rng(seed)
    is_fake = np.arange(count) % 3 == 0
    shared = draw.normal(0, 0.15, count)
    first = np.clip(0.4 + (0.1 + better) * is_fake + shared + draw.normal(0, 0.1, count), 0, 1)
    second = np.clip(0.4 + 0.1 * is_fake + shared + draw.normal(0, 0.1, count), 0, 1)
    return is_fake, first, second


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Labels, Scores, Scores]:
    count = draw(st.integers(5, 12))
    labels = draw(
        st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda found: 2 <= sum(found) <= count - 2)
    )
    values = st.lists(st.sampled_from((0.0, 0.1, 0.3, 0.5, 0.9)), min_size=count, max_size=count)
    return np.array(labels), np.array(draw(values)), np.array(draw(values))


def variance_by_hand(is_fake: Labels, first: Scores, second: Scores) -> float:
    """The paper's formula: covariances of the placements V10 (of fakes) and V01 (of reals), every pair counted."""

    def wins(scores: Scores) -> NDArray[np.float64]:
        each = [(fake > real) + (fake == real) / 2 for fake, real in product(scores[is_fake], scores[~is_fake])]
        return np.array(each).reshape(is_fake.sum(), (~is_fake).sum())

    table = [wins(scores) for scores in (first, second)]
    v10 = np.cov([one.mean(1) for one in table])
    v01 = np.cov([one.mean(0) for one in table])
    whole = v10 / is_fake.sum() + v01 / (~is_fake).sum()
    return float(whole[0, 0] + whole[1, 1] - 2 * whole[0, 1])


@given(pairs())
def test_delong_is_the_papers_formula(data: tuple[Labels, Scores, Scores]) -> None:
    is_fake, first, second = data
    found = delong(is_fake, first, second)
    assert (found.first, found.second) == pytest.approx((auc(is_fake, first), auc(is_fake, second)))
    deviation = sqrt(max(variance_by_hand(*data), 0))
    if deviation < 1e-6:
        assert found.p is None
        return
    assert found.p == pytest.approx(2 * norm.sf(abs(found.difference.value) / deviation), rel=1e-6)
    low, high = found.difference.value - 1.96 * deviation, found.difference.value + 1.96 * deviation
    assert found.difference.low == pytest.approx(max(low, -1), abs=1e-4)
    assert found.difference.high == pytest.approx(min(high, 1), abs=1e-4)


def test_a_case_counted_by_hand() -> None:
    # Fakes 0.9, 0.4 against reals 0.5, 0.1: three of four pairs are won, and all four by the second detector.
    is_fake = np.array([True, True, False, False])
    found = delong(is_fake, np.array([0.9, 0.4, 0.5, 0.1]), np.array([0.9, 0.8, 0.2, 0.1]))
    assert (found.first, found.second) == (0.75, 1.0)
    # Placements of the first: fakes (1, 1/2), reals (1/2, 1): variances 1/8 each, over two images each.
    deviation = sqrt(1 / 8 / 2 + 1 / 8 / 2)
    assert found.difference.low == pytest.approx(-0.25 - 1.959964 * deviation)
    assert found.p == pytest.approx(2 * norm.sf(0.25 / deviation))


def test_delong_and_the_paired_bootstrap_agree() -> None:
    is_fake, first, second = images()
    by_formula = delong(is_fake, first, second)
    how = resampling(is_fake, np.where(is_fake, "g", "r"), np.full(is_fake.size, ""))
    by_draws = paired_bootstrap(prepared(is_fake, first), prepared(is_fake, second), how, rounds=3000)["auc"]
    assert by_draws.difference.value == pytest.approx(by_formula.difference.value)
    assert by_draws.difference.low == pytest.approx(by_formula.difference.low, abs=0.012)
    assert by_draws.difference.high == pytest.approx(by_formula.difference.high, abs=0.012)
    assert by_formula.p is not None
    assert by_draws.p is not None
    assert by_formula.p < 0.01
    assert by_draws.p < 0.01


def test_under_no_difference_p_is_uniform() -> None:
    found = [delong(*images(90, seed=seed, better=0)).p for seed in range(300)]
    values = np.array([p for p in found if p is not None])
    assert values.size == 300
    assert (values < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert values.mean() == pytest.approx(0.5, abs=0.06)


def test_bootstrap_covers_every_figure_and_turns_with_the_order() -> None:
    is_fake, first, second = images()
    how = resampling(is_fake, np.where(is_fake, "g", "r"), np.full(is_fake.size, ""))
    one, other = prepared(is_fake, first), prepared(is_fake, second)
    found, turned = paired_bootstrap(one, other, how, rounds=200), paired_bootstrap(other, one, how, rounds=200)
    whole = measures(is_fake, first)
    for name in FIGURES:
        assert found[name].first == pytest.approx(getattr(whole, name), abs=1e-9)
        assert found[name].difference.value == pytest.approx(-turned[name].difference.value)
        assert found[name].difference.low == pytest.approx(-turned[name].difference.high)
        assert found[name].p == pytest.approx(turned[name].p)


def test_the_same_detector_twice_has_no_difference_and_no_p() -> None:
    is_fake, first, _ = images(60)
    how = resampling(is_fake, np.where(is_fake, "g", "r"), np.full(60, ""))
    drawn = paired_bootstrap(prepared(is_fake, first), prepared(is_fake, first), how, rounds=50)["auc"]
    for found in (delong(is_fake, first, first), delong(is_fake, first, first**2), drawn):
        assert (found.difference.value, found.p) == (0, None)
        assert found.difference.low == found.difference.high == 0


def test_one_image_of_each_class_is_no_evidence() -> None:
    found = delong(np.array([True, False]), np.array([0.9, 0.1]), np.array([0.1, 0.9]))
    assert (found.first, found.second, found.p) == (1, 0, None)


def test_rounds_without_a_figure_do_not_count() -> None:
    first, second = np.array([0.9, np.nan, 0.8, 0.7]), np.array([0.5, 0.5, np.nan, 0.6])
    found = paired(0.8, 0.5, first, second)
    assert found.p == pytest.approx(2 * 1 / 3)
    assert paired(0.8, 0.5, first * np.nan, second).p is None


def test_one_class_only_is_refused() -> None:
    with pytest.raises(InvalidDataset, match="no fakes"):
        delong(np.zeros(4, np.bool_), np.linspace(0, 1, 4), np.linspace(0, 1, 4))
