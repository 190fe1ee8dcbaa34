"""The parts of a report's page that show pictures, charts and tables as they are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from telltale.data.web_page import Cell, number, sortable, word
from telltale.errors import UndecodableImage
from telltale.explain.report_curves import parts, sweep
from telltale.explain.report_evaluation import how, sweep_table
from telltale.explain.report_files import RunFolder, Table
from telltale.explain.report_pictures import LONGEST, Gallery, inline_file
from telltale.explain.report_rows import VerdictRow, shared_folder, shown
from telltale.explain.report_table import said
from telltale.explain.report_words import finite, spelled

# Rows of a table that is shown as it is.
_MOST_LINES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a report came about: only the caller knows.

    Attributes:
        command: as typed.
        version, commit: of telltale.
        time: in words, with the zone.
    """

    command: str
    version: str
    commit: str | None
    time: str


@dataclass(slots=True, kw_only=True)
class Content:
    """What goes into a page.

    Attributes:
        run: the folder.
        rows: its verdicts, joined.
        joined: how many rows of files were joined to others.
        gallery: pictures, chosen and drawn.
        pictures: how many were asked for; 0 for none.
        cards: (heading, HTML) of each model card.
        made: how.
    """

    run: RunFolder
    rows: Sequence[VerdictRow]
    joined: int = 0
    gallery: Gallery = field(default_factory=Gallery)
    pictures: int
    cards: Sequence[tuple[str, str]] = ()
    made: Made


def heatmaps(content: Content) -> Iterator[str]:
    """The chosen pictures with their heatmaps, and why others are not there."""
    shown_ones, found = content.gallery.shown, content.gallery
    if not content.rows:
        return
    if not shown_ones:
        reason = "" if content.pictures else " (--no-pictures, or --pictures 0)"
        yield f"<p>No pictures{reason}.</p>"
    else:
        yield (
            f"<p>{len(shown_ones):,} of {found.candidates:,} scored pictures: "
            f"{'those of extremes.csv by rank, then ' * bool(content.run.extremes())}of each detector, source and "
            "label in turn the highest, the lowest, and the nearest to 0.5. Blue = real, red = fake, on one fixed "
            f"scale from 0 to 1; each at most {LONGEST} px. Click, or press Enter, to open one large; arrow keys go "
            "on.</p>"
        )
    for count, reason in (*_reasons(found.left_out, "not shown"), *_reasons(found.without_heatmap, "without heatmap")):
        yield f"<p class=faint>{count:,} {escape(spelled(reason))}.</p>"
    folder = shared_folder([row.path for row in content.rows])
    if shown_ones:
        several = len({row.weights for row in content.rows}) > 1
        figures = (_pair(number, one.place, content, folder, several) for number, one in enumerate(shown_ones))
        yield f"<div class=pairs data-group>{''.join(figures)}</div>"


def _reasons(found: Counter[str], what: str) -> list[tuple[int, str]]:
    return [(count, f"{what}: {reason}") for reason, count in found.most_common()]


def _pair(number: int, place: int, content: Content, folder: str, several: bool) -> str:
    """A picture and its heatmap, and what was said of it."""
    row, one = content.rows[place], content.gallery.shown[number]
    name = shown(row, folder)
    value = "" if row.value is None else f"{'score' if row.probability is None else 'P(fake)'} {row.value:.3f}"
    truth = ", ".join(part for part in (row.label, row.source) if part)
    verdict = said(row)
    kind = {"likely generated": " class=fake", "likely real": " class=real"}.get(verdict, "")
    by = spelled(row.detector) if several else ""
    about = f"{name}{f', by {by}' if by else ''}: {verdict}, {value}{f' (truth: {truth})' if truth else ''}"
    drawn = "".join(
        f"<button type=button class=open data-about='{escape(spelled(about))}; {what}'><img src='{address}' "
        f"loading=lazy alt='{escape(what)} of {escape(name)}'></button>"
        for address, what in ((one.picture, "picture"), (one.heatmap, "heatmap"))
        if address
    )
    return (
        f"<figure id=picture-{number}><div class=both>{drawn}</div><figcaption><strong{kind}>{escape(spelled(verdict))}"
        f"</strong>, {escape(value)}{'<br>truth: ' + escape(spelled(truth)) if truth else ''}<br>"
        f"{escape(name)}<br><span class=faint>{escape(one.why)}{f', by {escape(by)}' if by else ''}</span>"
        "</figcaption></figure>"
    )


def averages(tables: Iterable[Table], content: Content, used: set[Path]) -> Iterator[str]:
    """Each average map with what is known of it, then the numbers."""
    for one in tables:
        captions = {}
        for row in one.rows:
            path = one.path.parent / Path(str(row["file"])).with_suffix(".png").name
            label = f", {row['label']}" if row["label"] else ""
            captions[path] = f"{row['source'] or 'unknown source'}{label}: {row['n']} pictures"
        maps = [path for path in captions if path in content.run.pictures]
        # All of them in one picture: the page has each of them larger.
        used.update((*maps, one.path.with_suffix(".png")))
        yield _pictures(maps, content, wide=True, captions=captions)
        yield from _numbers(one, content)


