"""Charts show what their tables say."""

import re

import pytest

from telltale.explain.report_curves import parts, sweep


def row(strength: float, source: str, auc: float | str, **more: float | str) -> dict[str, float | str]:
    label = {"(all)": "all", "gan": "fake", "vae": "fake", "camera": "real"}[source]
    found: dict[str, float | str] = {"model": "one", "corruption": "jpeg", "strength": strength, "source": source}
    ends = {"auc_low": auc, "auc_high": auc, "flip_share": 0.25, "flip_low": 0.2, "flip_high": 0.3}
    return {**found, "label": label, "auc": auc, **ends, **more}


def heights(text: str, kind: str) -> list[list[float]]:
    """Of every path of a class, from the top down."""
    found = re.findall(rf"<path class='?{kind}'? d='M([^']*)'", text)
    return [[float(point.split()[1]) for point in path.split("L")] for path in found]


def test_the_worst_source_is_the_lowest_source_of_fakes() -> None:
    rows = [
        row(strength, source, auc)
        for strength in (90, 50)
        for source, auc in (("(all)", 0.8), ("gan", 0.9), ("vae", 0.7), ("camera", 0.6))
    ]
    text = "".join(sweep(rows))
    whole, worst = heights(text, "s0"), heights(text, "worst s0")
    assert len(whole) == len(worst) == 2
    # AUC from 0.4 to 1 over 130 px: 0.8 lies 10 / 60 of it above 0.7.
    assert worst[0][0] - whole[0][0] == pytest.approx(130 * 0.1 / 0.6, abs=0.1)
    assert whole[1][0] == worst[1][0]


def test_one_class_only_has_changed_verdicts_but_no_auc() -> None:
    text = "".join(sweep([row(90, "(all)", "", flip_share="0.25"), row(90, "camera", "")]))
    assert len(heights(text, "s0")) == 1
    assert "<h3>jpeg</h3>" in text


def test_strengths_keep_their_order() -> None:
    text = "".join(sweep([row(strength, "(all)", 0.8) for strength in (2, 0.5, 30)]))
    assert re.findall(r"text-anchor=middle>([\d.]+)</text>", text)[:3] == ["2", "0.5", "30"]


def test_bars_are_shares_of_the_counts_beside_those_of_random_patches() -> None:
    rows = [
        {"source": "gan", "label": "fake", "part": part, "top_count": top, "random_count": 5, "low": 0.1, "high": 0.8}
        for part, top in (("skin", 25), ("hair", 75))
    ]
    text = "".join(parts(rows))
    assert re.findall(r"<text x=0 [^>]*>(\w+)", text) == ["hair", "skin"]
    widths = [float(width) for width in re.findall(r"<rect class=top-fake [^>]*width=([\d.]+)", text)]
    assert widths[0] / widths[1] == pytest.approx(3, abs=0.01)
    assert re.findall(r">(\d+) %<", text) == ["75", "50", "25", "50"]
