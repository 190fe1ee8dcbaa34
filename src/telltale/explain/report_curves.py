"""Charts of a report as SVG: a sweep's curves, and what top patches show of each part of a face."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from telltale.evaluate.curve_plots import COLOURS
from telltale.evaluate.robustness_table import ALL
from telltale.explain.report_words import finite, spelled

Row = Mapping[str, Any]
_WIDTH, _LEFT, _RIGHT, _HEIGHT, _GAP, _TOP = 330, 40, 10, 130, 26, 8
_FIGURES = (("auc", "auc_low", "auc_high", "AUC"), ("flip_share", "flip_low", "flip_high", "verdicts that change"))
CHART_STYLE = """
.plot .worst { stroke-dasharray: 5 4; stroke-width: 1.3; } .plot .level { stroke-dasharray: 1 4; stroke-width: 1.2; }
.random { fill: var(--faint); background: var(--faint); }
.top-fake { fill: var(--fake); background: var(--fake); } .top-real { fill: var(--real); background: var(--real); }
.plot .error { stroke: var(--text); stroke-width: 1.2; }
""" + "\n".join(f".plot .band.f{at} {{ fill: var(--c{at}); opacity: .16; }}" for at in range(COLOURS))


def sweep(rows: Sequence[Row]) -> Iterator[str]:
    """A card for each corruption: AUC above, changed verdicts below, a colour for each detector.

    Solid with a band: all sources, with the 95 % interval. Dashed: the worst source. Dotted: clean pictures.
    """
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    yield f"<div class=sweep>{_keys(models)}"
    yield "<p class=faint>Solid, with its 95 % interval: all sources. Dashed: the worst source. Dotted: clean "
    yield "pictures. Above AUC, below the share of verdicts that change.</p>"
    floor = _floor(rows)
    cards = []
    for name in dict.fromkeys(str(row["corruption"]) for row in rows):
        if name != "none":
            drawn = _corruption([row for row in rows if row["corruption"] in (name, "none")], models, floor)
            title = escape(spelled(name))
            cards.append(f"<div class=card><h3>{title}</h3><button type=button class=open>{drawn}</button></div>")
    yield f"<div class=cards data-group>{''.join(cards)}</div></div>"


def _keys(models: Sequence[str]) -> str:
    """The detectors' colours; of several, each can be hidden, so that every curve can be read."""
    names = [f"<span class='key f{at % COLOURS}'></span>{escape(spelled(model))}" for at, model in enumerate(models)]
    if len(models) == 1:
        return f"<p class=keys>{names[0]}</p>"
    boxes = "".join(
        f"<label><input type=checkbox checked data-model={at}> {name}</label>" for at, name in enumerate(names)
    )
    repeat = f" Colours repeat after {COLOURS}." if len(models) > COLOURS else ""
    return f"<p class=keys>{boxes}</p><p class=faint>Untick a detector to hide its curves.{repeat}</p>"


