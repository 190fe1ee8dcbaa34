"""The tables of an evaluation as CSV and Markdown, and all its files."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from telltale.data.index import write_whole
from telltale.evaluate.evaluation_comparison import ComparisonRow
from telltale.evaluate.evaluation_latex import table_latex
from telltale.evaluate.evaluation_page import page
from telltale.evaluate.evaluation_table import ALL, MEAN, WORST, EvaluationRow
from telltale.evaluate.evaluation_words import (
    RESOLUTION,
    TITLES,
    about,
    by_judge,
    calibrated,
    ends,
    flattered,
    is_unresolved,
    named,
    of_both,
    p_value,
    percent,
    plain,
    with_interval,
)
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.slices import SliceRow
from telltale.evaluate.tabulation import Evaluation


def write_tables(out: Path, found: Evaluation, values: Mapping[str, Any]) -> None:
    """Every file of an evaluation but its scores; tables that this one does not have are removed.

    Args:
        out: the folder.
        found: the tables.
        values: as `summary` gives them.
    """
    here = flattered(values)
    files = {
        "table.csv": table_csv(found.rows),
        "table.md": table_markdown(found.rows, found.comparisons, found.slices, here),
        "table.tex": table_latex(found.rows, here),
        "comparisons.csv": comparisons_csv(found.comparisons),
        "slices.csv": slices_csv(found.slices),
        "summary.json": json.dumps(values, indent=1, allow_nan=False) + "\n",
        "report.html": page(found, values),
    }
    for name, text in files.items():
        if text:
            write_whole(out / name, text.encode("utf-8", "backslashreplace"))
        else:
            (out / name).unlink(missing_ok=True)


Cell = str | int | float | bool | None
_SHARES = {"false_alarm": "false_alarm_rate", "detected": "detected_rate", "inconclusive": "inconclusive_rate"}


def table_csv(rows: Iterable[EvaluationRow]) -> str:
    """Every row and figure, with intervals, to six places."""
    return _csv([_flat(row) for row in rows])


def _flat(row: EvaluationRow) -> dict[str, Cell]:
    judge = row.judge
    found: dict[str, Cell] = {
        "detector": judge.detector,
        "weights_sha256": judge.weights_sha256,
        "pooling": judge.pooling,
        "own_pooling": judge.own,
        "source": row.source,
        "label": row.label,
        "n": row.n,
        "n_real": row.n_real,
        "n_fake": row.n_fake,
        "failed": row.failed,
        "note": row.note,
    }
    for figure in TITLES:
        if figure == "ece":
            found["ece"] = None if figure not in row.figures else round(row.figures[figure].value, 6)
            found |= _columns("ece_if_calibrated", row.ece_if_calibrated)
        else:
            found |= _columns(figure, row.figures.get(figure))
        if figure.startswith("tpr_at"):
            found[f"{figure}_resolved"] = None if figure not in row.figures else not is_unresolved(row, figure)
    for name, title in _SHARES.items():
        found |= _columns(title, getattr(row, name))
    return found | {"judged_by": judge.judged_by, "verdict_by": judge.verdict_by}


def comparisons_csv(rows: Iterable[ComparisonRow]) -> str:
    """Every pair, source and figure."""
    return _csv(
        [
            {
                "first": row.first.title,
                "second": row.second.title,
                "source": row.source,
                "label": row.label,
                "n_real": row.n_real,
                "n_fake": row.n_fake,
                "figure": row.figure,
                "test": row.found.test,
                "first_value": round(row.found.first, 6),
                "second_value": round(row.found.second, 6),
                **_columns("difference", row.found.difference),
                "p": row.found.p,
            }
            for row in rows
        ]
    )


def slices_csv(rows: Iterable[SliceRow]) -> str:
    """Every detector and slice."""
    return _csv(
        [
            {
                "detector": row.judge.detector,
                "pooling": row.judge.pooling,
                "column": row.column,
                "value": row.value,
                "n_real": row.n_real,
                "n_fake": row.n_fake,
                "note": row.note,
                **_columns("auc", row.auc),
                **_columns("false_alarm_rate", row.false_alarm),
                **_columns("detected_rate", row.detected),
            }
            for row in rows
        ]
    )


def _columns(name: str, found: Estimate | None) -> dict[str, Cell]:
    values = (None,) * 3 if found is None else (found.value, found.low, found.high)
    return {
        title: None if value is None or isnan(value) else round(value, 6)
        for title, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    }


def _csv(records: Sequence[Mapping[str, Cell]]) -> str:
    if not records:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def table_markdown(
    rows: Sequence[EvaluationRow],
    comparisons: Sequence[ComparisonRow] = (),
    slices: Sequence[SliceRow] = (),
    here: Collection[str] = (),
) -> str:
    """A section for each detector and pooling: figures by source, verdicts by source; then comparisons and slices."""
    lines = ["# Evaluation", ""]
    for title, mine in by_judge(rows).items():
        lines += [f"## {_cell(title)}", "", about(mine, here), "", *_figures(mine), "", *_verdicts(mine), ""]
    if any(is_unresolved(row, figure) for row in rows for figure in row.figures):
        lines += [RESOLUTION.replace("*", "\\*", 1) + ".", ""]
    if comparisons:
        lines += ["## Differences between detectors", "", *_differences(comparisons), ""]
    if slices:
        lines += ["## Slices", "", *_slices(slices), ""]
    return "\n".join(lines)


def _figures(rows: Sequence[EvaluationRow]) -> list[str]:
    head = ["source", "real", "fake", *(title for title, _ in TITLES.values())]
    both = of_both((row.source, row.label) for row in rows)
    return _grid(head, [[named(row.source, row.label, both), row.n_real, row.n_fake, *_numbers(row)] for row in rows])


def _numbers(row: EvaluationRow) -> list[str]:
    """AUC and AP with intervals, the others plain; why, where there are none."""
    if not row.figures:
        return [row.note, *[""] * (len(TITLES) - 1)]
    wide = ("auc", "ap_fake")
    if_right = f" ({calibrated(row)})" if calibrated(row) else ""
    return [
        with_interval(row.figures.get(name)) if name in wide else plain(row, name) + if_right * (name == "ece")
        for name in TITLES
    ]


def _verdicts(rows: Sequence[EvaluationRow]) -> list[str]:
    """False alarms of every source of reals, finds of every source of fakes."""
    shown = [row for row in rows if row.source not in (ALL, MEAN, WORST)]
    both = of_both((row.source, row.label) for row in shown)
    head = ["source", "label", "images", "failed", "called “likely generated”", "inconclusive"]
    body = [
        [
            named(row.source, row.label, both),
            row.label,
            row.n,
            row.failed,
            percent(row.false_alarm or row.detected),
            percent(row.inconclusive),
        ]
        for row in shown
    ]
    return _grid(head, body)


def _differences(rows: Sequence[ComparisonRow]) -> list[str]:
    head = ["first", "second", "images", "figure", "first", "second", "difference", "p", "test"]
    body = [
        [
            row.first.title,
            row.second.title,
            named(row.source, row.label),
            TITLES[row.figure][0],
            f"{row.found.first:.3f}",
            f"{row.found.second:.3f}",
            f"{row.found.difference.value:+.3f} ({ends(row.found.difference, '+.3f')})",
            p_value(row.found),
            row.found.test,
        ]
        for row in rows
        if row.source in (ALL, MEAN)
    ]
    return _grid(head, body)


def _slices(rows: Sequence[SliceRow]) -> list[str]:
    head = ["detector", "column", "value", "real", "fake", "AUC", "false alarms", "fakes found"]
    body = [
        [
            row.judge.title,
            row.column,
            row.value,
            row.n_real,
            row.n_fake,
            row.note or with_interval(row.auc),
            percent(row.false_alarm),
            percent(row.detected),
        ]
        for row in rows
    ]
    return _grid(head, body)


def _grid(head: Sequence[str], body: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *body]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "/")


# A paper's table has room for these.
