"""Rows by source: what is measured against what, and what is said where there is too little."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from telltale.evaluate.evaluation_entries import Entry, Images, Judge
from telltale.evaluate.evaluation_table import ALL, ERRORS, MEAN, WORST, EvaluationRow, table
from telltale.evaluate.resampling import FIGURES

Row = EvaluationRow


def judge(name: str = "one", *, pooling: str = "mean_probability", own: bool = True) -> Judge:
    return Judge(detector=name, weights_sha256="ab" * 32, pooling=pooling, own=own, judged_by="score", verdict_by="0.5")


def made(counts: dict[str, int], *, seed: int = 0, shift: float = 0.25) -> tuple[Images, Entry]:
    """Sources whose names begin with g are fakes."""
    draw = np.random.default_rng(seed)
    source = np.array([name for name, count in counts.items() for _ in range(count)], object)
    is_fake = np.array([name.startswith("g") for name in source], np.bool_)
    path = np.array([str(index) for index in range(source.size)], object)
    images = Images(path=path, is_fake=is_fake, source=source, group=np.full(source.size, "", object))
    score = np.clip(draw.normal(0.35 + shift * is_fake, 0.2), 0, 1)
    return images, entry(score)


def entry(score: NDArray[np.float64], name: str = "one") -> Entry:
    verdict = np.where(np.isfinite(score), np.where(score >= 0.5, "likely generated", "likely real"), "")
    return Entry(judge=judge(name), score=score, judged=score, verdict=verdict.astype(object))


def by_source(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row.source, row.label): row for row in rows}


COUNTS = {"r1": 60, "r2": 40, "g1": 50, "g2": 30}


def test_a_source_of_fakes_meets_all_reals_and_a_source_of_reals_all_fakes() -> None:
    images, one = made(COUNTS)
    rows = by_source(table(images, [one], rounds=50))
    assert list(rows) == [
        (ALL, "all"), ("r1", "real"), ("r2", "real"), ("g1", "fake"), ("g2", "fake"),
        (MEAN, "fake"), (WORST, "fake"), (MEAN, "real"), (WORST, "real"),
    ]  # fmt: skip
    for source, label, against in (("g1", "fake", ["r1", "r2"]), ("r2", "real", ["g1", "g2"])):
        chosen = np.isin(images.source, [source, *against])
        row = rows[source, label]
        is_fake, score = images.is_fake[chosen], one.score[chosen]
        assert row.figures["auc"].value == pytest.approx(roc_auc_score(is_fake, score))
        assert row.figures["ap_fake"].value == pytest.approx(average_precision_score(is_fake, score))
        assert (row.n, row.n_real, row.n_fake) == (COUNTS[source], (~is_fake).sum(), is_fake.sum())
    assert rows[ALL, "all"].figures["auc"].value == pytest.approx(roc_auc_score(images.is_fake, one.score))
    alarms = rows["r1", "real"].false_alarm
    assert alarms is not None
    assert alarms.value == (one.score[images.source == "r1"] >= 0.5).mean()
    assert rows["r1", "real"].detected is None
    assert rows["g1", "fake"].false_alarm is None


def test_mean_and_worst_are_over_sources_and_errors_have_their_highest() -> None:
    images, one = made(COUNTS)
    rows = by_source(table(images, [one], rounds=80))
    for label in ("fake", "real"):
        own = [row for (source, kind), row in rows.items() if kind == label and source not in (MEAN, WORST)]
        mean, worst = rows[MEAN, label], rows[WORST, label]
        for name in FIGURES:
            values = {row.source: row.figures[name].value for row in own}
            assert mean.figures[name].value == pytest.approx(np.mean(list(values.values())))
            end = max(values.values()) if name in ERRORS else min(values.values())
            assert worst.figures[name].value == end
            assert values[worst.worst_source[name]] == end
            if name != "ece":
                assert mean.figures[name].low <= mean.figures[name].value <= mean.figures[name].high


def test_ece_has_no_interval_but_what_right_probabilities_would_show() -> None:
    images, one = made({name: 40 * count for name, count in COUNTS.items()})
    for row in table(images, [one], rounds=40):
        if "ece" in row.figures:
            assert isnan(row.figures["ece"].low)
            assert isnan(row.figures["ece"].high)
            assert (row.ece_if_calibrated is None) == (row.source in (MEAN, WORST))
    whole = table(images, [one], rounds=40)[0]
    # These scores are too timid for probabilities.
    assert whole.ece_if_calibrated is not None
    assert whole.figures["ece"].value > whole.ece_if_calibrated.high


def grouped(groups: int, frames: int, *, shift: float = 0.25) -> tuple[Images, Entry]:
    """As many groups of reals and of fakes, whose frames lie close together."""
    draw = np.random.default_rng(0)
    is_fake = np.repeat([False, True], groups * frames)
    place = np.repeat(draw.normal(0.4 + shift * np.repeat([0, 1], groups), 0.15), frames)
    score = np.clip(place + draw.normal(0, 0.02, place.size), 0, 1)
    names = np.repeat([f"video {number}" for number in range(2 * groups)], frames).astype(object)
    source = np.where(is_fake, "g", "r").astype(object)
    path = np.array([str(index) for index in range(is_fake.size)], object)
    return Images(path=path, is_fake=is_fake, source=source, group=names), entry(score)


def test_few_groups_give_figures_and_no_intervals() -> None:
    for groups, known in ((4, False), (5, True)):
        images, one = grouped(groups, 20)
        for row in table(images, [one], rounds=40):
            found = row.figures["auc"]
            assert isnan(found.low) is not known, row.source
            assert found.value == pytest.approx(roc_auc_score(images.is_fake, one.score))


def test_frames_of_a_video_are_right_or_wrong_together() -> None:
    images, one = grouped(12, 20)
    alone = replace(images, group=np.full(images.group.size, "", object))
    together, apart = (table(those, [one], rounds=200)[0].ece_if_calibrated for those in (images, alone))
    assert together is not None
    assert apart is not None
    assert together.value > 1.5 * apart.value
    assert together.high > 1.5 * apart.high


def test_intervals_hold_their_value_and_narrow_with_more_images() -> None:
    few, many = (made({name: count * times for name, count in COUNTS.items()}, seed=1) for times in (1, 9))
    widths = []
    for images, one in (few, many):
        found = table(images, [one], rounds=300)[0].figures["auc"]
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0] / 3, rel=0.35)


def test_the_same_draws_whatever_else_is_in_the_table() -> None:
    images, one = made(COUNTS)
    other = entry(1 - one.score, "other")
    alone = table(images, [one], rounds=50)
    assert table(images, [other, one], rounds=50)[len(alone) :] == alone
    assert table(images, [one], rounds=50, seed=1) != alone


def test_swapped_labels_and_constant_scores() -> None:
    images, one = made(COUNTS)
    turned = table(images, [entry(1 - one.score)], rounds=40)[0].figures["auc"]
    plain = table(images, [one], rounds=40)[0].figures["auc"]
    assert turned.value == pytest.approx(1 - plain.value)
    assert (turned.low, turned.high) == pytest.approx((1 - plain.high, 1 - plain.low))
    flat = table(images, [entry(np.full(180, 0.5))], rounds=40)
    for row in flat:
        found = row.figures["auc"]
        assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_few_images_are_said_and_count_in_no_mean() -> None:
    images, one = made({**COUNTS, "g3": 9})
    rows = by_source(table(images, [one], rounds=20))
    assert (rows["g3", "fake"].note, rows["g3", "fake"].figures) == ("too few", {})
    assert rows["g3", "fake"].detected is not None
    with_all = by_source(table(images, [one], rounds=20, least=9))
    assert with_all["g3", "fake"].note == ""
    expected = np.mean([with_all[name, "fake"].figures["auc"].value for name in ("g1", "g2")])
    assert rows[MEAN, "fake"].figures["auc"].value == pytest.approx(expected)
    assert rows[MEAN, "fake"].n == 80


def test_few_images_of_the_other_label_are_too_few_as_well() -> None:
    images, one = made({"r1": 3, "g1": 50})
    rows = by_source(table(images, [one], rounds=20))
    assert {row.note for row in rows.values()} == {"too few"}
    assert set(rows) == {(ALL, "all"), ("r1", "real"), ("g1", "fake")}


@pytest.mark.parametrize(("source", "label", "missing"), [("r1", "real", "no fakes"), ("g1", "fake", "no reals")])
def test_one_class_only_has_accuracies_and_verdicts(source: str, label: str, missing: str) -> None:
    images, one = made({source: 40})
    rows = by_source(table(images, [one], rounds=20))
    row = rows[source, label]
    assert row.note == missing
    assert set(row.figures) == {"accuracy", f"accuracy_{label}"}
    right = ((one.score >= 0.5) == (label == "fake")).mean()
    assert row.figures["accuracy"].value == right
    assert rows[MEAN, label].figures[f"accuracy_{label}"].value == right


def test_images_without_a_score_count_as_failed_and_nowhere_else() -> None:
    images, one = made(COUNTS)
    score = one.score.copy()
    score[[0, 1, 170]] = np.nan
    rows = by_source(table(images, [entry(score)], rounds=20))
    assert [rows[key].failed for key in ((ALL, "all"), ("r1", "real"), ("r2", "real"), ("g2", "fake"))] == [3, 2, 0, 1]
    assert rows["r1", "real"].n == 58
    known = np.isfinite(score)
    assert rows[ALL, "all"].figures["auc"].value == pytest.approx(roc_auc_score(images.is_fake[known], score[known]))


def test_a_source_without_any_score_is_too_few() -> None:
    images, one = made(COUNTS)
    score = np.where(images.source == "g2", np.nan, one.score)
    rows = by_source(table(images, [entry(score)], rounds=20, least=1))
    assert (rows["g2", "fake"].note, rows["g2", "fake"].n, rows["g2", "fake"].failed) == ("too few", 0, 30)


def test_groups_widen_the_interval() -> None:
    draw = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 5)
    is_fake = person < 20
    score = np.clip(0.4 + 0.1 * is_fake + np.repeat(draw.normal(0, 0.15, 40), 5), 0, 1)
    source = np.where(is_fake, "g", "r").astype(object)
    path = np.array([str(index) for index in range(200)], object)
    widths = []
    for group in (np.full(200, "", object), np.array([f"person {one}" for one in person], object)):
        images = Images(path=path, is_fake=is_fake, source=source, group=group)
        found = table(images, [entry(score)], rounds=400)[0].figures["auc"]
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0] * 5**0.5, rel=0.3)
