"""`telltale evaluate`: what detectors are worth, by source, with intervals."""

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS
from telltale.cli.progress import one_line, progress, resumable

if TYPE_CHECKING:
    from telltale.data.columns import Value
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.results import Row
    from telltale.evaluate.tabulation import Evaluation

SOME_FAILED = 1


def evaluate(
    detectors: Annotated[
        list[str],
        typer.Argument(
            help="Shipped names, ONNX files, safetensors files (torch), or Python functions: package.module:function "
            "or file.py:function, from uint8 images (n, height, width, 3) to n scores in [0, 1], fake high."
        ),
    ],
    data: Annotated[list[Path], typer.Option(help="Data sets, folders, manifests, shards; may be repeated.")],
    out: Annotated[Path, typer.Option(help="A folder for scores, tables and the page.")],
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    max_images: Annotated[int, typer.Option(min=0, help="At most so many of each source and label; 0 = all.")] = 0,
    pooling: Annotated[
        list[str] | None,
        typer.Option(
            help="In the tables: own (each detector's), mean_probability, mean_logit, vote; may be repeated. "
            "Scores are kept for all; a detector without patches always has its own."
        ),
    ] = None,
    slice_by: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            help="Also a table by this: a column of the data, or size, width, height, jpeg_quality, brightness, "
            "face_size; may be repeated.",
        ),
    ] = None,
    min_images: Annotated[int, typer.Option(min=1, help="A source with fewer gets no figures.")] = 10,
    rounds: Annotated[int, typer.Option(min=10, help="Of the bootstrap behind the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap, and of the choice with --max-images.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the scores in --out, or add to them.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the table.")] = False,
) -> None:
    """Score data by every detector: AP, AUC, accuracies, false alarms by source, with intervals, and what differs.

    Exit code 0: all scored; 1: some images could not be scored; 2: nothing could be done.
    """
    from telltale.cli.detectors import check_backend
    from telltale.evaluate.evaluation import contenders
    from telltale.evaluate.evaluation import evaluate as score
    from telltale.evaluate.evaluation_entries import check_poolings
    from telltale.evaluate.tabulation import tabulate

    began, cores = time.perf_counter(), workers or os.cpu_count() or 1
    settings: dict[str, Any] = {
        "data": list(map(str, data)), "split": split, "include": include or [], "exclude": exclude or [],
        "max_images": max_images, "pooling": pooling or ["own"], "slice": slice_by or [], "min_images": min_images,
        "rounds": rounds, "seed": seed, "workers": cores, "backend": backend,
    }  # fmt: skip
    check_poolings(settings["pooling"])
    check_backend(backend)
    samples, unlabelled = _samples(data, settings)
    columns = _columns(data, samples, settings)
    entrants = contenders(_load(name, backend) for name in detectors)
    with resumable(out):
        with progress("scoring", total=len(entrants) * len(samples)) as advance:
            rows = score(entrants, samples, out, workers=cores, resume=resume, visit=advance)
        found = tabulate(
            entrants, rows, poolings=settings["pooling"], columns=columns, rounds=rounds, seed=seed, least=min_images
        )
        values = _write(out, found, entrants, rows, {"settings": settings}, began)
    print(json.dumps(values, allow_nan=False) if as_json else "\n".join(_lines(found)))
    _note_calibrated(values)
    _notes(out, found, rows, settings["pooling"], unlabelled)


def _samples(data: "Sequence[Path]", settings: Mapping[str, Any]) -> "tuple[list[Sample], int]":
    """The images to score, and how many have no label."""
    from telltale.data.samples import scan
    from telltale.evaluate.evaluation import only_sources
    from telltale.evaluate.selection import chosen
    from telltale.evaluate.tabulation import check_sources

    everything = only_sources(scan(data, split=settings["split"]), settings["include"], settings["exclude"])
    samples = chosen(everything, per_source=settings["max_images"] or None, seed=settings["seed"])
    check_sources(sample.source for sample in samples)
    return samples, sum(sample.is_fake is None for sample in everything)


def _columns(
    data: "Sequence[Path]", samples: "Sequence[Sample]", settings: Mapping[str, Any]
) -> "dict[str, list[Value]]":
    from telltale.data.columns import column

    found = {name: column(name, data, samples, workers=settings["workers"]) for name in settings["slice"]}
    for name, values in found.items():
        if all(value is None for value in values):
            print(f"--slice {name}: known of no image, so that it parts none", file=sys.stderr)
    return found