def _floor(rows: Sequence[Row]) -> float:
    """Where every AUC axis begins: 0.4, or lower where a source does worse."""
    ends = (row["auc_low"] if row["source"] == ALL else row["auc"] for row in rows)
    found = [value for end in ends if (value := finite(end)) is not None]
    return max(0.0, min(4, int(10 * min(found, default=1.0))) / 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One figure against strengths, evenly spaced in the order they were given.

    Attributes:
        columns: of the table: value, low end, high end.
        title: of the axis.
        strengths: of the corruption.
        floor: where the axis begins; it ends at 1.
        top: pixels above it.
    """

    columns: tuple[str, str, str]
    title: str
    strengths: Sequence[float]
    floor: float
    top: int

    def x(self, place: int) -> float:
        """Pixels to the right, of a strength by its place."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (place + 0.5) / len(self.strengths)

    def y(self, value: float) -> float:
        """Pixels down, of a value; one below the floor lies on it."""
        return self.top + _HEIGHT * (1 - (min(max(value, self.floor), 1.0) - self.floor) / (1 - self.floor))


def _corruption(rows: Sequence[Row], models: Sequence[str], floor: float) -> str:
    strengths = list(dict.fromkeys(_strength(row) for row in rows if row["corruption"] != "none"))
    drawn, height = [], _TOP
    for (*columns, title), low in zip(_FIGURES, (floor, 0.0), strict=True):
        value, below, above = columns
        panel = _Panel(columns=(value, below, above), title=title, strengths=strengths, floor=low, top=height)
        drawn.append(_axes(panel))
        for number, model in enumerate(models):
            mine = [row for row in rows if row["model"] == model]
            drawn.append(f"<g data-model={number}>{_curves(mine, panel, number % COLOURS)}</g>")
        height += _HEIGHT + _GAP
    return (
        f"<svg class=plot viewBox='0 0 {_WIDTH} {height}' width={_WIDTH} height={height} role=img "
        f"aria-label='AUC and changed verdicts by strength'>{''.join(drawn)}</svg>"
    )


def _curves(rows: Sequence[Row], panel: _Panel, colour: int) -> str:
    """One detector's curves in one panel."""
    value, low, high = panel.columns
    whole = {_strength(row): row for row in rows if row["source"] == ALL and row["corruption"] != "none"}
    known = [
        (panel.x(at), whole[one])
        for at, one in enumerate(panel.strengths)
        if one in whole and all(finite(whole[one].get(name)) is not None for name in panel.columns)
    ]
    lines = []
    if known:
        upper = [(x, panel.y(finite(row[high]) or 0.0)) for x, row in known]
        lower = [(x, panel.y(finite(row[low]) or 0.0)) for x, row in known]
        centre = [(x, panel.y(finite(row[value]) or 0.0)) for x, row in known]
        lines.append(f"<path class='band f{colour}' d='{_path([*upper, *reversed(lower)])}Z' />")
        lines.append(f"<path class=s{colour} d='{_path(centre)}' />")
        lines += [_dot(place, row, colour, panel.columns) for place, (_, row) in zip(centre, known, strict=True)]
    worst = [
        (panel.x(at), panel.y(found))
        for at, one in enumerate(panel.strengths)
        if (found := _worst(rows, one, value)) is not None
    ]
    lines.append(f"<path class='worst s{colour}' d='{_path(worst)}' />" if worst else "")
    lines.append(_clean(rows, panel, colour) if value == "auc" else "")
    return "".join(lines)


def _strength(row: Row) -> float:
    return finite(row["strength"]) or 0.0


def _worst(rows: Sequence[Row], strength: float, value: str) -> float | None:
    """The lowest AUC of a source of fakes, or the most changed verdicts of any source."""
    found = [
        number
        for row in rows
        if row["corruption"] != "none" and _strength(row) == strength and row["source"] != ALL
        if value != "auc" or row["label"] == "fake"
        if (number := finite(row.get(value))) is not None
    ]
    return (min if value == "auc" else max)(found, default=None)


def _clean(rows: Sequence[Row], panel: _Panel, colour: int) -> str:
    clean = next((row for row in rows if row["corruption"] == "none" and row["source"] == ALL), None)
    level = None if clean is None else finite(clean.get(panel.columns[0]))
    if level is None:
        return ""
    y = f"{panel.y(level):.1f}"
    return f"<line class='level s{colour}' x1={_LEFT} x2={_WIDTH - _RIGHT} y1={y} y2={y} />"


def _dot(at: tuple[float, float], row: Row, colour: int, columns: tuple[str, str, str]) -> str:
    value, low, high = (finite(row[name]) or 0.0 for name in columns)
    said = escape(spelled(f"{row['model']}: {value:.3f} ({low:.3f} to {high:.3f})"))
    return f"<circle class='f{colour}' cx={at[0]:.1f} cy={at[1]:.1f} r=2.6><title>{said}</title></circle>"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _axes(panel: _Panel) -> str:
    ticks = [tenth / 10 for tenth in range(10, -1, -1 if panel.floor > 0.5 else -2) if tenth / 10 >= panel.floor]
    lines = "".join(
        f"<line class=grid x1={_LEFT} x2={_WIDTH - _RIGHT} y1={panel.y(one):.1f} y2={panel.y(one):.1f} />"
        f"<text x={_LEFT - 5} y={panel.y(one) + 4:.1f} text-anchor=end>{one:.2g}</text>"
        for one in ticks
    )
    names = "".join(
        f"<text x={panel.x(at):.1f} y={panel.top + _HEIGHT + 14} text-anchor=middle>{one:g}</text>"
        for at, one in enumerate(panel.strengths)
    )
    middle = panel.top + _HEIGHT / 2
    return f"{lines}{names}<text transform='translate(9 {middle}) rotate(-90)' text-anchor=middle>{panel.title}</text>"


_BAR, _NAMES, _SPAN = 34, 96, 230


def parts(rows: Sequence[Row]) -> Iterator[str]:
    """A card for each source and label: the share of top patches in each part, beside that of random patches."""
    cards = []
    for source, label in dict.fromkeys((str(row["source"]), str(row["label"])) for row in rows):
        mine = [row for row in rows if (str(row["source"]), str(row["label"])) == (source, label)]
        title = escape(spelled(f"{source}, {label}" if label else source))
        cards.append(f"<div class=card><h3>{title}</h3><button type=button class=open>{_bars(mine)}</button></div>")
    yield "<p><span class='key top-fake'></span>top patches of fakes, <span class='key top-real'></span>of reals, with "
    yield "their 95 % intervals &nbsp; <span class='key random'></span>random patches of the same pictures</p>"
    yield f"<div class=cards data-group>{''.join(cards)}</div>"


def _bars(rows: Sequence[Row]) -> str:
    """Two bars a part, the most frequent part first."""
    top, random = _shares(rows, "share", "top_count"), _shares(rows, "random_share", "random_count")
    longest = max(0.01, *top, *random, *(finite(row["high"]) or 0.0 for row in rows if _is_share(row["high"])))
    lines = []
    order = sorted(range(len(rows)), key=lambda place: -top[place])
    for line, place in enumerate(order):
        y, row = _BAR * line, rows[place]
        lines.append(f"<text x=0 y={y + 17}>{escape(spelled(str(row['part'])))}</text>")
        mine = "top-real" if row["label"] == "real" else "top-fake"
        for share, kind, at in ((top[place], mine, y + 4), (random[place], "random", y + 17)):
            width = _SPAN * share / longest
            lines.append(f"<rect class={kind} x={_NAMES} y={at} width={width:.1f} height=11 />")
        low, high = finite(row["low"]), finite(row["high"])
        if low is not None and high is not None and _is_share(row["high"]):
            ends = [_NAMES + _SPAN * end / longest for end in (low, high)]
            lines.append(f"<line class=error x1={ends[0]:.1f} x2={ends[1]:.1f} y1={y + 9} y2={y + 9} />")
        right = _NAMES + _SPAN + 8
        lines.append(f"<text x={right} y={y + 14}>{100 * top[place]:.0f} %</text>")
        lines.append(f"<text x={right} y={y + 27}>{100 * random[place]:.0f} %</text>")
    height, width = _BAR * len(rows) + 4, _NAMES + _SPAN + 46
    return (
        f"<svg class=plot viewBox='0 0 {width} {height}' width={width} height={height} role=img "
        f"aria-label='shares of top and random patches by part'>{''.join(lines)}</svg>"
    )


def _shares(rows: Sequence[Row], share: str, count: str) -> list[float]:
    """As the file has them, or from its counts."""
    if share in rows[0]:
        return [finite(row[share]) or 0.0 for row in rows]
    found = [finite(row[count]) or 0.0 for row in rows]
    whole = sum(found)
    return [one / whole if whole else 0.0 for one in found]


def _is_share(value: Any) -> bool:
    found = finite(value)
    return found is not None and 0.0 <= found <= 1.0
