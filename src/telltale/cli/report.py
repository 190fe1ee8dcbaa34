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

    target = run / NAME if out is None else out
    _check(target)
    found = find(run)
    named = dict(_detectors(detector or [], found.weights()))
    content = _content(found, named, pictures=0 if no_pictures else pictures, root=root)
    text = page(content)
    _write(target, text)
    for path, why in found.unread:
        print(one_line(f"not read: {path}: {why}"), file=sys.stderr)
    size = f"{len(text) / 1e6:.1f} MB, {len(content.rows):,} verdicts, {len(content.gallery.shown)} pictures"
    print(one_line(f"{target}: {size}"))


def _check(target: Path) -> None:
    """Nothing but an earlier report is replaced."""
    from telltale.explain.report_files import is_report

    if target.is_dir() or (target.exists() and not is_report(target)):
        raise InvalidConfig(
            expected=f"a new page, or an earlier report to replace: {target}",
            found="a folder" if target.is_dir() else "another file",
            do="Choose another name with --out.",
        )


def _detectors(words: Iterable[str], wanted: set[str]) -> "Iterator[tuple[Path, Detector]]":
    """Those that are named, and the shipped ones of which the folder speaks, each with its weights file."""
    from hashlib import sha256

    from telltale.cli.detectors import load_detector
    from telltale.runtime import WEIGHTS, shipped
    from telltale.runtime import find as find_weights

    for word in words:
        yield Path(word) if Path(word).suffix == ".safetensors" else find_weights(word), load_detector(word)
    for path in (WEIGHTS / f"{name}.onnx" for name in shipped()):
        if sha256(path.read_bytes()).hexdigest() in wanted:
            yield path, load_detector(str(path))


def _content(found: "RunFolder", named: "Mapping[Path, Detector]", *, pictures: int, root: Path) -> "Content":
    from telltale.explain.report_parts import Content
    from telltale.explain.report_pictures import gallery
    from telltale.explain.report_rows import joined

    rows, repeated = joined(found.rows, found.extremes())
    known = {loaded.sha256: loaded for loaded in named.values()}
    with progress("pictures", total=pictures) as advance:
        chosen = gallery(rows, known, count=pictures, root=root, extremes=found.extremes(), visit=advance)
    return Content(
        run=found,
        rows=rows,
        joined=repeated,
        gallery=chosen,
        pictures=pictures,
        cards=_cards(found, named),
        made=_made(),
    )


def _cards(found: "RunFolder", named: "Mapping[Path, Detector]") -> list[tuple[str, str]]:
    """Of the run folder, then of the detectors; one without a card is described by its own file."""
    from telltale.explain.report_card import from_spec
    from telltale.explain.report_page import model_cards

    texts, bare = [(str(path.relative_to(found.folder)), text) for path, text in found.cards], {}
    for path, loaded in named.items():
        card = path.with_suffix(".md")
        if card.is_file():
            texts.append((loaded.spec.name, card.read_text(encoding="utf-8", errors="replace")))
        else:
            bare[loaded.sha256] = loaded.spec.name, from_spec(loaded)
    return [*model_cards(texts), *bare.values()]


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
