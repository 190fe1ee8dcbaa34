"""Curves show what the figures say: areas under them are AUC and AP."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale.evaluate.curve_plots import (
    COLOURS,
    PLOT_STYLE,
    Curve,
    Whisker,
    precision_recall_plot,
    reliability_plot,
    roc_plot,
    whiskers,
)
from telltale.evaluate.metrics import auc, average_precision


def curve(count: int = 150, *, digits: int = 2, title: str = "one", seed: int = 0) -> Curve:
    draw = np.random.default_rng(seed)
    is_fake = np.arange(count) % 3 == 0
    score = np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1).round(digits)
    return Curve(title=title, colour=0, is_fake=is_fake, score=score, judged=score)


def points(svg: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the first curve, in the plot's own units: 54 px to the left of 0, 8 px above 1, 260 px a side."""
    (path,) = re.findall(r"<path class=s0 d='M([^']*)'", svg)[:1]
    x, y = np.array([pair.split() for pair in path.split("L")], float).T
    return (x - 54) / 260, 1 - (y - 8) / 260


def test_the_area_under_the_roc_curve_is_auc() -> None:
    one = curve()
    x, y = points(roc_plot([one]))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert float(np.trapezoid(y, x)) == pytest.approx(auc(one.is_fake, one.score), abs=0.002)


def test_the_area_under_the_precision_recall_steps_is_average_precision() -> None:
    one = curve()
    x, y = points(precision_recall_plot([one]))
    assert float(np.trapezoid(y, x)) == pytest.approx(average_precision(one.is_fake, one.score), abs=0.002)
    assert (x[0], x[-1]) == (0, 1)
    assert y[-1] == pytest.approx(1 / 3, abs=0.001)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    x, y = points(roc_plot([curve(20_000, digits=15)]))
    assert x.size <= 400
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_reliability_of_honest_probabilities_is_the_diagonal_whatever_the_share_of_fakes() -> None:
    draw = np.random.default_rng(0)
    said = draw.random(60_000)
    is_fake = draw.random(60_000) < said
    # Half of the reals are taken away: the probabilities are for equal numbers, and the plot weighs them so.
    kept = is_fake | (draw.random(60_000) < 0.5)
    one = Curve(title="one", colour=0, is_fake=is_fake[kept], score=said[kept], judged=said[kept])
    x, y = points(reliability_plot([one]))
    assert x.size == 10
    assert y == pytest.approx(x, abs=0.03)


def test_one_bin_and_constant_scores_can_be_drawn() -> None:
    is_fake = np.arange(20) < 5
    flat = Curve(title="flat", colour=1, is_fake=is_fake, score=np.full(20, 0.5), judged=np.full(20, 1.0))
    for draw in (roc_plot, precision_recall_plot, reliability_plot):
        svg = draw([flat])
        assert "nan" not in svg
        assert svg.count("<path") == 1


def test_titles_are_text_and_every_colour_has_a_style() -> None:
    svg = roc_plot([curve(title="<script> & co")])
    assert "<script>" not in svg
    assert "&lt;script&gt; &amp; co" in svg
    assert all(f".s{index} " in PLOT_STYLE and f".f{index} " in PLOT_STYLE for index in range(COLOURS))


def test_whiskers_stay_on_the_axis() -> None:
    mark = Whisker(title="one", colour=2, value=0.1, low=0.0, high=1.0)
    svg = whiskers([("a very long name of a source of pictures", [mark, mark]), ("b", [])], low=0.4, mark=0.5)
    places = [float(found) for found in re.findall(r"(?:x1|x2|cx)=([\d.]+)", svg)]
    assert min(places) == 134
    assert max(places) == 366
    assert "<title>a very long name of a source of pictures</title>" in svg