def _load(word: str, backend: str) -> "tuple[Detector, str]":
    """A detector and what runs it; a function's module may lie in the working directory."""
    from telltale.cli.detectors import load_detector
    from telltale.evaluate.function_detector import from_function, is_function

    if is_function(word) and not Path(word).exists():
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        return from_function(word), "python"
    engine = ("torch cuda" if backend == "cuda" else "torch") if Path(word).suffix == ".safetensors" else backend
    return load_detector(word, backend=backend, threads=1), engine


def _write(
    out: Path, found: "Evaluation", entrants: Any, rows: "Sequence[Row]", run: Mapping[str, Any], began: float
) -> dict[str, Any]:
    """Every file but the scores; returns what `summary.json` holds."""
    from telltale import __version__
    from telltale.evaluate.evaluation_files import write_tables
    from telltale.evaluate.evaluation_summary import summary
    from telltale.provenance import commit

    facts = {
        "telltale_version": __version__,
        "commit": commit(),
        "command": shlex.join(["telltale", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began, 1),
        **run,
    }
    values = summary(entrants, rows, found, facts)
    write_tables(out, found, values)
    return values


def _lines(found: "Evaluation") -> list[str]:
    """A few lines for the terminal: each detector over its sources, then the differences that matter."""
    from telltale.evaluate.evaluation_comparison import headline
    from telltale.evaluate.evaluation_table import ALL, MEAN, WORST
    from telltale.evaluate.evaluation_words import by_judge, ends, named, of_both, p_value, with_interval, worst_sources

    lines, both = [], of_both((row.source, row.label) for row in found.rows)
    for title, rows in by_judge(found.rows).items():
        lines.append(title)
        for row in rows:
            # Of one class there is no AUC, and a mean or worst source has no verdicts to show instead.
            if row.source in (MEAN, WORST) and "auc" not in row.figures:
                continue
            shown = row.note if "auc" not in row.figures else f"AUC {with_interval(row.figures['auc'])}"
            if "ap_fake" in row.figures:
                shown += f"  AP {row.figures['ap_fake'].value:.3f}"
            if row.source not in (ALL, MEAN, WORST) and row.false_alarm:
                shown += f"  false alarms {100 * row.false_alarm.value:.1f} %"
            if whose := worst_sources(row, ("auc", "ap_fake"), both):
                shown += f"  ({whose})"
            name = named(row.source, row.label, both)
            lines.append(f"  {name:<28} {row.n_real:>6} real {row.n_fake:>6} fake  {shown}")
    for one in headline(found.comparisons, grouped=found.images.grouped):
        gap = one.found.difference
        lines.append(
            f"{one.first.title} - {one.second.title}, {named(one.source, one.label)}: AUC {gap.value:+.3f} "
            f"({ends(gap, '+.3f')}), p {p_value(one.found)} ({one.found.test})"
        )
    return [one_line(line) for line in lines]


def _note_calibrated(values: dict[str, Any]) -> None:
    from telltale.evaluate.evaluation_words import flattered

    for name in sorted(flattered(values)):
        print(
            one_line(f"{name}: calibrated on exactly these images, which flatters its probabilities and verdicts"),
            file=sys.stderr,
        )


def _notes(out: Path, found: "Evaluation", rows: "Sequence[Row]", poolings: "Sequence[str]", unlabelled: int) -> None:
    failed = sum(row["error"] is not None for row in rows)
    more = [name for name, there in (("comparisons.csv", found.comparisons), ("slices.csv", found.slices)) if there]
    files = ("report.html", "table.csv", "table.md", "table.tex", *more, "summary.json", "scores.parquet")
    print(f"{out}: {', '.join(files)}", file=sys.stderr)
    if unlabelled:
        print(f"{unlabelled} images without a label left out", file=sys.stderr)
    unpooled = [one.judge.detector for one in found.entries if one.whole and {*poolings} - {"own", one.judge.pooling}]
    if unpooled:
        print(
            one_line(f"{', '.join(unpooled)}: without patches to pool; the score itself is in the tables and compared"),
            file=sys.stderr,
        )
    if trained := sum(row["split"] == "train" for row in rows[: found.images.path.size]):
        print(
            f"{trained} images of the train split: on pictures it was trained on a detector seems better; --split test "
            "leaves them out",
            file=sys.stderr,
        )
    if found.images.copies:
        print(
            f"{found.images.copies} of the images are copies of others (equal bytes): each counts in the figures, and "
            "intervals take copies for one image",
            file=sys.stderr,
        )
    if found.images.is_fake.all() or not found.images.is_fake.any():
        print("one class only: no AUC and no AP, but verdicts by source", file=sys.stderr)
    if failed:
        print(f"{failed} scores are missing; the reasons are in scores.parquet, column error", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)
