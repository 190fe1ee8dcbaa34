"""ROC, precision-recall and reliability curves and intervals by source, as SVG that stands in a page by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Bool, Float

from telltale.evaluate.measures import roc
from telltale.evaluate.metrics import share

_SIDE, _LEFT, _FOOT, _TOP, _RIGHT = 260, 54, 40, 8, 12
# Points of a curve: more cannot be seen.
_POINTS = 400
_BINS = 10
# Colours by CSS classes c0, c1, ...; see `PLOT_STYLE`.
COLOURS = 8

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]

# Okabe and Ito's colours, which colour-blind readers tell apart; lighter where the page is dark.
PLOT_STYLE = """
:root { --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0579a; --c4: #b57700; --c5: #2b8cc4; --c6: #444;
  --c7: #888; }
@media (prefers-color-scheme: dark) { :root { --c0: #56b4e9; --c1: #ff8a4d; --c2: #2fcf9f; --c3: #e39acb; --c4: #f0b43c;
  --c5: #9ad0f5; --c6: #ddd; --c7: #999; } }
.plot path { fill: none; stroke-width: 1.8; } .plot .grid { stroke: var(--line); stroke-width: 1; }
.plot .chance { stroke: var(--faint); stroke-dasharray: 4 4; stroke-width: 1; }
.plot .bar { stroke-width: 1.4; } .plot .edge { stroke: var(--faint); stroke-width: 1; fill: none; }
""" + "\n".join(
    f".s{index} {{ stroke: var(--c{index}); }} .f{index} {{ fill: var(--c{index}); background: var(--c{index}); }}"
    for index in range(COLOURS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One detector's images for a plot; arrays of the same length.

    Attributes:
        title: of the detector.
        colour: number of its colour.
        is_fake: labels, both of them present.
        score: what ranks the images.
        judged: what reliability is of.
    """

    title: str
    colour: int
    is_fake: Labels
    score: Scores
    judged: Scores


def roc_plot(curves: Sequence[Curve]) -> str:
    """True against false positives for every threshold."""
    lines = [_steps(*roc(one.is_fake, one.score), one) for one in curves]
    return _plot("share of reals called fake", "share of fakes found", [_diagonal(), *lines], "ROC curves")


def precision_recall_plot(curves: Sequence[Curve]) -> str:
    """Precision against recall; the dashed line is the share of fakes, where chance lies."""
    lines = []
    for one in curves:
        false, found = roc(one.is_fake, one.score)
        hits, alarms = found[1:] * one.is_fake.sum(), false[1:] * (~one.is_fake).sum()
        # Average precision is the area under steps: each precision holds back to the recall before it.
        lines.append(_steps(np.repeat(found, 2)[1:-1], np.repeat(hits / (hits + alarms), 2), one))
    level = float(np.mean([one.is_fake.mean() for one in curves]))
    chance = f"<line class=chance x1={_x(0.0)} x2={_x(1.0)} y1={_y(level)} y2={_y(level)} />"
    return _plot("share of fakes found (recall)", "share of fakes among these (precision)", [chance, *lines], "PR")


def reliability_plot(curves: Sequence[Curve]) -> str:
    """Share of fakes among images of about one probability, at equal weights of both labels, with Wilson intervals."""
    lines = []
    for one in curves:
        weight = np.where(one.is_fake, 0.5 / one.is_fake.mean(), 0.5 / (~one.is_fake).mean())
        place = np.minimum((one.judged * _BINS).astype(int), _BINS - 1)
        points = []
        for index in np.unique(place):
            inside = place == index
            at = float(np.average(one.judged[inside], weights=weight[inside]))
            found = share(one.is_fake[inside])
            ratio = (~one.is_fake).sum() / one.is_fake.sum()
            centre, low, high = (_balanced(value, ratio) for value in (found.value, found.low, found.high))
            points.append((at, centre))
            lines.append(f"<line class='bar s{one.colour}' x1={_x(at)} x2={_x(at)} y1={_y(low)} y2={_y(high)} />")
            lines.append(_dot(at, centre, one, f"{inside.sum()} images"))
        across, up = (np.array(values) for values in zip(*points, strict=True))
        lines.append(_steps(across, up, one))
    return _plot("probability said", "share of fakes at equal numbers", [_diagonal(), *lines], "Reliability")


def _balanced(found: float, ratio: float) -> float:
    """A share of fakes as it would be with as many reals as fakes: odds times reals per fake."""
    return found * ratio / (found * ratio + 1 - found) if found < 1 else 1.0


def _dot(x: float, y: float, curve: Curve, more: str) -> str:
    text = escape(f"{curve.title}: said {x:.2f}, found {y:.2f}, {more}")
    return f"<circle class='f{curve.colour}' cx={_x(x)} cy={_y(y)} r=3><title>{text}</title></circle>"


def _steps(x: Float[np.ndarray, "points"], y: Float[np.ndarray, "points"], curve: Curve) -> str:
    """A polyline, thinned to what can be seen; the first and the last point stay."""
    if x.size > _POINTS:
        kept = np.unique(np.linspace(0, x.size - 1, _POINTS).round().astype(int))
        x, y = x[kept], y[kept]
    points = "L".join(f"{_x(float(one))} {_y(float(other))}" for one, other in zip(x, y, strict=True))
    return f"<path class=s{curve.colour} d='M{points}'><title>{escape(curve.title)}</title></path>"


def _x(value: float) -> str:
    return f"{_LEFT + _SIDE * value:.1f}"


def _y(value: float) -> str:
    return f"{_TOP + _SIDE * (1 - value):.1f}"


def _diagonal() -> str:
    return f"<line class=chance x1={_x(0.0)} y1={_y(0.0)} x2={_x(1.0)} y2={_y(1.0)} />"


def _plot(across: str, up: str, inside: Iterable[str], name: str) -> str:
    """A square from 0 to 1 both ways."""
    ticks = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        ticks.append(f"<line class=grid x1={_x(value)} x2={_x(value)} y1={_y(0.0)} y2={_y(1.0)} />")
        ticks.append(f"<line class=grid x1={_x(0.0)} x2={_x(1.0)} y1={_y(value)} y2={_y(value)} />")
        ticks.append(f"<text x={_x(value)} y={_TOP + _SIDE + 15} text-anchor=middle>{value:g}</text>")
        ticks.append(f"<text x={_LEFT - 5} y={float(_y(value)) + 4:.1f} text-anchor=end>{value:g}</text>")
    width, height, middle = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _FOOT, _TOP + _SIDE / 2
    return (
        f"<svg class=plot viewBox='0 0 {width} {height}' width={width} height={height} role=img "
        f"aria-label='{escape(name)}'>{''.join(ticks)}{''.join(inside)}"
        f"<text x={_LEFT + _SIDE / 2} y={height - 6} text-anchor=middle>{escape(across)}</text>"
        f"<text transform='translate(11 {middle}) rotate(-90)' text-anchor=middle>{escape(up)}</text></svg>"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """One value with its interval, for a line of `whiskers`."""

    title: str
    colour: int
    value: float
    low: float
    high: float


def whiskers(lines: Sequence[tuple[str, Sequence[Whisker]]], *, low: float, mark: float | None) -> str:
    """Intervals from `low` to 1, a line for each name, with a mark at chance."""
    width, left, step = 380, 134, 14
    rows, y = [], 8

    def at(value: float) -> str:
        return f"{left + (width - left - 14) * (min(max(value, low), 1) - low) / (1 - low):.1f}"

    for name, found in lines:
        height = step * max(1, len(found)) + 8
        shown = name if len(name) <= 20 else f"{name[:19]}…"
        rows.append(f"<text x=0 y={y + height / 2:.1f}><title>{escape(name)}</title>{escape(shown)}</text>")
        for number, one in enumerate(found):
            place = y + 4 + step * number
            known = not np.isnan(one.low)
            said = escape(f"{one.title}: {one.value:.3f}" + known * f" ({one.low:.3f} to {one.high:.3f})")
            if known:
                bar = f"x1={at(one.low)} x2={at(one.high)} y1={place} y2={place}"
                rows.append(f"<line class='bar s{one.colour}' {bar} />")
            rows.append(
                f"<circle class='f{one.colour}' cx={at(one.value)} cy={place} r=4><title>{said}</title></circle>"
            )
        y += height
    ticks = [low + (1 - low) * part / 4 for part in range(5)]
    axis = "".join(
        f"<line class=grid x1={at(tick)} x2={at(tick)} y1=2 y2={y} />"
        f"<text x={at(tick)} y={y + 14} text-anchor=middle>{tick:.2g}</text>"
        for tick in ticks
    )
    if mark is not None:
        axis += f"<line class=chance x1={at(mark)} x2={at(mark)} y1=2 y2={y} />"
    return (
        f"<svg class=plot viewBox='0 0 {width} {y + 20}' width={width} height={y + 20} role=img "
        f"aria-label='intervals by source'>{axis}{''.join(rows)}</svg>"
    )
