"""A sweep at a glance: AUC and changed verdicts by strength, two small panels for each corruption."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from telltale.errors import require
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.robustness_table import ALL, RobustnessRow, worst

# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_STYLES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)))
_ACROSS = 5
_UNITS = {
    "jpeg": "quality",
    "webp": "quality",
    "blur": "standard deviation, px",
    "noise": "standard deviation, grey levels",
    "resize": "factor",
    "gamma": "exponent",
    "crop": "share of the sides kept",
    "jitter": "range of the factors",
    "screenshot": "zoom",
    "social": "factor",
}


def draw(rows: Sequence[RobustnessRow], path: Path) -> None:
    """Write the figure as PNG: for each corruption AUC above, the share of changed verdicts below.

    Solid with a band: all sources together, with the 95 % interval. Dashed: the worst source. Thin and level: the clean
    pictures. One colour a detector.

    Args:
        rows: of a finished sweep.
        path: the PNG to write.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    names = list(dict.fromkeys(row.corruption for row in rows if row.corruption != "none"))
    down, across = -(-len(names) // _ACROSS) or 1, min(_ACROSS, max(1, len(names)))
    # Without pyplot there is no global state, and no display is looked for.
    figure = require("matplotlib.figure", "evaluate").Figure(
        figsize=(1.2 + 2.5 * max(across, 2), 1.4 + 3.9 * down), layout="constrained"
    )
    panels = figure.subplots(2 * down, across, squeeze=False)
    floor = _floor(rows)
    for place in range(down * across):
        upper, lower = (panels[2 * (place // across) + half, place % across] for half in (0, 1))
        if place >= len(names):
            upper.set_axis_off()
            lower.set_axis_off()
            continue
        mine = [row for row in rows if row.corruption in (names[place], "none")]
        _panel(upper, mine, "auc")
        _panel(lower, mine, "flip")
        _dress(upper, mine, "AUC", low=floor, first=place % across == 0)
        _dress(lower, mine, "share of verdicts\nthat change", low=0.0, first=place % across == 0)
        upper.set_title(names[place], fontsize=10, fontweight="bold")
        lower.set_xlabel(_UNITS.get(names[place], "strength"), fontsize=8)
    _legend(figure, list(dict.fromkeys(row.model for row in rows)), where=rows[0].where)
    temporary = path.with_name(f".{path.name}.new")
    figure.savefig(temporary, format="png", dpi=130)
    temporary.replace(path)


def _floor(rows: Sequence[RobustnessRow]) -> float:
    """Where every AUC axis begins: 0.4, or lower where a source does worse."""
    found = [
        row.auc.low if row.source == ALL and not isnan(row.auc.low) else row.auc.value
        for row in rows
        if row.auc is not None
    ]
    return min(4, int(10 * min(found, default=1.0))) / 10


def _strengths(rows: Sequence[RobustnessRow]) -> list[float]:
    return list(dict.fromkeys(row.strength for row in rows if row.corruption != "none"))


def _panel(axes: Any, rows: Sequence[RobustnessRow], name: str) -> None:
    """One corruption, one figure: strengths stand evenly spaced in the order they were given."""
    for index, model in enumerate(dict.fromkeys(row.model for row in rows)):
        colour, style = _COLOURS[index % len(_COLOURS)], _STYLES[index // len(_COLOURS) % len(_STYLES)]
        own = [row for row in rows if row.model == model]
        cells = [[row for row in own if (row.corruption != "none") and row.strength == one] for one in _strengths(rows)]
        wholes = [_estimate(next(row for row in cell if row.source == ALL), name) for cell in cells]
        places = [place for place, found in enumerate(wholes) if found is not None]
        known = [found for found in wholes if found is not None]
        axes.plot(places, [one.value for one in known], color=colour, linestyle=style, marker="o", markersize=3)
        axes.fill_between(places, [one.low for one in known], [one.high for one in known], color=colour, alpha=0.15)
        lowest = [worst(cell, name) for cell in cells]
        ends = [(place, row) for place, row in enumerate(lowest) if row is not None]
        values = [getattr(row, name).value for _, row in ends]
        axes.plot([place for place, _ in ends], values, color=colour, linestyle="--", linewidth=1, marker="_")
        clean = _estimate(next(row for row in own if row.corruption == "none" and row.source == ALL), name)
        if clean is not None and name == "auc":
            axes.axhline(clean.value, color=colour, linewidth=0.9, linestyle=":")


def _estimate(row: RobustnessRow, name: str) -> Estimate | None:
    found: Estimate | None = getattr(row, name)
    return found


def _dress(axes: Any, rows: Sequence[RobustnessRow], label: str, *, low: float, first: bool) -> None:
    strengths = _strengths(rows)
    axes.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths], fontsize=7)
    axes.set_xlim(-0.4, max(len(strengths) - 0.6, 0.4))
    axes.set_ylim(low - 0.02, 1.02)
    axes.tick_params(axis="y", labelsize=7, labelleft=first)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    if label == "AUC" and low < 0.5:
        axes.axhline(0.5, color="#888888", linewidth=0.7)
    if first:
        axes.set_ylabel(label, fontsize=8)


def _legend(figure: Any, models: Sequence[str], *, where: str) -> None:
    lines = require("matplotlib.lines", "evaluate")
    handles = [
        lines.Line2D(
            [], [], color=_COLOURS[index % len(_COLOURS)], linestyle=_STYLES[index // len(_COLOURS) % 3], label=model
        )
        for index, model in enumerate(models)
    ]
    for style, label in (("-", "all sources, with 95 % interval"), ("--", "worst source"), (":", "clean pictures")):
        handles.append(lines.Line2D([], [], color="#555555", linestyle=style, label=label))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, len(handles)),
        fontsize=8,
        frameon=False,
        title=f"corrupted {where} preparation",
        title_fontsize=8,
    )
