"""`telltale explain heatmap`: where in a picture the evidence lies, as a drawing or as numbers."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.predict import NOTHING_DONE, SOME_FAILED, heatmap_name, summary
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.scoring import Failure, Score, Visit


def explain_heatmap(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders (searched to any depth), quoted globs, lists (.txt, .csv or .parquet with a column "
            "'path'), or - for standard input: one picture's bytes, or one path a line."
        ),
    ],
    out: Annotated[Path, typer.Option(help="A folder for one file a picture.")],
    kind: Annotated[
        str,
        typer.Option(
            help="overlay, side-by-side, contour (lines at 0.5 and 0.9); or numbers: raw-npy (float32, NaN where "
            "no patch looks), raw-png (16 bit, 65535 = 1, 0 where no patch looks)."
        ),
    ] = "overlay",
    placement: Annotated[
        str, typer.Option(help="mean: of all patches that see a pixel; nearest: the patch whose centre is nearest.")
    ] = "mean",
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
    longest: Annotated[int, typer.Option(min=16, help="Longer side of a drawing in pixels; raw is not scaled.")] = 1024,
    threads: Annotated[int, typer.Option(min=0, help="0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Write a heatmap of each picture: P(fake) on one fixed scale from 0 (real, blue) to 1 (fake, red).

    Exit code 0: all written; 1: some pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.cli.sources import find

    samples = find(paths)
    loaded = load_detector(detector, backend=backend, threads=threads)
    visit = _writing(loaded, out, kind, placement, longest)
    counts = [0, 0]
    for row in _rows(loaded, samples, visit, out, kind, placement, max_pixels):
        counts[row["error"] is not None] += 1
        print(json.dumps(row) if as_json else _line(row), flush=True)
    summary(counts[0], counts[1], what="written")
    if counts[1]:
        raise typer.Exit(SOME_FAILED if counts[0] else NOTHING_DONE)
    if not counts[0]:
        raise InvalidConfig(expected="at least one picture", found=f"none in {' '.join(paths)}", do="Check the paths.")


def _writing(loaded: "Detector", out: Path, kind: str, placement: str, longest: int) -> "Visit":
    """Writes one file a picture, in the thread that scored it; whatever is wrong with the settings is said here."""
    from telltale.detector import Prediction
    from telltale.explain.heatmap_files import write_heatmap
    from telltale.explain.heatmaps import grid_of
    from telltale.explain.placement import check_placement
    from telltale.image import Pixels

    placed, last = check_placement(placement), _ending(kind, placement)
    grid_of(loaded)
    out.mkdir(parents=True, exist_ok=True)

    def write(sample: "Sample", pixels: Pixels, prediction: Prediction) -> None:
        target = out / heatmap_name(sample.path, last)
        write_heatmap(target, kind, pixels, prediction, loaded, placement=placed, longest=longest)

    return write


def _ending(kind: str, placement: str) -> str:
    """Two kinds of one picture may lie in one folder."""
    from telltale.explain.heatmap_files import ending

    return f".{kind}{'' if placement == 'mean' else f'-{placement}'}{ending(kind)}"


def _rows(
    loaded: "Detector",
    samples: "Iterable[Sample]",
    visit: "Visit",
    out: Path,
    kind: str,
    placement: str,
    max_pixels: int,
) -> "Iterable[dict[str, Any]]":
    from telltale.evaluate.scoring import score_files

    with progress("heatmaps") as advance:
        for record in score_files(loaded, samples, workers=loaded.threads, max_pixels=max_pixels, visit=visit):
            written = out / heatmap_name(record.sample.path, _ending(kind, placement))
            yield _row(record, written, kind, placement, loaded)
            advance()


def _row(record: "Score | Failure", written: Path, kind: str, placement: str, loaded: "Detector") -> dict[str, Any]:
    from telltale.evaluate.scoring import Failure

    about = {"kind": kind, "placement": placement, "detector": loaded.spec.name, "weights_sha256": loaded.sha256}
    names = ("written", "score", "probability", "shape", "window")
    if isinstance(record, Failure):
        values: tuple[Any, ...] = (None,) * len(names)
        return {
            "path": str(record.sample.path),
            **dict(zip(names, values, strict=True)),
            **about,
            "error": record.error,
        }
    said = record.prediction
    rows, columns = loaded.spec.preparation.window(record.shape)
    window = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
    values = (str(written), said.score, said.probability, list(said.shape), window)
    return {"path": str(record.sample.path), **dict(zip(names, values, strict=True)), **about, "error": None}


def _line(row: dict[str, Any]) -> str:
    if row["error"] is not None:
        return one_line(f"failed  {row['path']}: {row['error']}")
    number = f"score {row['score']:.3f}" if row["probability"] is None else f"P(fake) {row['probability']:.2f}"
    height, width = row["shape"]
    x, y, shown_width, shown_height = row["window"]
    place = f"{width} x {height} px over x {x}-{x + shown_width}, y {y}-{y + shown_height}"
    return one_line(f"{row['kind']}  {number}  {place}  {row['written']}  of  {row['path']}")
