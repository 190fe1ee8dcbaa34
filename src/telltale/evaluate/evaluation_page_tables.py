"""The tables of an evaluation's page."""

from collections.abc import Collection, Iterator, Sequence
from html import escape

from telltale.data.web_page import Cell, number, sortable, word
from telltale.evaluate.evaluation_comparison import ComparisonRow, headline
from telltale.evaluate.evaluation_table import ALL, MEAN, WORST, EvaluationRow
from telltale.evaluate.evaluation_words import (
    RESOLUTION,
    TITLES,
    by_judge,
    calibrated,
    ends,
    is_unresolved,
    named,
    of_both,
    p_value,
    percent_ends,
    plain,
    worst_sources,
)
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.slices import SliceRow

OVER = (ALL, MEAN, WORST)


def glance(rows: Sequence[EvaluationRow]) -> str:
    """One line a detector: the figures that a headline may quote."""
    heads = [
        ("detector", "name, and pooling where it is not the detector's own"),
        ("AUC, mean", "mean over sources of fakes, each against all reals"),
        ("AUC, worst", "the source of fakes with the lowest AUC"),
        ("AUC, all", "all images in one"),
        ("AP, mean", "average precision, fake positive, mean over sources of fakes"),
        ("bal. acc.", "of all images, at 0.5"),
        ("false alarms, worst", "the source of reals of which most are called “likely generated”"),
    ]
    body, both = [], of_both((row.source, row.label) for row in rows)
    for title, mine in by_judge(rows).items():
        each = {(row.source, row.label): row for row in mine}
        mean, worst, whole = (each.get(key) for key in ((MEAN, "fake"), (WORST, "fake"), (ALL, "all")))
        reals = [row for row in mine if row.label == "real" and row.source not in OVER and row.false_alarm]
        alarm = max(reals, key=lambda row: row.false_alarm.value if row.false_alarm else 0.0, default=None)
        body.append(
            (
                False,
                [
                    word(title),
                    _estimate(mean, "auc"),
                    _estimate(worst, "auc", worst_sources(worst, ("auc",), both) if worst else ""),
                    _estimate(whole, "auc"),
                    _estimate(mean, "ap_fake"),
                    _estimate(whole, "balanced_accuracy"),
                    _share(alarm.false_alarm if alarm else None, named(alarm.source, "real", both) if alarm else ""),
                ],
            )
        )
    return sortable(heads, body)


def _estimate(row: EvaluationRow | None, figure: str, more: str = "") -> Cell:
    found = None if row is None else row.figures.get(figure)
    if found is None:
        return number(None, "")
    return number(found.value, f"{found.value:.3f}", f"{ends(found)}{', ' * bool(more)}{more}")


def _share(found: Estimate | None, more: str = "") -> Cell:
    if found is None:
        return number(None, "")
    small = f"{percent_ends(found)}{', ' * bool(more)}{more}"
    return number(found.value, f"{100 * found.value:.1f} %", small)


def every_figure(rows: Sequence[EvaluationRow]) -> Iterator[str]:
    """A line for each row of the table; mean, worst and all are set off."""
    heads = [
        ("source", "a source of fakes against all reals, a source of reals against all fakes"),
        ("detector", "name, and pooling where it is not the detector's own"),
        ("label", "of the source"),
        ("images", "of the source, with a score"),
        ("real", "images the figures rest on"),
        ("fake", "images the figures rest on"),
        *TITLES.values(),
        ("called fake", "share of its own images called “likely generated”: false alarms of a source of reals"),
        ("inconclusive", "share of its own images"),
        ("failed", "its own images without a score"),
    ]
    body, both = [], of_both((row.source, row.label) for row in rows)
    for row in rows:
        called = row.false_alarm or row.detected
        one_label = row.label != "all"
        body.append(
            (
                row.source in OVER,
                [
                    word(named(row.source, row.label, both), row.note or _lowest(row, both)),
                    word(row.judge.title),
                    word(row.label),
                    *(number(count, str(count)) for count in (row.n, row.n_real, row.n_fake)),
                    *(_figure(row, figure) for figure in TITLES),
                    _share(called if one_label else None),
                    _share(row.inconclusive),
                    number(row.failed, str(row.failed)),
                ],
            )
        )
    yield "<p class=faint>Click a heading to sort; hold the pointer over it for what it means.</p>"
    yield sortable(heads, body)
    if any(is_unresolved(row, figure) for row in rows for figure in row.figures):
        yield f"<p class=faint>{escape(RESOLUTION)}.</p>"