def patches(tables: Iterable[Table], content: Content, used: set[Path]) -> Iterator[str]:
    """The patches cut out; their list is too long to be read."""
    for one in tables:
        paths = {str(row["path"]) for row in one.rows}
        yield f"<p class=faint>{len(one.rows):,} patches of {len(paths):,} pictures.</p>"
        yield _pictures(_same_folder(one, content, used), content, wide=True)
        yield from _about(one, content)


def regions(tables: Iterable[Table], content: Content, used: set[Path]) -> Iterator[str]:
    """Bars, the numbers behind them, and the patches of each part."""
    for one in tables:
        # The bars say the same as the chart.
        used.add(one.path.with_suffix(".png"))
        yield from parts(one.rows)
        yield from _numbers(one, content)
        yield _pictures(_same_folder(one, content, used), content)


def plain_tables(tables: Iterable[Table], content: Content) -> Iterator[str]:
    """Tables as they are."""
    for one in tables:
        yield from _numbers(one, content)


def robustness(tables: Iterable[Table], content: Content, used: set[Path]) -> Iterator[str]:
    """Curves, and the numbers behind them for all sources together; the PNG says the same."""
    for one in tables:
        used.add(one.path.with_suffix(".png"))
        yield from sweep(one.rows)
        yield sweep_table(one.rows)
        yield from _about(one, content)


def _same_folder(one: Table, content: Content, used: set[Path]) -> list[Path]:
    found = [path for path in content.run.pictures if path.parent == one.path.parent and path not in used]
    used.update(found)
    return found


def _numbers(one: Table, content: Content) -> Iterator[str]:
    """Every column of a table, a value and its interval in one; numbers to the right."""
    ends = {name: _interval(name, one.rows[0]) for name in one.rows[0]}
    within = {end for found in ends.values() for end in found}
    names = [name for name in one.rows[0] if name not in within]
    body = [(False, [_cell(row, name, ends[name]) for name in names]) for row in one.rows[:_MOST_LINES]]
    heads = [(spelled(name).replace("_", " "), "") for name in names]
    yield sortable(heads, body)
    if len(one.rows) > _MOST_LINES:
        yield f"<p>The first {_MOST_LINES} of {len(one.rows):,} rows.</p>"
    yield from _about(one, content)


def _interval(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The two columns that hold the interval of a column; none for one that has none."""
    for stem in (name, name.removesuffix("_share").removesuffix("_rate")):
        if f"{stem}_low" in row and f"{stem}_high" in row:
            return f"{stem}_low", f"{stem}_high"
    return ()


def _cell(row: Mapping[str, Any], name: str, ends: Sequence[str]) -> Cell:
    value = row.get(name)
    try:
        found, (low, high) = finite(value), ([finite(row[end]) for end in ends] or (None, None))
    except ValueError:
        return word(spelled(str(value)))
    if found is None:
        return Cell("" if value is None else spelled(str(value)), "")
    interval = "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
    return number(found, f"{found:.4g}" if found % 1 else f"{found:.0f}", interval)


def _about(one: Table, content: Content) -> Iterator[str]:
    """Where a table is from, what did not go into it, how it was made."""
    folder = content.run.folder
    yield f"<p class=faint>From <code>{escape(spelled(str(one.path.relative_to(folder))))}</code>.</p>"
    for path, count in content.run.omitted.items():
        if path.parent == one.path.parent and count:
            name = escape(spelled(str(path.relative_to(folder))))
            many = "1 picture is" if count == 1 else f"{count:,} pictures are"
            yield f"<p>{many} not in it; <code>{name}</code> says why.</p>"
    yield from how(content.run.summaries.get(one.path.parent))


def _pictures(
    paths: Sequence[Path], content: Content, *, wide: bool = False, captions: Mapping[Path, str] | None = None
) -> str:
    """PNG files of the run folder; as many as the page was asked to hold."""
    figures, said_of = [], captions or {}
    for path in paths[: content.pictures]:
        name = escape(spelled(str(path.relative_to(content.run.folder))))
        try:
            address = inline_file(path)
        except UndecodableImage as error:
            content.run.unread.append((path, str(error)))
            continue
        figures.append(
            f"<figure><button type=button class=open><img src='{address}' loading=lazy alt='{name}'></button>"
            f"<figcaption>{escape(spelled(said_of.get(path, ''))) or name}</figcaption></figure>"
        )
    left = len(paths) - min(len(paths), content.pictures)
    more = f"<p class=faint>{left:,} more pictures in the folder; --pictures takes more.</p>" if left else ""
    return f"<div class='maps{' wide' * wide}' data-group>{''.join(figures)}</div>{more}" if paths else ""


def others(content: Content, used: set[Path]) -> str:
    """PNG files that belong to no part, such as overlays that were written one by one."""
    return _pictures([path for path in content.run.pictures if path not in used], content)
