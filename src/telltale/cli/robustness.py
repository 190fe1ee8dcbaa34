"""`telltale robustness`: do verdicts survive what happens to pictures on their way?"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.detectors import BACKENDS
from telltale.cli.progress import one_line, progress, resumable
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.evaluate.robustness_table import RobustnessRow

SOME_FAILED = 1


def robustness(
    detectors: Annotated[list[str], typer.Argument(help="Shipped names, ONNX files, or safetensors files (torch).")],
    data: Annotated[list[Path], typer.Option(help="Data sets, folders, manifests; may be repeated.")],
    out: Annotated[Path, typer.Option(help="A new folder for scores, tables and the figure.")],
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this one, with its default strengths or your own: jpeg, or jpeg=95,75,50; may be repeated, "
            "also for more strengths of the same."
        ),
    ] = None,
    where: Annotated[str, typer.Option(help="before or after the detector's preparation.")] = "before",
    per_source: Annotated[int | None, typer.Option(min=1, help="At most this many images a source and label.")] = None,
    seed: Annotated[int, typer.Option(help="Draws noise, offsets, qualities; and images with --per-source.")] = 0,
    rounds: Annotated[int, typer.Option(min=10, help="Of the bootstrap behind the intervals.")] = 1000,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in --out, or add to it.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    as_json: Annotated[bool, typer.Option("--json", help="Every row of robustness.csv as JSON lines.")] = False,
) -> None:
    """Score a data set under corruptions of many strengths: AUC, verdicts that change, false alarms, per source.

    Exit code 0: all scored; 1: some images could not be scored; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.data.samples import scan
    from telltale.evaluate.robustness import sweep
    from telltale.evaluate.robustness_cells import cells
    from telltale.evaluate.robustness_folder import Setup, check_pictures, open_folder
    from telltale.evaluate.robustness_table import as_json_lines, as_markdown, table
    from telltale.evaluate.selection import chosen, fingerprint, named
    from telltale.evaluate.tabulation import check_sources

    over = cells(_sweep(corruption or []))
    everything = scan(data, split=split)
    samples = chosen(everything, per_source=per_source, seed=seed)
    check_sources(sample.source for sample in samples)
    loaded = named(load_detector(name, backend=backend) for name in detectors)
    setup = Setup(where=where, seed=seed, images=fingerprint(samples), backend=backend)
    open_folder(out, setup, resume=resume)
    cores = workers or os.cpu_count() or 1
    with resumable(out):
        twice = check_pictures(out, samples)
        with progress("corruptions", total=len(loaded) * len(over)) as advance:
            for _ in sweep(loaded, samples, out, setup, over=over, workers=cores):
                advance()
        rows = list(table(loaded, samples, out, where=where, over=over, rounds=rounds))
        _write(out, rows)
    print(as_json_lines(rows) if as_json else one_line_each(as_markdown(rows)), end="")
    _notes(rows, out, sum(sample.is_fake is None for sample in everything), twice)


def _sweep(words: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """`jpeg` with its default strengths, `jpeg=95,50` with these; every default where nothing is said.

    A corruption that is named more than once has the strengths of all its words.

    Raises:
        InvalidConfig: no corruption of the sweep, or a strength that is no number.
    """
    from telltale.evaluate.robustness_cells import SWEEP

    if not words:
        return dict(SWEEP)
    found: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, given, values = word.partition("=")
        try:
            usual = SWEEP[name]
            more = tuple(float(value) for value in values.split(",")) if given else usual
            found[name] = (*found.get(name, ()), *more)
        except (ValueError, KeyError) as error:
            raise InvalidConfig(
                expected=f"a corruption ({', '.join(SWEEP)}), alone or with strengths as in jpeg=95,50",
                found=repr(word),
                do="Correct --corruption.",
            ) from error
    return found


def _write(out: Path, rows: "Sequence[RobustnessRow]") -> None:
    from telltale.data.index import write_whole
    from telltale.evaluate.robustness_figure import draw
    from telltale.evaluate.robustness_table import as_csv, as_markdown

    for name, text in (("robustness.csv", as_csv(rows)), ("robustness.md", as_markdown(rows))):
        write_whole(out / name, text.encode("utf-8", "backslashreplace"))
    draw(rows, out / "robustness.png")


def one_line_each(text: str) -> str:
    """The text with what a terminal would act on spelled out, line by line."""
    return "".join(one_line(line) + "\n" for line in text.split("\n"))


def _notes(rows: "Sequence[RobustnessRow]", out: Path, unlabelled: int, twice: int) -> None:
    from telltale.evaluate.robustness_table import ALL

    whole = [row for row in rows if row.source == ALL]
    failed = max(row.failed for row in whole)
    print(f"{out}: robustness.csv, robustness.md, robustness.png, scores/", file=sys.stderr)
    if unlabelled:
        print(f"{unlabelled} images without a label left out", file=sys.stderr)
    if twice:
        print(
            f"{twice} of the images are copies of others (equal bytes): each counts in the figures, and intervals take "
            "copies for one image",
            file=sys.stderr,
        )
    if any(row.auc is None for row in whole):
        print("one class only: no AUC, but verdicts are compared all the same", file=sys.stderr)
    if failed:
        print(f"{failed} images could not be scored; the reasons are in scores/, column error", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)
