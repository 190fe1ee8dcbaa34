"""An evaluation inside a report: figures with intervals, the worst source always beside the mean."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from telltale.data.web_page import Cell, number, sortable, word
from telltale.evaluate.evaluation_table import ALL, ERRORS, MEAN, WORST
from telltale.evaluate.evaluation_words import TITLES, named, of_both
from telltale.explain.report_files import Table
from telltale.explain.report_words import finite, spelled

Row = Mapping[str, Any]
_OVER = (ALL, MEAN, WORST)
_ALARMS = "false_alarm_rate"
# The headline's figures; every figure of every source is in the table below it.
_HEADLINE = ("auc", "ap_fake", "balanced_accuracy", "tpr_at_5_fpr", "eer")
_BY_SOURCE = ("auc", "ap_fake", "accuracy_real", "accuracy_fake", "tpr_at_5_fpr", "ece")


def evaluation(table: Table, folder: Path, summaries: Mapping[Path, Row]) -> Iterator[str]:
    """Each detector at a glance, then every source."""
    yield f"<p class=faint>From <code>{escape(spelled(str(table.path.relative_to(folder))))}</code>.</p>"
    yield "<h3 class=part>Mean and worst over sources</h3>"
    yield sortable(_heads(_HEADLINE, first=("detector", ""), second=("over", "")), _headline(table.rows))
    yield "<p class=faint>95 % intervals by bootstrap over images. A mean hides the source on which a detector "
    yield "guesses: quote both. The worst of several sources is the worst by chance as well.</p>"
    yield "<h3 class=part>By source</h3>"
    heads = _heads(_BY_SOURCE, first=("source", ""), second=("detector", ""))
    more = [("images", "of the source, with a score"), ("called fake", "share called “likely generated”: false alarms")]
    yield sortable([*heads, *more], _sources(table.rows))
    yield "<p class=faint>A source of fakes is measured against all reals, a source of reals against all fakes.</p>"
    yield from how(summaries.get(table.path.parent))


def _heads(figures: Sequence[str], *, first: tuple[str, str], second: tuple[str, str]) -> list[tuple[str, str]]:
    return [first, second, *(TITLES[name] for name in figures)]


def _title(row: Row) -> str:
    own = str(row.get("own_pooling", "True")) == "True"
    return spelled(str(row["detector"]) + ("" if own else f", {row['pooling']}"))


def _headline(rows: Sequence[Row]) -> Iterator[tuple[bool, list[Cell]]]:
    for row in rows:
        if row["source"] in _OVER:
            values = [_figure(row, name, _worst_source(row, name, rows)) for name in _HEADLINE]
            yield row["source"] == WORST, [word(_title(row)), word(named(row["source"], row["label"])), *values]


def _worst_source(worst: Row, figure: str, rows: Sequence[Row]) -> str:
    """The source that the row of the worst stands for."""
    if worst["source"] != WORST:
        return ""
    mine = [row for row in rows if row["source"] not in _OVER and _same(row, worst) and row.get(figure)]
    choose = max if figure in ERRORS else min
    found = choose(mine, key=lambda row: finite(row[figure]) or 0.0, default=None)
    return "" if found is None else _named(found, rows)


def _named(row: Row, rows: Sequence[Row]) -> str:
    """The row's source, with its label where the source has both."""
    both = of_both((str(one["source"]), str(one["label"])) for one in rows)
    return spelled(named(str(row["source"]), str(row["label"]), both))


def _sources(rows: Sequence[Row]) -> Iterator[tuple[bool, list[Cell]]]:
    for row in rows:
        if row["source"] in _OVER:
            continue
        images = finite(row["n"])
        called = "false_alarm_rate" if row["label"] == "real" else "detected_rate"
        yield (
            False,
            [
                Cell(spelled(str(row["source"])), str(row["source"]), str(row["label"])),
                word(_title(row)),
                _figure(row, _BY_SOURCE[0], str(row.get("note") or "")),
                *(_figure(row, name) for name in _BY_SOURCE[1:]),
                number(images, f"{images or 0:.0f}"),
                _percent(row, called),
            ],
        )


def headlines(table: Table) -> Iterator[str]:
    """One sentence for each detector: the mean over sources of fakes, never without the worst."""
    for row in table.rows:
        if (row["source"], row["label"]) == (MEAN, "fake") and (mean := finite(row["auc"])) is not None:
            worst = next((one for one in table.rows if _same(one, row) and one["source"] == WORST), None)
            lowest = None if worst is None else finite(worst["auc"])
            if worst is not None and lowest is not None:
                name = _worst_source(worst, "auc", table.rows)
                yield f"{_title(row)}: mean AUC over sources of fakes {mean:.3f}, worst {lowest:.3f} ({name})."


