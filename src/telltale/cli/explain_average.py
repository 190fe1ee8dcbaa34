"""`telltale explain average`: where the evidence lies on a whole set of aligned faces, by source and label."""

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.explain.average import Average

SOME_FAILED = 1


def explain_average(
    data: Annotated[list[Path], typer.Argument(help="Data sets, folders, manifests, shards of aligned faces.")],
    out: Annotated[Path, typer.Option(help="A new folder for pictures, numbers and tables.")],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    placement: Annotated[
        str, typer.Option(help="mean: of all patches that see a pixel; nearest: the patch whose centre is nearest.")
    ] = "mean",
    canvas: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT in pixels; without it, the prepared size of the first picture."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of lines.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Average the heatmaps of aligned faces by source and label, with standard errors: the paper's figure 3.

    Exit code 0: all averaged; 1: some pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.data.samples import scan
    from telltale.evaluate.evaluation import only_sources
    from telltale.explain.average import average_heatmaps
    from telltale.explain.average_files import open_folder, write_averages
    from telltale.explain.heatmaps import grid_of
    from telltale.explain.placement import check_placement

    began = time.perf_counter()
    samples = only_sources(scan(data, split=split), include or [], exclude or [])
    placed, side = check_placement(placement), None if canvas is None else _canvas(canvas)
    loaded = load_detector(detector, backend=backend, threads=1)
    grid_of(loaded)
    open_folder(out)
    with progress("averaging", total=len(samples)) as advance:
        found = average_heatmaps(
            loaded,
            samples,
            canvas=side,
            placement=placed,
            workers=workers or os.cpu_count() or 1,
            max_pixels=max_pixels,
            visit=advance,
        )
    values = write_averages(out, found, _about(loaded, samples, placed, backend, began))
    print(json.dumps(values, allow_nan=False) if as_json else "\n".join(map(_line, found.each)))
    print(f"{out}: averages.png, averages.csv, summary.json, and a .png and .npz for each", file=sys.stderr)
    if found.failures:
        print(f"{len(found.failures)} pictures left out; the reasons are in failures.csv", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)


def _canvas(text: str) -> tuple[int, int]:
    """(height, width) from WIDTHxHEIGHT."""
    width, times, height = text.lower().partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InvalidConfig(expected="WIDTHxHEIGHT, as in 224x224", found=repr(text), do="Correct --canvas.")
    return int(height), int(width)


def _about(loaded: "Detector", samples: "list[Sample]", placement: str, backend: str, began: float) -> dict[str, Any]:
    from telltale import __version__
    from telltale.evaluate.selection import fingerprint
    from telltale.provenance import commit

    return {
        "telltale_version": __version__,
        "commit": commit(),
        "command": shlex.join(["telltale", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began, 1),
        "detector": loaded.spec.name,
        "weights_sha256": loaded.sha256,
        "backend": backend,
        "placement": placement,
        "images_fingerprint": fingerprint(samples),
    }


def _line(average: "Average") -> str:
    from telltale.explain.average_pictures import named

    whole, centre, rim = (average.parts[name] for name in ("whole", "centre", "rim"))
    interval = f" ({whole.low:.3f} to {whole.high:.3f})" if average.count > 1 else ""
    return one_line(
        f"{named(average):<32} n {average.count:>5}  mean P(fake) {whole.value:.3f}{interval}  middle half "
        f"{centre.value:.3f}  rim {rim.value:.3f}"
    )
