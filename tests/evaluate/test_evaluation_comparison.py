"""Pairs of detectors: on the images both have scored, and nothing where there is too little."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale.evaluate.comparison import delong
from telltale.evaluate.evaluation_comparison import COMPARED, compare, headline
from telltale.evaluate.evaluation_entries import Entry, Images, Judge
from telltale.evaluate.evaluation_table import ALL, MEAN, table


def images() -> Images:
    source = np.array(["r1"] * 50 + ["r2"] * 30 + ["g1"] * 40 + ["g2"] * 30 + ["g3"] * 4, object)
    is_fake = np.array([name.startswith("g") for name in source], np.bool_)
    path = np.array([str(index) for index in range(source.size)], object)
    return Images(path=path, is_fake=is_fake, source=source, group=np.full(source.size, "", object))


def entry(name: str, score: NDArray[np.float64], *, pooling: str = "mean_probability", own: bool = True) -> Entry:
    judge = Judge(detector=name, weights_sha256=name, pooling=pooling, own=own, judged_by="score", verdict_by="0.5")
    return Entry(judge=judge, score=score, judged=score, verdict=np.full(score.size, "likely real", object))


def scores(shift: float, seed: int) -> NDArray[np.float64]:
    draw = np.random.default_rng(seed)
    return np.clip(draw.normal(0.4 + shift * images().is_fake, 0.2), 0, 1)


def test_each_source_each_figure_and_the_mean_over_sources() -> None:
    found = images()
    one, other = entry("one", scores(0.3, 0)), entry("other", scores(0.1, 1))
    rows = list(compare(found, [one, other], rounds=60))
    assert {row.source for row in rows} == {ALL, "r1", "r2", "g1", "g2", MEAN}
    assert len([row for row in rows if row.source == "g1"]) == 1 + len(COMPARED)
    whole = next(row for row in rows if row.source == ALL and row.found.test == "delong")
    assert whole.found == delong(found.is_fake, one.score, other.score)
    assert (whole.n_real, whole.n_fake) == (80, 74)
    for row in rows:
        if row.figure == "auc" and row.source not in (ALL, MEAN) and row.found.test == "bootstrap":
            twin = next(r for r in rows if r.source == row.source and r.found.test == "delong")
            assert row.found.difference.value == pytest.approx(twin.found.difference.value)
    means = [
        row.figures["auc"].value
        for row in table(found, [one, other], rounds=20)
        if row.source == MEAN and row.label == "fake"
    ]
    mean = next(row for row in rows if row.source == MEAN and row.figure == "auc")
    assert [mean.found.first, mean.found.second] == pytest.approx(means)
    assert mean.found.p is not None
    assert mean.found.p < 0.05
    assert [(row.source, row.figure) for row in headline(rows, grouped=False)] == [(ALL, "auc"), (MEAN, "auc")]


def test_with_groups_the_headline_is_the_bootstraps_and_its_interval_is_wider() -> None:
    found, first, second = images(), scores(0.3, 0), scores(0.1, 1)
    # Every picture five times: five times as many, and not one fact more.
    path, is_fake, source = (np.repeat(array, 5) for array in (found.path, found.is_fake, found.source))
    five = Images(path=path, is_fake=is_fake, source=source, group=path)
    assert five.grouped
    assert not found.grouped
    assert not replace(found, group=found.path).grouped, "a group of one picture is a picture"
    rows = list(compare(five, [entry("one", np.repeat(first, 5)), entry("other", np.repeat(second, 5))], rounds=200))
    whole, mean = headline(rows, grouped=five.grouped)
    assert (whole.source, whole.figure, whole.found.test) == (ALL, "auc", "bootstrap")
    assert (mean.source, mean.figure) == (MEAN, "auc")
    believed = headline(rows, grouped=False)[0].found.difference
    once = delong(found.is_fake, first, second).difference
    width, narrow, right = (one.high - one.low for one in (whole.found.difference, believed, once))
    assert narrow < 0.6 * right
    assert width == pytest.approx(right, rel=0.25)


def test_only_images_that_both_have_scored() -> None:
    found = images()
    first, second = scores(0.3, 0), scores(0.1, 1)
    first[0:20], second[80:90] = np.nan, np.nan
    rows = list(compare(found, [entry("one", first), entry("other", second)], rounds=20))
    whole = next(row for row in rows if row.source == ALL)
    both = np.isfinite(first) & np.isfinite(second)
    assert whole.found == delong(found.is_fake[both], first[both], second[both])
    assert (whole.n_real, whole.n_fake) == (60, 64)


def test_pairs_are_of_different_detectors_and_like_poolings() -> None:
    found = images()
    entries = [
        entry("one", scores(0.3, 0)),
        entry("one", scores(0.3, 1), pooling="vote", own=False),
        entry("other", scores(0.1, 2), pooling="vote"),
    ]
    pairs = {(row.first.title, row.second.title) for row in compare(found, entries, rounds=20)}
    assert pairs == {("one", "other"), ("one (vote)", "other")}


def test_one_detector_or_one_class_or_equal_scores() -> None:
    found = images()
    one = entry("one", scores(0.3, 0))
    assert list(compare(found, [one], rounds=20)) == []
    reals = Images(path=found.path[:80], is_fake=found.is_fake[:80], source=found.source[:80], group=found.group[:80])
    pair = [entry(name, one.score[:80]) for name in ("one", "other")]
    assert list(compare(reals, pair, rounds=20)) == []
    same = list(compare(found, [one, entry("other", one.score)], rounds=20))
    assert {(row.found.difference.value, row.found.p) for row in same} == {(0, None)}