def _same(one: Row, other: Row) -> bool:
    """Whether two rows are of one detector, pooling and label."""
    return all(one.get(name) == other.get(name) for name in ("detector", "weights_sha256", "pooling", "label"))


def _figure(row: Row, name: str, more: str = "") -> Cell:
    """A figure of a row with its interval; `more` is shown after it."""
    value, low, high = (finite(row.get(key)) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return Cell("", "", more, is_number=True)
    interval = "" if low is None or high is None else f"{low:.2f} to {high:.2f}"
    return number(value, f"{value:.3f}", ", ".join(part for part in (interval, more) if part))


def _percent(row: Row, name: str, more: str = "") -> Cell:
    stem = name if f"{name}_low" in row else name.removesuffix("_share").removesuffix("_rate")
    value, low, high = (finite(row.get(key)) for key in (name, f"{stem}_low", f"{stem}_high"))
    if value is None:
        return number(None, "")
    interval = "" if low is None or high is None else f"{100 * low:.0f} to {100 * high:.0f}"
    return number(value, f"{100 * value:.1f} %", ", ".join(part for part in (interval, more) if part))


def how(summary: Row | None) -> Iterator[str]:
    """What `summary.json` says of how its table was made; nothing without one."""
    if summary is None:
        return
    facts = [f"telltale {summary.get('telltale_version') or 'unknown'}", f"commit {summary.get('commit') or 'unknown'}"]
    data = summary.get("data")
    if isinstance(data, dict) and {"real", "fake"} <= data.keys():
        facts.append(f"{data.get('real')} real and {data.get('fake')} fake images")
    yield f"<pre>{escape(spelled(str(summary['command'])))}</pre>"
    yield f"<p class=faint>{escape(spelled(', '.join(facts)))}.</p>"


def sweep_headlines(table: Table) -> Iterator[str]:
    """One sentence for each detector: the corruption under which most verdicts change."""
    changed = [
        row for row in table.rows if row["source"] == ALL and row["corruption"] != "none" and finite(row["flip_share"])
    ]
    for model in dict.fromkeys(str(row["model"]) for row in changed):
        worst = max((row for row in changed if row["model"] == model), key=lambda row: finite(row["flip_share"]) or 0.0)
        share = 100 * (finite(worst["flip_share"]) or 0.0)
        cause = spelled(f"{worst['corruption']} {worst['strength']}")
        yield f"{spelled(model)}: most verdicts change under {cause}, {share:.0f} %."


def sweep_table(rows: Sequence[Row]) -> str:
    """A line for each detector, corruption and strength: all sources together, and the worst one beside them."""
    heads = [
        ("detector", ""),
        ("corruption", ""),
        ("strength", ""),
        ("AUC", "all sources together"),
        ("lowest AUC", "of a source of fakes"),
        ("verdicts that change", "all sources together"),
        ("most in a source", ""),
        ("false alarms", "of all reals"),
        ("most in a source", ""),
    ]
    cells: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        cells.setdefault(tuple(str(row[name]) for name in ("model", "corruption", "strength")), []).append(row)
    return sortable(heads, [(cell[1] == "none", _sweep_line(cell, mine)) for cell, mine in cells.items()])


def _sweep_line(cell: tuple[str, ...], rows: Sequence[Row]) -> list[Cell]:
    model, corruption, strength = cell
    value = finite(strength)
    line = [word(spelled(model)), word(spelled(corruption))]
    line.append(number(None, "") if value is None or corruption == "none" else number(value, f"{value:g}"))
    whole = next((row for row in rows if row["source"] == ALL), {})
    for name, shown, label in (("auc", _figure, "fake"), ("flip_share", _percent, ""), (_ALARMS, _percent, "real")):
        own = [row for row in rows if row["source"] != ALL and label in ("", row["label"])]
        known = [row for row in own if finite(row.get(name)) is not None]
        choose = min if name == "auc" else max
        worst = choose(known, key=lambda row: finite(row.get(name)) or 0.0, default=None)
        line.append(shown(whole, name))
        line.append(number(None, "") if worst is None else shown(worst, name, _named(worst, rows)))
    return line
