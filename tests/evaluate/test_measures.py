"""Every figure against scikit-learn or against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from telltale.errors import InvalidDataset
from telltale.evaluate.measures import equal_error_rate, measures, resolves, roc, tpr_at

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def drawn(count: int = 2000, *, digits: int = 15, seed: int = 0) -> tuple[Labels, Scores]:
    draw = np.random.default_rng(seed)
    is_fake = draw.random(count) < 0.3
    return is_fake, np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1).round(digits)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Labels, Scores]:
    count = draw(st.integers(2, 14))
    labels = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda found: len(set(found)) == 2))
    scores = draw(st.lists(st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1.0)), min_size=count, max_size=count))
    return np.array(labels), np.array(scores)


@pytest.mark.parametrize("digits", [1, 15])
def test_figures_are_scikit_learns(digits: int) -> None:
    is_fake, scores = drawn(digits=digits)
    found = measures(is_fake, scores, equal_classes=False)
    called = scores >= 0.5
    expected = {
        "ap_fake": reference.average_precision_score(is_fake, scores),
        "ap_real": reference.average_precision_score(~is_fake, 1 - scores),
        "auc": reference.roc_auc_score(is_fake, scores),
        "accuracy": reference.accuracy_score(is_fake, called),
        "accuracy_real": reference.recall_score(~is_fake, ~called),
        "accuracy_fake": reference.recall_score(is_fake, called),
        "balanced_accuracy": reference.balanced_accuracy_score(is_fake, called),
        "brier": reference.brier_score_loss(is_fake, scores),
        "log_loss": reference.log_loss(is_fake, scores),
    }
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, abs=1e-12)
    assert (found.n_real, found.n_fake) == ((~is_fake).sum(), is_fake.sum())


def test_probabilities_judge_and_scores_rank() -> None:
    is_fake, scores = drawn()
    squeezed = 0.4 + 0.05 * scores
    found = measures(is_fake, squeezed, probabilities=scores)
    ranked, judged = measures(is_fake, squeezed), measures(is_fake, scores)
    ranks = ("auc", "ap_fake", "ap_real", "eer", "tpr_at_1_fpr", "tpr_at_5_fpr")
    judges = ("accuracy", "accuracy_real", "accuracy_fake", "balanced_accuracy", "ece", "brier", "log_loss")
    assert all(getattr(found, name) == getattr(ranked, name) for name in ranks)
    assert all(getattr(found, name) == getattr(judged, name) for name in judges)
    assert ranked.accuracy_fake == 0 < judged.accuracy_fake


def test_equal_classes_are_repeated_images() -> None:
    draw = np.random.default_rng(1)
    is_fake = np.arange(400) < 100
    scores = draw.random(400)
    repeated = np.repeat(np.arange(400), np.where(is_fake, 3, 1))
    found = measures(is_fake, scores)
    expected = measures(is_fake[repeated], scores[repeated], equal_classes=False)
    for name in ("ece", "brier", "log_loss"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))


def test_swapped_labels_mirror_every_ranking_figure() -> None:
    is_fake, scores = drawn()
    found, swapped = measures(is_fake, scores), measures(~is_fake, scores)
    assert swapped.auc == pytest.approx(1 - found.auc)
    assert swapped.eer == pytest.approx(1 - found.eer, abs=0.02)
    assert swapped.accuracy == pytest.approx(1 - found.accuracy)
    turned = measures(~is_fake, 1 - scores)
    assert (turned.ap_fake, turned.ap_real) == pytest.approx((found.ap_real, found.ap_fake))


def test_constant_scores_are_chance() -> None:
    is_fake = np.arange(200) < 50
    found = measures(is_fake, np.full(200, 0.5))
    assert (found.auc, found.ap_fake, found.ap_real) == (0.5, 0.25, 0.75)
    assert (found.eer, found.tpr_at_1_fpr, found.tpr_at_5_fpr) == (0.5, 0, 0)
    assert (found.accuracy_real, found.accuracy_fake, found.balanced_accuracy) == (0, 1, 0.5)
    assert (found.ece, found.brier, found.log_loss) == pytest.approx((0, 0.25, np.log(2)))


def test_a_perfect_detector_is_perfect_and_a_liar_is_as_wrong_as_can_be() -> None:
    is_fake = np.arange(200) < 50
    found = measures(is_fake, is_fake.astype(float))
    assert (found.auc, found.ap_fake, found.ap_real, found.tpr_at_1_fpr, found.accuracy) == (1, 1, 1, 1, 1)
    assert (found.eer, found.ece, found.brier) == (0, 0, 0)
    lie = measures(is_fake, 1.0 - is_fake)
    assert (lie.auc, lie.tpr_at_5_fpr, lie.accuracy, lie.eer, lie.brier) == (0, 0, 0, 1, 1)
    assert lie.log_loss == pytest.approx(36.04, abs=0.01)


@given(labelled(), st.sampled_from((0.0, 0.01, 0.05, 0.25, 0.5, 1.0)))
def test_tpr_at_fpr_is_the_best_threshold_by_hand(data: tuple[Labels, Scores], limit: float) -> None:
    is_fake, scores = data
    best = 0.0
    for threshold in (*scores, 2.0):
        called = scores >= threshold
        if called[~is_fake].mean() <= limit:
            best = max(best, float(called[is_fake].mean()))
    assert tpr_at(*roc(is_fake, scores), limit) == best


@given(labelled())
def test_equal_error_rate_by_hand(data: tuple[Labels, Scores]) -> None:
    is_fake, scores = data
    points = []
    for threshold in (*scores, 2.0):
        false, missed = (scores >= threshold)[~is_fake].mean(), (scores < threshold)[is_fake].mean()
        points.append((round(abs(false - missed), 9), (false + missed) / 2))
    assert equal_error_rate(*roc(is_fake, scores)) == pytest.approx(min(points)[1])


def test_few_reals_leave_only_thresholds_without_a_false_alarm() -> None:
    reals, fakes = np.linspace(0, 0.9, 99), np.array([0.95, 0.895, 0.1])
    is_fake = np.arange(102) >= 99
    few = measures(is_fake, np.concatenate([reals, fakes]))
    assert few.tpr_at_1_fpr == pytest.approx(1 / 3)
    assert (few.resolves(0.01), few.resolves(0.05)) == (False, True)
    more = measures(np.arange(103) >= 100, np.concatenate([reals, [0.0], fakes]))
    assert more.tpr_at_1_fpr == pytest.approx(2 / 3)
    assert more.resolves(0.01)
    assert not resolves(0, 0.5)


def test_one_image_of_each_class_has_every_figure() -> None:
    found = measures(np.array([True, False]), np.array([0.9, 0.2]))
    assert (found.auc, found.eer, found.tpr_at_1_fpr, found.balanced_accuracy) == (1, 0, 1, 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.01, 1.01])
def test_numbers_that_are_no_scores_are_refused(wrong: float) -> None:
    is_fake, scores = drawn(20)
    scores[3] = wrong
    with pytest.raises(InvalidDataset, match=r"scores in \[0, 1\].*not log-odds"):
        measures(is_fake, scores)
    with pytest.raises(InvalidDataset, match=r"scores in \[0, 1\]"):
        measures(is_fake, np.full(20, 0.5), probabilities=scores)


@pytest.mark.parametrize(("label", "missing"), [(True, "reals"), (False, "fakes")])
def test_one_class_only_is_refused(label: bool, missing: str) -> None:
    with pytest.raises(InvalidDataset, match=f"no {missing}"):
        measures(np.full(5, label), np.full(5, 0.5))
