"""`telltale predict`: is this picture generated, where does it show, how sure are we."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR, load_detector
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.scoring import Failure, Score, Visit

ALL_SCORED, SOME_FAILED, NOTHING_DONE = 0, 1, 2


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders (searched to any depth), quoted globs, lists (.txt, .csv or .parquet with a column "
            "'path'), or - for standard input: one picture's bytes, or one path a line."
        ),
    ],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write results here: .parquet, .csv or .jsonl.")] = None,
    heatmaps: Annotated[Path | None, typer.Option(help="Write an overlay for each picture into this folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip what --out holds already.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Score pictures: probability that each is generated, a verdict, and where the strongest patch lies.

    Exit code 0: all scored; 1: some failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.sources import find
    from telltale.evaluate.results import ResultFile, utf8

    if resume and out is None:
        raise InvalidConfig(
            expected="--out FILE with --resume", found="--resume alone", do="Name the file to go on with."
        )
    sink = None if out is None else ResultFile(out, resume=resume)
    loaded = load_detector(detector, backend=backend, threads=threads)
    visit = None if heatmaps is None else _drawing(loaded, heatmaps)
    done = set() if sink is None else {utf8(row["path"]) for row in _same_weights(sink.kept(), loaded)}
    # What came through standard input has no path to be known by.
    samples = (sample for sample in find(paths) if sample.data is not None or utf8(str(sample.path)) not in done)
    scored, failed = _run(loaded, samples, sink, visit, as_json=as_json, max_pixels=max_pixels)
    summary(scored, failed, len(done))
    if failed:
        raise typer.Exit(SOME_FAILED if scored or done else NOTHING_DONE)
    if not scored and not done:
        raise InvalidConfig(expected="at least one picture", found=f"none in {' '.join(paths)}", do="Check the paths.")


def _run(
    loaded: "Detector", samples: "Iterable[Sample]", sink: Any, visit: "Visit | None", *, as_json: bool, max_pixels: int
) -> tuple[int, int]:
    """Score, print and store each picture; returns how many were scored and how many failed."""
    from telltale import __version__
    from telltale.evaluate.scoring import Failure, row, score_files

    counts = [0, 0]
    with sink or nullcontext(), progress("scoring") as advance:
        for record in score_files(loaded, samples, workers=loaded.threads, max_pixels=max_pixels, visit=visit):
            flat = row(record, loaded, __version__)
            counts[isinstance(record, Failure)] += 1
            if sink is not None:
                sink.add(flat)
            print(json.dumps(flat) if as_json else _line(record), flush=True)
            advance()
    return counts[0], counts[1]


def _line(record: "Score | Failure") -> str:
    from telltale.evaluate.scoring import Failure
    from telltale.pooling import sigmoid

    if isinstance(record, Failure):
        return one_line(f"failed  {record.sample.path}: {record.error}")
    said, (x, y, width, height) = record.prediction, record.window
    peak = sigmoid(said.patch_logits.max(keepdims=True)).item()
    verdict = said.verdict or "not calibrated"
    number = f"score {said.score:.3f}" if said.probability is None else f"P(fake) {said.probability:.2f}"
    place = f"strongest patch {peak:.2f} at x {x}-{x + width}, y {y}-{y + height}"
    return one_line(f"{verdict:<17} {number}  {place:<48}  {record.sample.path}")


def _same_weights(rows: "Iterable[dict[str, Any]]", loaded: "Detector") -> "Iterator[dict[str, Any]]":
    """Rows of another detector must not mix with ours."""
    for row in rows:
        if row["weights_sha256"] != loaded.sha256:
            raise InvalidConfig(
                expected=f"results of the weights {loaded.sha256[:12]} ({loaded.spec.name})",
                found=f"results of {str(row['weights_sha256'])[:12]} ({row['detector']})",
                do="Write to another file, or name the detector those results came from.",
            )
        yield row


def _drawing(loaded: "Detector", folder: Path) -> "Visit":
    """Writes one overlay a picture; the name keeps enough of the path to tell two `1.jpg` apart."""
    from telltale.detector import Prediction
    from telltale.explain.heatmap_files import write_heatmap
    from telltale.image import Pixels

    if loaded.spec.grid is None:
        raise InvalidConfig(
            expected="a detector with patches for --heatmaps",
            found=f"the whole-image baseline {loaded.spec.name}",
            do="Leave --heatmaps out, or choose another detector.",
        )
    folder.mkdir(parents=True, exist_ok=True)

    def draw(sample: "Sample", pixels: Pixels, prediction: Prediction) -> None:
        write_heatmap(folder / heatmap_name(sample.path), "overlay", pixels, prediction, loaded)

    return draw


def heatmap_name(path: Path, ending: str = ".png") -> str:
    """A heatmap's file name: the picture's name, cut where file systems would refuse it, and a hash of its path."""
    from hashlib import sha256

    name = os.fsdecode(os.fsencode(path.name)[:200])
    return f"{name}.{sha256(os.fsencode(path)).hexdigest()[:8]}{ending}"


def summary(done: int, failed: int, kept: int = 0, *, what: str = "scored") -> None:
    """The last line on standard error: to a person always, to a script where something failed or was kept."""
    if failed or kept or sys.stderr.isatty():
        earlier = f", {kept} kept from before" if kept else ""
        print(f"{done} {what}, {failed} failed{earlier}", file=sys.stderr)
