"""How figures are written, and where a rate is marked as not resolved."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from telltale.evaluate.comparison import Difference
from telltale.evaluate.evaluation_entries import Entry, Images, Judge
from telltale.evaluate.evaluation_table import ALL, MEAN, EvaluationRow, table
from telltale.evaluate.evaluation_words import (
    TITLES,
    about,
    by_judge,
    ends,
    is_unresolved,
    named,
    of_both,
    p_value,
    percent,
    plain,
    with_interval,
    worst_sources,
)
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.resampling import FIGURES


def rows() -> list[EvaluationRow]:
    source = np.array(["r1"] * 150 + ["r2"] * 40 + ["g1"] * 30, object)
    is_fake = np.arange(220) >= 190
    score = np.clip(np.random.default_rng(0).normal(0.4 + 0.2 * is_fake, 0.2), 0, 1)
    judge = Judge(
        detector="one", weights_sha256="ab" * 32, pooling="vote", own=False, judged_by="score", verdict_by="0.5"
    )
    path = np.array([str(index) for index in range(220)], object)
    images = Images(path=path, is_fake=is_fake, source=source, group=np.full(220, "", object))
    entry = Entry(judge=judge, score=score, judged=score, verdict=np.full(220, "likely real", object))
    return table(images, [entry], rounds=10)


def test_every_figure_has_a_title() -> None:
    assert set(TITLES) == set(FIGURES)


def test_a_rate_that_too_few_reals_show_is_marked_also_in_the_mean_over_sources() -> None:
    each = {(row.source, row.label): row for row in rows()}
    marked = {key for key, row in each.items() if is_unresolved(row, "tpr_at_1_fpr")}
    assert marked == {("r2", "real"), (MEAN, "real"), ("(worst)", "real")}
    assert not any(is_unresolved(row, figure) for row in each.values() for figure in ("auc", "tpr_at_5_fpr"))
    assert plain(each["r2", "real"], "tpr_at_1_fpr").endswith("*")
    assert not plain(each[ALL, "all"], "tpr_at_1_fpr").endswith("*")


@pytest.mark.parametrize(
    ("p", "low", "words"),
    [
        (None, 0.1, "no variance"),
        (None, nan, "too few groups"),
        (0.0004, 0.1, "<0.001"),
        (0.0499, 0.1, "0.050"),
        (1.0, 0.1, "1.000"),
    ],
)
def test_p_in_words(p: float | None, low: float, words: str) -> None:
    found = Difference(first=0.9, second=0.7, difference=Estimate(0.2, low, 0.3), p=p, test="bootstrap")
    assert p_value(found) == words


def test_the_worst_source_is_that_of_each_figure() -> None:
    row = replace(rows()[0], worst_source={"auc": "few", "ap_fake": "many", "eer": "few"})
    assert worst_sources(row, ("auc", "eer")) == "few"
    assert worst_sources(row, ("auc", "ap_fake")) == "AUC: few, AP: many"
    mean = replace(row, label="fake")
    assert worst_sources(mean, ("auc", "ap_fake"), ("many",)) == "AUC: few, AP: many, fakes"
    assert worst_sources(replace(row, worst_source={}), ("auc", "ap_fake")) == ""


def test_numbers_and_names() -> None:
    found = Estimate(0.81251, 0.7, 0.9)
    assert with_interval(found) == "0.813 (0.70 to 0.90)"
    assert percent(found) == "81.3 % (70 to 90)"
    assert with_interval(Estimate(0.81251, nan, nan)) == "0.813 (too few groups)"
    assert ends(Estimate(-0.1, -0.25, 0.05), "+.3f") == "-0.250 to +0.050"
    assert (with_interval(None), percent(None)) == ("", "")
    assert named(MEAN, "fake") == "mean over sources of fakes"
    assert named("sd21", "fake") == "sd21"
    both = of_both([(ALL, "all"), ("sd21", "fake"), ("sd21", "real"), ("gan", "fake"), (MEAN, "fake"), (MEAN, "real")])
    assert [named(*kind, both) for kind in (("sd21", "real"), ("sd21", "fake"), ("gan", "fake"), (MEAN, "real"))] == [
        "sd21, reals", "sd21, fakes", "gan", "mean over sources of reals",
    ]  # fmt: skip
    mine = by_judge(rows())
    assert list(mine) == ["one (vote)"]
    assert "verdicts by score 0.5" in about(mine["one (vote)"])
