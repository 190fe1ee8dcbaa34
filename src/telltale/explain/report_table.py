"""The verdicts of a report: counts, and the table as data that the page's script shows page by page."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from telltale.explain.report_pictures import Gallery
from telltale.explain.report_rows import VerdictRow, kinds, shared_folder, shown
from telltale.explain.report_words import spelled

# More rows than this make a page that a phone cannot open.
MOST_ROWS = 20_000
# Lines of counts that are shown without being asked for.
_MOST_COUNTS = 20
_UNKNOWN = "(unknown)"
_UNJUDGED = "not calibrated"
_FAILED = "failed"
VERDICTS = ("likely generated", "inconclusive", "likely real", _UNJUDGED, _FAILED)
_PLACES = 4


def said(row: VerdictRow) -> str:
    """A row's verdict, or why it has none."""
    # A damaged video has both, numbers and what could not be read.
    return _FAILED if row.error and row.value is None else row.verdict or _UNJUDGED


def counts(rows: Sequence[VerdictRow]) -> Iterator[str]:
    """A line for each detector, source and label: how many pictures and videos got which verdict."""
    groups: dict[tuple[str, str, str, str], Counter[str]] = {}
    for row in rows:
        key = (row.detector, row.weights, row.source or _UNKNOWN, row.label or _UNKNOWN)
        groups.setdefault(key, Counter())[said(row)] += 1
    used = [verdict for verdict in VERDICTS if any(verdict in found for found in groups.values())]
    heads = "".join(f"<th scope=col class=number>{escape(verdict)}" for verdict in used)
    body = "".join(
        f"<tr><td>{escape(spelled(source))}<td>{escape(label)}<td>{escape(spelled(detector))}"
        f"<td class=number>{sum(found.values()):,}{''.join(_share(found, verdict) for verdict in used)}"
        for (detector, _, source, label), found in sorted(groups.items())
    )
    whole = (
        "<div class=scroll tabindex=0><table><thead><tr><th scope=col>source<th scope=col>label<th scope=col>detector"
        f"<th scope=col class=number>{kinds(rows)}{heads}<tbody>{body}</table></div>"
    )
    many = f"<details><summary>Counts by source, label and detector: {len(groups)} lines</summary>{whole}</details>"
    yield whole if len(groups) <= _MOST_COUNTS else many


def _share(found: Counter[str], verdict: str) -> str:
    whole = sum(found.values())
    return f"<td class=number>{found[verdict]:,} <small>{100 * found[verdict] / whole:.0f} %</small>"


def table(rows: Sequence[VerdictRow], pictures: Gallery) -> Iterator[str]:
    """The table's frame and its data; at most `MOST_ROWS`, those with a picture first."""
    kept = _kept(rows, pictures)
    folder = shared_folder([rows[place].path for place in kept])
    if folder:
        yield f"<p class=faint>All paths begin with <code>{escape(spelled(folder))}</code></p>"
    if len(kept) < len(rows):
        yield (
            f"<p>The table holds {len(kept):,} of {len(rows):,} rows: those with a picture, then in the order of the "
            "files. The counts above are of all.</p>"
        )
    yield (
        "<form id=filters autocomplete=off><label>Find <input type=search id=find placeholder='path or reason'></label>"
        "</form><p id=shown class=faint role=status></p>"
        "<div class=scroll tabindex=0><table id=verdict-table><thead></thead><tbody></tbody></table></div>"
        "<p id=pages></p><noscript><p>Without JavaScript this table stays empty.</p></noscript>"
    )
    yield f"<script type=application/json id=rows>{_island(_columns(rows, kept, folder, pictures))}</script>"


def _kept(rows: Sequence[VerdictRow], pictures: Gallery) -> list[int]:
    first = [one.place for one in pictures.shown]
    chosen = set(first)
    rest = (place for place in range(len(rows)) if place not in chosen)
    return sorted([*first, *(place for place, _ in zip(rest, range(MOST_ROWS - len(first)), strict=False))])


def _columns(rows: Sequence[VerdictRow], kept: Sequence[int], folder: str, pictures: Gallery) -> dict[str, Any]:
    """Column by column, words by their number: a fifth of the bytes that a row of HTML takes."""
    chosen = [_placed(rows[place], pictures.placed.get(place)) for place in kept]
    at = {one.place: number for number, one in enumerate(pictures.shown)}
    return {
        "path": [shown(row, folder) for row in chosen],
        "words": {
            "source": _words(row.source or _UNKNOWN for row in chosen),
            "label": _words(row.label or _UNKNOWN for row in chosen),
            "verdict": _words(said(row) for row in chosen),
            "detector": _words(f"{row.detector} {row.weights[:8]}" for row in chosen),
        },
        "probability": [_rounded(row.probability) for row in chosen],
        "score": [_rounded(row.score) for row in chosen],
        "strongest": [_rounded(row.strongest) for row in chosen],
        "window": [row.window for row in chosen],
        "shape": [row.shape for row in chosen],
        "wrong": [number for number, row in enumerate(chosen) if row.is_wrong],
        "picture": {str(number): at[place] for number, place in enumerate(kept) if place in at},
        "error": {str(number): spelled(row.error) for number, row in enumerate(chosen) if row.error},
    }


def _placed(row: VerdictRow, seen: tuple[float, tuple[int, int, int, int]] | None) -> VerdictRow:
    """An evaluation does not keep where the strongest patch lies; of a picture that was drawn it is known."""
    if seen is None or row.window is not None:
        return row
    return replace(row, strongest=seen[0], window=seen[1])


def _words(found: Iterable[str]) -> dict[str, list[Any]]:
    every = [spelled(word) for word in found]
    names = sorted(set(every), key=lambda name: (name == _UNKNOWN, name))
    number = {name: place for place, name in enumerate(names)}
    return {"names": names, "of": [number[word] for word in every]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)


def _island(values: Any) -> str:
    """JSON inside a page: without "<", nothing in it can end the element that holds it."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