def _lowest(row: EvaluationRow, both: Collection[str]) -> str:
    """The source that the worst AUC is of; other figures may have another."""
    found = worst_sources(row, ("auc",), both)
    return f"AUC: {found}" if found else ""


def _figure(row: EvaluationRow, figure: str) -> Cell:
    found = row.figures.get(figure)
    if found is None:
        return number(None, "")
    beside = calibrated(row) if figure == "ece" else ends(found)
    return number(found.value, plain(row, figure), beside)


def differences(rows: Sequence[ComparisonRow], *, grouped: bool, both: Collection[str] = ()) -> Iterator[str]:
    """A line for each pair, source and figure; nothing where there is one detector.

    Args:
        rows: of `compare`.
        grouped: whether images come in groups, which DeLong's test does not know.
        both: sources with both labels, as `of_both` gives them.
    """
    if not rows:
        return
    heads = [
        ("first", ""),
        ("second", ""),
        ("images", ""),
        ("figure", ""),
        ("first", "its value"),
        ("second", "its value"),
        ("difference", "first minus second, with its 95 % interval"),
        ("p", "two-sided"),
        ("test", "DeLong's, or the paired bootstrap"),
    ]
    shown = headline(rows, grouped=grouped)
    best = {id(row) for row in shown}
    body = [
        (
            id(row) in best,
            [
                word(row.first.title),
                word(row.second.title),
                word(named(row.source, row.label, both)),
                word(TITLES[row.figure][0]),
                number(row.found.first, f"{row.found.first:.3f}"),
                number(row.found.second, f"{row.found.second:.3f}"),
                number(
                    row.found.difference.value,
                    f"{row.found.difference.value:+.3f}",
                    ends(row.found.difference, "+.3f"),
                ),
                Cell(p_value(row.found), "" if row.found.p is None else row.found.p, is_number=True),
                word(row.found.test),
            ],
        )
        for row in rows
        if row.source in (ALL, MEAN) or row.found.test == "delong"
    ]
    yield "<h2>Differences between detectors</h2><p class=faint>On the images that both have scored. With many rows, "
    yield "some p below 0.05 come by chance: decide beforehand which row counts; bold ones are meant for it."
    yield " DeLong’s test takes images for independent, and these come in groups.</p>" if grouped else "</p>"
    yield sortable(heads, body)


def slice_tables(rows: Sequence[SliceRow]) -> Iterator[str]:
    """A table for each column."""
    for column in dict.fromkeys(row.column for row in rows):
        mine = [row for row in rows if row.column == column]
        heads = [
            (column, ""),
            ("detector", ""),
            ("real", "images"),
            ("fake", "images"),
            ("AUC", "of the fakes of the slice against its reals"),
            ("false alarms", "share of its reals called “likely generated”"),
            ("fakes found", "share of its fakes called “likely generated”"),
        ]
        body = [
            (
                False,
                [
                    Cell(row.value, place, row.note),
                    word(row.judge.title),
                    number(row.n_real, str(row.n_real)),
                    number(row.n_fake, str(row.n_fake)),
                    number(None, "")
                    if row.auc is None
                    else number(row.auc.value, f"{row.auc.value:.3f}", ends(row.auc)),
                    _share(row.false_alarm),
                    _share(row.detected),
                ],
            )
            for place, row in enumerate(mine)
        ]
        yield f"<h2>By {escape(column)}</h2>{sortable(heads, body)}"
