"""`telltale report`: whatever a run folder holds, as one web page."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.detector import Detector
    from telltale.explain.report_files import RunFolder
    from telltale.explain.report_parts import Content, Made
    from telltale.explain.report_rows import VerdictRow

# An evaluation keeps its own `report.html` in its folder.
NAME = "telltale-report.html"


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_DIR",
            help="A folder with outputs of predict, evaluate, robustness, audit or explain, or a folder of such.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help=f"The page; RUN_DIR/{NAME} if not given.")] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="For the heatmaps of other detectors than the shipped ones, and their cards: an ONNX file, or a "
            "safetensors file (torch); may be repeated."
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="At most so many pictures with their heatmaps.")] = 48,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="None at all: neither scored pictures nor PNG files.")
    ] = False,
    root: Annotated[Path, typer.Option(help="Where the relative paths of the results begin.")] = Path(),
) -> None:
    """One page of everything in a run folder; it needs no network and no other file.

    Verdicts that sort and filter, heatmaps, average maps, face parts, robustness, evaluation, audit, model card.

    Exit code 0: written, or with a note of what could not be read; 2: nothing to report on.
    """
    from telltale.explain.report_files import find
    from telltale.explain.report_page import page
    from telltale.explain.report_rows import joined

    target = run / NAME if out is None else out
    _check(target)
    found = find(run)
    rows, repeated = joined(found.rows, found.extremes())
    known = dict(_detectors(detector or [], found.weights()))
    content = _content(found, rows, repeated, known, detector or [], pictures=0 if no_pictures else pictures, root=root)
    text = page(content)
    _write(target, text)
    for path, why in found.unread:
        print(one_line(f"not read: {path}: {why}"), file=sys.stderr)
    print(
        one_line(f"{target}: {len(text) / 1e6:.1f} MB, {len(rows):,} verdicts, {len(content.gallery.shown)} pictures")
    )


def _check(target: Path) -> None:
    """Nothing but an earlier report is replaced."""
    from telltale.explain.report_files import is_report

    if target.is_dir() or (target.exists() and not is_report(target)):
        raise InvalidConfig(
            expected=f"a new page, or an earlier report to replace: {target}",
            found="a folder" if target.is_dir() else "another file",
            do="Choose another name with --out.",
        )


def _detectors(words: Iterable[str], wanted: set[str]) -> "Iterator[tuple[str, Detector]]":
    """Those that are named, and the shipped ones whose verdicts are in the folder, by the hash of their weights."""
    from hashlib import sha256

    from telltale.cli.detectors import load_detector
    from telltale.runtime import WEIGHTS, shipped

    for word in words:
        loaded = load_detector(word)
        yield loaded.sha256, loaded
    for name in shipped():
        if sha256((WEIGHTS / f"{name}.onnx").read_bytes()).hexdigest() in wanted:
            loaded = load_detector(name)
            yield loaded.sha256, loaded


def _content(
    found: "RunFolder",
    rows: "list[VerdictRow]",
    repeated: int,
    known: "Mapping[str, Detector]",
    words: Iterable[str],
    *,
    pictures: int,
    root: Path,
) -> "Content":
    from telltale.explain.report_parts import Content
    from telltale.explain.report_pictures import gallery

    with progress("pictures", total=pictures) as advance:
        chosen = gallery(rows, known, count=pictures, root=root, extremes=found.extremes(), visit=advance)
    return Content(
        run=found,
        rows=rows,
        joined=repeated,
        gallery=chosen,
        pictures=pictures,
        cards=_cards(found, known, words),
        made=_made(),
    )


def _cards(found: "RunFolder", known: "Mapping[str, Detector]", words: Iterable[str]) -> list[tuple[str, str]]:
    """Of the run folder, then of the detectors; one without a card is described by its own file."""
    from telltale.explain.report_card import from_spec
    from telltale.explain.report_page import model_cards
    from telltale.runtime import WEIGHTS

    texts = [(str(path.relative_to(found.folder)), text) for path, text in found.cards]
    beside = {Path(word).stem: Path(word).with_suffix(".md") for word in words}
    bare = []
    for loaded in known.values():
        name = loaded.spec.name
        places = (WEIGHTS / f"{name}.md", *(path for stem, path in beside.items() if stem == name))
        card = next((path for path in places if path.is_file()), None)
        if card is None:
            bare.append((name, from_spec(loaded)))
        else:
            texts.append((name, card.read_text(encoding="utf-8", errors="replace")))
    return [*model_cards(texts), *bare]


def _made() -> "Made":
    from telltale import __version__
    from telltale.explain.report_parts import Made
    from telltale.provenance import commit

    return Made(
        command=shlex.join(["telltale", *sys.argv[1:]]),
        version=__version__,
        commit=commit(),
        time=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _write(target: Path, text: str) -> None:
    from telltale.data.index import write_whole

    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, text.encode("utf-8", "backslashreplace"))
