"""The table before and after: figures of scikit-learn, no image judged by a calibration that saw it, honest doubts."""

from dataclasses import replace

import numpy as np
import pytest
from calibration_images import AIM, PLATT, SPEC, THRESHOLDS, images

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.calibration_report import (
    CalibrationImages,
    after,
    before,
    false_alarms_by_source,
    folds,
    probabilities,
    quality,
    refit,
    reshift,
)
from telltale.evaluate.calibration_words import as_lines, doubts
from telltale.evaluate.metrics import auc
from telltale.spec import Calibration, Thresholds


def test_figures_are_those_of_scikit_learn_at_equal_weights() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    found = images()
    weight = np.where(found.is_fake, 1 / found.is_fake.sum(), 1 / (~found.is_fake).sum())
    said = before(SPEC, found)
    probability = probabilities(PLATT, found.score)
    assert said.brier == pytest.approx(metrics.brier_score_loss(found.is_fake, probability, sample_weight=weight))
    assert said.log_loss == pytest.approx(metrics.log_loss(found.is_fake, probability, sample_weight=weight))
    assert said.false_alarms is not None
    assert said.false_alarms.value == (probability[~found.is_fake] >= 0.8).mean()
    assert said.misses is not None
    assert said.misses.value == (probability[found.is_fake] <= 0.2).mean()


def test_a_detector_nobody_calibrated_has_scores_and_no_verdicts() -> None:
    found = images()
    said = before(replace(SPEC, calibration=None, thresholds=None), found)
    assert said.brier == quality("x", found, found.score, None).brier
    assert (said.false_alarms, said.misses, said.inconclusive) == (None, None, None)


def test_every_image_is_judged_by_a_calibration_that_did_not_see_its_group() -> None:
    found = replace(images(), group=np.array([f"g{index // 3}" for index in range(350)]))
    seen = []

    def spy(part: CalibrationImages) -> tuple[Calibration, Thresholds]:
        seen.append(set(part.group))
        return PLATT, THRESHOLDS

    after(spy, found)
    assert len(seen) == 5
    place = folds(found)
    for fold, groups in enumerate(seen):
        assert groups.isdisjoint(found.group[place == fold])
    assert np.bincount(place).min() > 60
    assert all(60 > found.is_fake[place == fold].sum() > 20 for fold in range(5))


def test_cross_validation_costs_what_a_fit_to_the_same_images_hides() -> None:
    found, fit = images(40, 40), refit("isotonic", AIM)
    honest = after(fit, found)
    calibration, _ = fit(found)
    flattered = quality("same", found, probabilities(calibration, found.score), None)
    assert honest.log_loss is not None
    assert flattered.log_loss is not None
    assert honest.log_loss > flattered.log_loss


def test_order_of_images_moves_nothing() -> None:
    found, fit = images(), refit("platt", AIM)
    turned = found.only(np.ones(350, np.bool_))
    order = np.random.default_rng(1).permutation(350)
    turned = CalibrationImages(
        is_fake=found.is_fake[order],
        source=found.source[order],
        group=found.group[order],
        score=found.score[order],
        weight=found.weight[order],
    )
    one, other = after(fit, found), after(fit, turned)
    assert one.false_alarms == other.false_alarms
    assert one.log_loss == pytest.approx(other.log_loss, rel=1e-6)


def test_too_few_images_are_an_error_not_a_number() -> None:
    with pytest.raises(InvalidDataset):
        after(refit("platt", AIM), images(3, 1))
    with pytest.raises(InvalidConfig):
        after(refit("isotonic", AIM), images(6, 6))
    with pytest.raises(InvalidDataset, match="one"):
        after(refit("platt", AIM), replace(images(5, 5), group=np.array(["same"] * 10)))


def test_a_shift_keeps_thresholds_that_few_images_cannot_choose() -> None:
    few = images(30, 20)
    calibration, thresholds = reshift(SPEC, PLATT, few, AIM)(few)
    assert calibration.slope == PLATT.slope
    assert calibration.intercept != PLATT.intercept
    assert (thresholds.real_below, thresholds.fake_above) == (0.2, 0.8)
    said = probabilities(calibration, few.score)
    between = 100 * ((said > 0.2) & (said < 0.8)).mean()
    assert thresholds.chosen_on == f"many; rates as measured on the images, with {between:.3g} % inconclusive"
    assert thresholds.false_alarm_rate == (said[~few.is_fake] >= 0.8).mean()
    assert thresholds.miss_rate == (said[few.is_fake] <= 0.2).mean()


def test_a_shift_chooses_thresholds_where_images_support_the_rates() -> None:
    many = images(60, 60)
    _, thresholds = reshift(SPEC, PLATT, many, AIM)(many)
    assert thresholds.chosen_on == "the images"
    assert thresholds.false_alarm_rate <= 0.05
    assert thresholds.fake_above != 0.8


def test_reals_alone_leave_the_calibration_and_move_the_upper_threshold() -> None:
    reals = images(60, 1).only(np.arange(61) < 60)
    calibration, thresholds = reshift(SPEC, PLATT, reals, AIM)(reals)
    assert calibration == PLATT
    assert thresholds.real_below == 0
    assert thresholds.chosen_on.endswith("nothing is called likely real: a miss rate of 0 says nothing")
    assert thresholds.false_alarm_rate <= 0.05
    said = after(reshift(SPEC, PLATT, reals, AIM), reals)
    assert (said.ece, said.brier, said.log_loss, said.misses) == (None, None, None, None)
    assert said.false_alarms is not None
    assert "-" in list(as_lines([said]))[1]


def test_a_shift_refuses_an_order_that_is_worse_than_chance_and_none_that_may_be_chance() -> None:
    with pytest.raises(InvalidConfig, match=r"worse than chance; found AUC 0\.\d\d \(0\.\d\d to 0\.[0-4]\d\)"):
        reshift(SPEC, PLATT, images(40, 40, apart=-1.2), AIM)
    unsure = images(12, 12, seed=2, apart=-0.2)
    assert auc(unsure.is_fake, unsure.score) < 0.5
    assert any("cannot be told from guessing" in doubt for doubt in doubts(unsure, AIM))
    reshift(SPEC, PLATT, unsure, AIM)(unsure)


def test_sources_of_reals_come_worst_first() -> None:
    found = images()
    each = list(false_alarms_by_source(found, PLATT, THRESHOLDS))
    assert {source for source, _ in each} == {"cam", "phone"}
    assert each[0][1].value >= each[1][1].value
