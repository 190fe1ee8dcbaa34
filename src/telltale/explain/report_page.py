"""A run folder as one web page that needs no network: verdicts, heatmaps, charts, tables, the audit, the model card."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from telltale.data.web_page import document
from telltale.evaluate.curve_plots import PLOT_STYLE
from telltale.explain.report_audit import audit
from telltale.explain.report_card import rendered
from telltale.explain.report_curves import CHART_STYLE
from telltale.explain.report_evaluation import evaluation, headlines, sweep_headlines
from telltale.explain.report_files import MARK, PARTS, RunFolder
from telltale.explain.report_parts import (
    Content,
    averages,
    heatmaps,
    others,
    patches,
    plain_tables,
    regions,
    robustness,
)
from telltale.explain.report_rows import VerdictRow, kinds
from telltale.explain.report_table import counts, said, table
from telltale.explain.report_words import spelled

# Lines of a list of files: more would bury what follows.
_LISTED = 40


def page(content: Content) -> str:
    """The whole page."""
    run = content.run
    sections = {name: "".join(lines) for name, lines in _sections(content).items()}
    there = [name for name in sections if sections[name]]
    links = "".join(f"<a href='#{name}'>{escape(_TITLES[name])}</a>" for name in there)
    body = [
        f"{MARK}<h1>{escape(spelled(run.folder.resolve().name))}</h1>",
        f"<p class=faint>Report of <code>{escape(spelled(str(run.folder)))}</code>, {escape(content.made.time)}.</p>",
        f"<nav aria-label=Sections>{links}</nav>",
        *(f"<section id={name}><h2>{escape(_TITLES[name])}</h2>{sections[name]}</section>" for name in there),
        f"</main>{_DIALOG}",
    ]
    here = Path(__file__).parent
    style = PLOT_STYLE + CHART_STYLE + (here / "report.css").read_text(encoding="utf-8")
    script = (here / "report.js").read_text(encoding="utf-8")
    return document(f"{run.folder.resolve().name}: telltale", body, style=style, script=script, sealed=True)


_TITLES = {
    "short": "In short",
    **{name: part.title for name, part in PARTS.items()},
    "heatmaps": "Heatmaps",
    "pictures": "Other pictures",
    "files": "What this is made of",
}

_DIALOG = (
    "<dialog id=large aria-labelledby=about><div class=bar-of-buttons><span id=steps>"
    "<button type=button id=back>Back</button> <button type=button id=on>On</button></span><span id=place></span>"
    "<button type=button id=actual aria-pressed=false title='Actual size' aria-label='Actual size'>1:1</button>"
    "<button type=button id=close>Close</button></div><div id=frame tabindex=0></div><p id=about></p></dialog>"
)


def _sections(content: Content) -> dict[str, Iterable[str]]:
    run, tables = content.run, content.run.tables
    used: set[Path] = set()
    found: dict[str, Iterable[str]] = {
        "short": _short(content),
        "verdicts": _verdicts(content),
        "heatmaps": heatmaps(content),
        "extremes": plain_tables(tables.get("extremes", ()), content),
        "averages": averages(tables.get("averages", ()), content, used),
        "patches": patches(tables.get("patches", ()), content, used),
        "regions": regions(tables.get("regions", ()), content, used),
        "localisation": plain_tables(tables.get("localisation", ()), content),
        "robustness": robustness(tables.get("robustness", ()), content, used),
        "evaluation": (
            line for one in tables.get("evaluation", ()) for line in evaluation(one, run.folder, run.summaries)
        ),
        "audit": (line for one in run.audits for line in audit(one, run.folder)),
        "cards": (
            f"<h3 class=part>{escape(title)}</h3><div class=inside>{text}</div>" for title, text in content.cards
        ),
    }
    done = {name: _whole(name, lines, run) for name, lines in found.items()}
    return {**done, "pictures": others(content, used), "files": _files(content)}


def _whole(name: str, lines: Iterable[str], run: RunFolder) -> str:
    """A part of the page; one whose table holds words for numbers is named among what could not be read."""
    try:
        return "".join(lines)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        paths = [one.path for one in run.tables.get(name, ())] or [path for path, part in run.used if part == name]
        run.unread += [(path, f"not what telltale writes ({type(error).__name__}: {error})") for path in paths]
        return f"<p>{escape(PARTS[name].title if name in PARTS else name)} could not be read; see the end.</p>"


def _short(content: Content) -> Iterator[str]:
    """One line for each thing that was found."""
    lines = []
    for detector, mine in _by_detector(content.rows).items():
        found = Counter(said(row) for row in mine)
        each = ", ".join(f"{count:,} {verdict}" for verdict, count in found.most_common())
        wrong = sum(row.is_wrong for row in mine)
        known = sum(bool(row.label and row.verdict) for row in mine)
        contradicted = f"; {wrong:,} of {known:,} labelled ones contradict their label" if known else ""
        lines.append(f"{detector}: {len(mine):,} {kinds(mine)}, {each}{contradicted}.")
    for found_table in content.run.tables.get("evaluation", ()):
        lines += headlines(found_table)
    for found_table in content.run.tables.get("robustness", ()):
        lines += sweep_headlines(found_table)
    for one in content.run.audits:
        lines.append(f"Audit: {one.headline}")
    missing = [PARTS[name].title for name in _missing(content)]
    if missing:
        lines.append(f"Not in this folder: {', '.join(missing)}. The commands that make them are at the end.")
    yield f"<ul>{''.join(f'<li>{escape(spelled(line))}' for line in lines)}</ul>"


def _by_detector(rows: Sequence[VerdictRow]) -> dict[str, list[VerdictRow]]:
    found: dict[str, list[VerdictRow]] = {}
    for row in rows:
        found.setdefault(f"{row.detector} ({row.weights[:8]})", []).append(row)
    return found


def _missing(content: Content) -> list[str]:
    return [name for name in content.run.missing() if not (name == "cards" and content.cards)]


def _verdicts(content: Content) -> Iterator[str]:
    if not content.rows:
        return
    yield "<p>A verdict is a hint to look closer, never evidence by itself. Probabilities suppose equally many reals "
    yield "and fakes; how often each detector errs is in its model card.</p>"
    yield from counts(content.rows)
    if content.joined:
        yield f"<p class=faint>{content.joined:,} rows are of the same file and weights as another, and are joined "
        yield "to it.</p>"
    yield from table(content.rows, content.gallery)


def _files(content: Content) -> Iterator[str]:
    """What was found, what is missing and how to make it, what could not be read."""
    run, made = content.run, content.made
    where = escape(spelled(str(run.folder)))
    found = [f"{path.relative_to(run.folder)}: {PARTS[part].title}" for path, part in run.used]
    yield _list(f"Found: {len(found)} files and {len(run.pictures)} pictures", found)
    missing = "".join(
        f"<li>{escape(one.title)} ({escape(one.files)})<pre>telltale {escape(one.command)}</pre>"
        for one in map(PARTS.get, _missing(content))
        if one is not None
    )
    yield (
        f"<h3 class=part>Missing</h3><ul>{missing}</ul><p class=faint>RUN is <code>{where}</code>.</p>"
        if missing
        else ""
    )
    unread = [f"{path.relative_to(run.folder)}: {why}" for path, why in run.unread]
    yield _list(f"Could not be read: {len(unread)}", unread)
    same = "which say the same in another form, or are not telltale's"
    yield _list(
        f"Not used: {len(run.others)} files, {same}", [str(path.relative_to(run.folder)) for path in run.others]
    )
    yield f"<h3 class=part>How it was made</h3><pre>{escape(spelled(made.command))}</pre><p class=faint>telltale "
    yield f"{escape(made.version)}, commit {escape(made.commit or 'unknown')}, {escape(made.time)}. "
    yield "This page holds everything itself and asks the network for nothing.</p>"


def _list(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(spelled(line))}" for line in lines[:_LISTED])
    more = f"<li>and {len(lines) - _LISTED:,} more" if len(lines) > _LISTED else ""
    return f"<h3 class=part>{escape(title)}</h3><ul>{items}{more}</ul>"


def model_cards(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(heading, HTML) of Markdown cards; of equal texts, the first.

    Args:
        found: where each is from, and its Markdown.
    """
    texts: dict[str, str] = {}
    for name, text in found:
        texts.setdefault(text, name)
    return [(name, rendered(text)) for text, name in texts.items()]
