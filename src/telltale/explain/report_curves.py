"""Charts of a report as SVG: a sweep's curves, and what top patches show of each part of a face."""

from collections.abc import Iterator, Mapping, Sequence
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
    keys = " &nbsp; ".join(
        f"<span><span class='key f{at % COLOURS}'></span>{escape(spelled(model))}</span>"
        for at, model in enumerate(models)
    )
    yield f"<p>{keys}</p><p class=faint>Solid, with its 95 % interval: all sources. Dashed: the worst source. Dotted: "
    yield "clean pictures. Above AUC, below the share of verdicts that change.</p>"
    floor = _floor(rows)
    cards = []
    for name in dict.fromkeys(str(row["corruption"]) for row in rows):
        if name != "none":
            drawn = _corruption([row for row in rows if row["corruption"] in (name, "none")], models, floor)
            title = escape(spelled(name))
            cards.append(f"<div class=card><h3>{title}</h3><button type=button class=open>{drawn}</button></div>")
    yield f"<div class=cards data-group>{''.join(cards)}</div>"


def _floor(rows: Sequence[Row]) -> float:
    """Where every AUC axis begins: 0.4, or lower where a source does worse."""
    ends = (row["auc_low"] if row["source"] == ALL else row["auc"] for row in rows)
    found = [value for end in ends if (value := finite(end)) is not None]
    return max(0.0, min(4, int(10 * min(found, default=1.0))) / 10)


def _corruption(rows: Sequence[Row], models: Sequence[str], floor: float) -> str:
    strengths = list(dict.fromkeys(finite(row["strength"]) or 0.0 for row in rows if row["corruption"] != "none"))
    parts, height = [], _TOP
    for figure, low in zip(_FIGURES, (floor, 0.0), strict=True):
        parts.append(_panel(rows, models, strengths, figure, low, height))
        height += _HEIGHT + _GAP
    return (
        f"<svg class=plot viewBox='0 0 {_WIDTH} {height}' width={_WIDTH} height={height} role=img "
        f"aria-label='AUC and changed verdicts by strength'>{''.join(parts)}</svg>"
    )


def _panel(
    rows: Sequence[Row],
    models: Sequence[str],
    strengths: Sequence[float],
    figure: tuple[str, str, str, str],
    floor: float,
    top: int,
) -> str:
    """One figure against strengths, evenly spaced in the order they were given."""

    def x(place: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (place + 0.5) / len(strengths)

    def y(value: float) -> float:
        return top + _HEIGHT * (1 - (min(max(value, floor), 1.0) - floor) / (1 - floor))

    value, low, high, title = figure
    lines = [_axes(strengths, x, y, floor, top, title)]
    for number, model in enumerate(models):
        colour, mine = number % COLOURS, [row for row in rows if row["model"] == model]
        whole = {_strength(row): row for row in mine if row["source"] == ALL and row["corruption"] != "none"}
        known = [(at, whole[one]) for at, one in enumerate(strengths) if one in whole and _known(whole[one], figure)]
        ends = [(x(at), y(finite(row[low]) or 0), y(finite(row[high]) or 0)) for at, row in known]
        outline = [*((a, c) for a, _, c in ends), *((a, b) for a, b, _ in reversed(ends))]
        lines.append(f"<path class='band f{colour}' d='{_path(outline)}Z' />" if ends else "")
        centre = [(x(at), y(finite(row[value]) or 0)) for at, row in known]
        lines.append(f"<path class=s{colour} d='{_path(centre)}' />" if centre else "")
        lines += [_dot(place, row, colour, figure) for place, (_, row) in zip(centre, known, strict=True)]
        worst = [
            (x(at), y(found)) for at, one in enumerate(strengths) if (found := _worst(mine, one, value)) is not None
        ]
        lines.append(f"<path class='worst s{colour}' d='{_path(worst)}' />" if worst else "")
        lines.append(_clean(mine, value, y, colour) if value == "auc" else "")
    return "".join(lines)


def _strength(row: Row) -> float:
    return finite(row["strength"]) or 0.0


def _known(row: Row, figure: tuple[str, str, str, str]) -> bool:
    return all(finite(row.get(name)) is not None for name in figure[:3])


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


def _clean(rows: Sequence[Row], value: str, y: Any, colour: int) -> str:
    clean = next((row for row in rows if row["corruption"] == "none" and row["source"] == ALL), None)
    level = None if clean is None else finite(clean.get(value))
    if level is None:
        return ""
    return f"<line class='level s{colour}' x1={_LEFT} x2={_WIDTH - _RIGHT} y1={y(level):.1f} y2={y(level):.1f} />"


def _dot(at: tuple[float, float], row: Row, colour: int, figure: tuple[str, str, str, str]) -> str:
    value, low, high = (finite(row[name]) or 0.0 for name in figure[:3])
    said = escape(spelled(f"{row['model']}: {value:.3f} ({low:.3f} to {high:.3f})"))
    return f"<circle class='f{colour}' cx={at[0]:.1f} cy={at[1]:.1f} r=2.6><title>{said}</title></circle>"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _axes(strengths: Sequence[float], x: Any, y: Any, floor: float, top: int, title: str) -> str:
    ticks = [tenth / 10 for tenth in range(10, -1, -1 if floor > 0.5 else -2) if tenth / 10 >= floor]
    lines = "".join(
        f"<line class=grid x1={_LEFT} x2={_WIDTH - _RIGHT} y1={y(one):.1f} y2={y(one):.1f} />"
        f"<text x={_LEFT - 5} y={y(one) + 4:.1f} text-anchor=end>{one:.2g}</text>"
        for one in ticks
    )
    names = "".join(
        f"<text x={x(at):.1f} y={top + _HEIGHT + 14} text-anchor=middle>{one:g}</text>"
        for at, one in enumerate(strengths)
    )
    middle = top + _HEIGHT / 2
    return f"{lines}{names}<text transform='translate(9 {middle}) rotate(-90)' text-anchor=middle>{title}</text>"


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
