"""An evaluation as one web page that needs no network: tables that sort, curves, intervals, differences, slices."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

import numpy as np

from telltale.data.web_page import document
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
from telltale.evaluate.evaluation_entries import Entry, Images
from telltale.evaluate.evaluation_page_tables import OVER, differences, every_figure, glance, slice_tables
from telltale.evaluate.evaluation_table import EvaluationRow
from telltale.evaluate.evaluation_words import TITLES, about, by_judge, flattered, named, of_both
from telltale.evaluate.tabulation import Evaluation

# A name and its intervals, as `whiskers` draws them.
_Lines: TypeAlias = list[tuple[str, list[Whisker]]]


def page(found: Evaluation, values: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        found: images, entries and tables.
        values: as `summary` gives them.
    """
    rows = found.rows
    titles = list(by_judge(rows))
    colours = {title: index % COLOURS for index, title in enumerate(titles)}
    body = [
        "<h1>Evaluation</h1>",
        *_opening(values),
        "<h2>At a glance</h2>",
        glance(rows),
        *_judges(rows, colours, flattered(values)),
        *_plots(found.images, found.entries, colours),
        *_by_source(rows, colours),
        "<h2>Every figure</h2>",
        *every_figure(rows),
        *differences(found.comparisons, grouped=found.images.grouped, both=_both(rows)),
        *slice_tables(found.slices),
        *_closing(values),
    ]
    return document("telltale evaluation", body, style=PLOT_STYLE)


def _opening(values: Mapping[str, Any]) -> Iterator[str]:
    data, failures = values["data"], values["failures"]["count"]
    failed = f" {failures} scores are missing, because images could not be scored." if failures else ""
    count = data["copies"]
    copies = f" Copies of other images, by their bytes: {count}; they are drawn with them." if count else ""
    yield (
        f"<p>{data['real']} real and {data['fake']} fake images from "
        f"{len({one['source'] for one in data['sources']})} sources.{failed} Fake is positive; intervals are 95 %, "
        f"by bootstrap over {'groups of ' if data['groups'] or copies else ''}images.{copies}</p>"
    )


def _both(rows: Sequence[EvaluationRow]) -> frozenset[str]:
    return of_both((row.source, row.label) for row in rows)


def _key(title: str, colours: Mapping[str, int]) -> str:
    return f"<span class='key f{colours[title]}'></span>{escape(title)}"


def _judges(rows: Sequence[EvaluationRow], colours: Mapping[str, int], here: Collection[str]) -> Iterator[str]:
    for title, mine in by_judge(rows).items():
        yield f"<p>{_key(title, colours)}: {escape(about(mine, here))}</p>"


def _plots(images: Images, entries: Sequence[Entry], colours: Mapping[str, int]) -> Iterator[str]:
    """Curves of all images of each detector with both labels."""
    curves = []
    for entry in entries:
        is_fake = images.is_fake[entry.scored]
        if is_fake.any() and not is_fake.all():
            curves.append(
                Curve(
                    title=entry.judge.title,
                    colour=colours[entry.judge.title],
                    is_fake=is_fake,
                    score=entry.score[entry.scored],
                    judged=entry.judged[entry.scored],
                )
            )
    if not curves:
        yield "<p>One class only: no curves.</p>"
        return
    drawn = (
        ("ROC", "Dashed: chance.", roc_plot(curves)),
        ("Precision and recall", "Dashed: the share of fakes, where chance lies.", precision_recall_plot(curves)),
        ("Reliability", "Dashed: probabilities that keep their word. Bars: 95 % intervals.", reliability_plot(curves)),
    )
    cards = (f"<div class=card><h3>{title}</h3>{svg}<p class=faint>{text}</p></div>" for title, text, svg in drawn)
    yield "<h2>Curves</h2><p>" + " &nbsp; ".join(_key(one.title, colours) for one in curves) + "</p>"
    yield f"<div class=cards>{''.join(cards)}</div>"


def _by_source(rows: Sequence[EvaluationRow], colours: Mapping[str, int]) -> Iterator[str]:
    """AUC of each source, and false alarms of each source of reals, with intervals."""
    cards: list[tuple[str, str, _Lines, float | None]] = [
        (
            f"AUC by source of {label}s",
            f"Against all {other}s. Dashed: chance.",
            _intervals(rows, label, "auc", colours),
            0.5,
        )
        for label, other in (("fake", "real"), ("real", "fake"))
    ]
    alarms = _intervals(rows, "real", "false_alarm", colours)
    cards.append(("False alarms by source of reals", "Share called “likely generated”.", alarms, None))
    shown = []
    for title, text, lines, mark in cards:
        if lines:
            ends = [one.value if np.isnan(one.low) else one.low for _, found in lines for one in found]
            low = 0.0 if mark is None else min(0.4, np.floor(10 * min(ends)) / 10)
            svg = whiskers(lines, low=float(low), mark=mark)
            shown.append(f"<div class=card><h3>{title}</h3>{svg}<p class=faint>{text}</p></div>")
    if shown:
        yield f"<h2>By source</h2><div class=cards>{''.join(shown)}</div>"


def _intervals(rows: Sequence[EvaluationRow], label: str, name: str, colours: Mapping[str, int]) -> _Lines:
    found: dict[str, list[Whisker]] = {}
    both = _both(rows)
    for row in rows:
        one = row.false_alarm if name == "false_alarm" else row.figures.get(name)
        if row.label == label and row.source not in OVER and one is not None:
            title = row.judge.title
            mark = Whisker(title=title, colour=colours[title], value=one.value, low=one.low, high=one.high)
            found.setdefault(named(row.source, label, both), []).append(mark)
    return list(found.items())


def _closing(values: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>How it was made</h2>"
    yield f"<pre>{escape(values['command'])}</pre><p class=faint>telltale {escape(values['telltale_version'])}, commit "
    yield f"{escape(str(values['commit']))}; data {values['data']['fingerprint'][:16]}; {values['seconds']:.0f} s.</p>"
    listed = values["failures"]["listed"]
    if listed:
        items = "".join(f"<li>{escape(one['path'])}: {escape(one['error'])}" for one in listed)
        yield f"<p>Not scored ({values['failures']['count']}; the first of them):</p><ul>{items}</ul>"
    yield "<ul class=faint>" + "".join(f"<li>{escape(title)}: {escape(text)}" for title, text in TITLES.values())
    yield "</ul>"
