"""`telltale predict`: is this picture or video generated, where does it show, how sure are we."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR, load_detector
from telltale.cli.predict_video import EVERY
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.cli.predict_video import VideoWish
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.results import Row
    from telltale.evaluate.scoring import Failure, Score, Visit
    from telltale.evaluate.video_scoring import VideoScore

ALL_SCORED, SOME_FAILED, NOTHING_DONE = 0, 1, 2
# The model card of telltale-faces says what 1.33 times and twice do to its false alarms; less was not measured.
NOTICED = 1.25


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos, folders (searched to any depth), quoted globs, lists (.txt, .csv or .parquet with "
            "a column 'path'), or - for standard input: one picture's bytes, or one path a line."
        ),
    ],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write results here: .parquet, .csv or .jsonl.")] = None,
    heatmaps: Annotated[
        Path | None, typer.Option(help="Write an overlay for each picture, a film for each video, here.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.001, help="Videos: seconds from one frame to the next.")] = EVERY,
    timeline: Annotated[Path | None, typer.Option(help="Videos: write a row for each frame here; as --out.")] = None,
    faces: Annotated[bool, typer.Option("--faces", help="Videos: follow and score each face.")] = False,
    face_detector: Annotated[Path | None, typer.Option(help="YuNet's ONNX file for --faces; else our parser.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip what --out holds already.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Score pictures and videos: probability that each is generated, a verdict, where and when it shows most.

    Exit code 0: all scored; 1: some failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.predict_video import VideoWish, check_every, look_for, looked_at, open_timeline, same_choice
    from telltale.cli.sources import Once, find, is_one_folder
    from telltale.evaluate.results import CHOICE, FILM, PREDICTED, ResultFile, utf8

    if resume and out is None:
        raise InvalidConfig(
            expected="--out FILE with --resume", found="--resume alone", do="Name the file to go on with."
        )
    check_every(every)
    loaded = load_detector(detector, backend=backend, threads=threads)
    look = look_for(faces, face_detector, loaded.threads)
    wish = VideoWish(
        every=every, looked_at=looked_at(faces, face_detector), look=look, max_pixels=max_pixels, heatmaps=heatmaps
    )
    sink = None if out is None else ResultFile(out, resume=resume, columns=PREDICTED, added={*CHOICE, *FILM})
    kept = () if sink is None else same_choice(_same_weights(sink.kept(), loaded), wish, sink.path)
    done = {utf8(row["path"]) for row in kept}
    once = Once(done, remembers=not is_one_folder(paths))
    samples = once.of(find(paths, videos=True))
    moments = None if timeline is None else open_timeline(timeline, sink, done, resume=resume)
    for file in (sink, moments):
        if file is not None:
            file.check_writable()
    visit = None if heatmaps is None else _drawing(loaded, heatmaps)
    scored, failed, damaged = _run(loaded, samples, sink, visit, replace(wish, timeline=moments), as_json=as_json)
    if once.again:
        print(_of_repeats(once.again, once.example), file=sys.stderr)
    summary(scored, failed, len(done), damaged=damaged)
    if failed or damaged:
        raise typer.Exit(SOME_FAILED if scored or done else NOTHING_DONE)
    if not scored and not done:
        raise InvalidConfig(
            expected="at least one picture or video", found=f"none in {' '.join(paths)}", do="Check the paths."
        )


def _run(
    loaded: "Detector",
    samples: "Iterable[Sample]",
    sink: Any,
    visit: "Visit | None",
    wish: "VideoWish",
    *,
    as_json: bool,
) -> tuple[int, int, int]:
    """Score, print and store each picture and video; returns how many were scored, failed, scored but damaged."""
    from telltale.cli.predict_video import NOTE
    from telltale.data.video_file import is_video
    from telltale.evaluate.scoring import Failure

    scored = failed = damaged = films = small_pictures = small_videos = 0
    noted = as_json
    with sink or nullcontext(), wish.timeline or nullcontext(), progress("scoring") as advance:
        for record in _records(loaded, samples, visit, wish):
            row = _row(record, loaded, wish)
            is_film = row["video"] is not None
            if sink is not None:
                sink.add(row)
            if is_film and not noted and row["probability"] is not None:
                print(NOTE, file=sys.stderr)
                noted = True
            print(json.dumps(row) if as_json else "\n".join(_lines(record)), flush=True)
            scored += not isinstance(record, Failure)
            failed += isinstance(record, Failure)
            films += is_film or is_video(record.sample.path)
            damaged += is_film and row["error"] is not None
            small_pictures += not is_film and _is_small(record)
            small_videos += is_film and _is_small(record)
            advance()
    if small_pictures + small_videos and not as_json:
        print(_of_small(small_pictures, small_videos, loaded), file=sys.stderr)
    if wish.options and not films and not as_json:
        print(f"telltale: note: {wish.options} tell of videos, and none was named", file=sys.stderr)
    return scored, failed, damaged


def _is_small(record: "Score | VideoScore | Failure") -> bool:
    """Whether its line says that it, or one of its frames or faces, was enlarged."""
    from telltale.evaluate.scoring import Failure, Score

    if isinstance(record, Failure):
        return False
    found = [record.enlarged] if isinstance(record, Score) else [one.enlarged for one in record.moments]
    return max(found) >= NOTICED


def _of_small(pictures: int, videos: int, loaded: "Detector") -> str:
    counts = [_count(pictures, "picture"), _count(videos, "video") + " (frames or faces)" * bool(videos)]
    who = " and ".join(filter(None, counts)) + (" was" if pictures + videos == 1 else " were")
    return (
        f"telltale: note: {who} smaller than the {loaded.spec.preparation.side} px that this detector looks at, and "
        "enlarged first, which may make false alarms likelier (docs/runtime.md)"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}" if number else ""


def _of_repeats(count: int, example: str) -> str:
    more = f" and {count - 1:,} more" if count > 1 else ""
    return one_line(f"telltale: note: named more than once, and scored once under its first spelling: {example}{more}")


def _records(
    loaded: "Detector", samples: "Iterable[Sample]", visit: "Visit | None", wish: "VideoWish"
) -> "Iterator[Score | VideoScore | Failure]":
    """Pictures several at a time, videos one by one, in the order given."""
    from telltale.cli.predict_video import score
    from telltale.data.video_file import is_video
    from telltale.evaluate.scoring import score_files

    for is_film, group in groupby(samples, lambda sample: sample.data is None and is_video(sample.path)):
        if is_film:
            yield from (score(loaded, sample, wish) for sample in group)
        else:
            scored = score_files(loaded, group, workers=loaded.threads, max_pixels=wish.max_pixels, visit=visit)
            yield from map(_hinted, scored)


def _hinted(record: "Score | Failure") -> "Score | Failure":
    """A video with another ending was read as a picture: whoever named it learns why."""
    from telltale.cli.sources import ENDINGS
    from telltale.data.video_file import endings
    from telltale.evaluate.scoring import Failure

    path = record.sample.path
    if isinstance(record, Failure) and record.sample.data is not None:
        return replace(record, error=f"{record.error} Of a video, name its file: it cannot be piped in.")
    if not isinstance(record, Failure) or path.suffix.lower() in ENDINGS or not os.path.isfile(path):  # noqa: PTH113
        return record
    return replace(record, error=f"{record.error} Videos are known by their ending: {endings()}.")


def _row(record: "Score | VideoScore | Failure", loaded: "Detector", wish: "VideoWish") -> "Row":
    from telltale import __version__
    from telltale.evaluate.results import CHOICE, FILM
    from telltale.evaluate.scoring import row
    from telltale.evaluate.video_rows import video_columns, video_row
    from telltale.evaluate.video_scoring import VideoScore

    if isinstance(record, VideoScore):
        return {**video_row(record, loaded, __version__), **wish.choice(), **video_columns(record)}
    return {**row(record, loaded, __version__), **dict.fromkeys((*CHOICE, *FILM))}


def _lines(record: "Score | VideoScore | Failure") -> "Iterable[str]":
    from telltale.cli.predict_video import lines
    from telltale.evaluate.video_scoring import VideoScore

    return lines(record) if isinstance(record, VideoScore) else [_line(record)]


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
    if record.enlarged >= NOTICED:
        number += f", enlarged {record.enlarged:.1f} times"
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
    from telltale.evaluate.results import make_folder
    from telltale.explain.heatmap_files import write_heatmap
    from telltale.image import Pixels

    if loaded.spec.grid is None:
        raise InvalidConfig(
            expected="a detector with patches for --heatmaps",
            found=f"the whole-image baseline {loaded.spec.name}",
            do="Leave --heatmaps out, or choose another detector.",
        )
    make_folder(folder)

    def draw(sample: "Sample", pixels: Pixels, prediction: Prediction) -> None:
        write_heatmap(folder / heatmap_name(sample.path), "overlay", pixels, prediction, loaded)

    return draw


def heatmap_name(path: Path, ending: str = ".png") -> str:
    """A heatmap's file name: the picture's name, cut where file systems would refuse it, and a hash of its path."""
    from hashlib import sha256

    name = os.fsdecode(os.fsencode(path.name)[:200])
    return f"{name}.{sha256(os.fsencode(path)).hexdigest()[:8]}{ending}"


def summary(done: int, failed: int, kept: int = 0, *, what: str = "scored", damaged: int = 0) -> None:
    """The last line on standard error: to a person always, to a script where something failed or was kept."""
    if failed or kept or damaged or sys.stderr.isatty():
        earlier = f", {kept} kept from before" if kept else ""
        broken = f" ({damaged} of them damaged)" if damaged else ""
        print(f"{done} {what}{broken}, {failed} failed{earlier}", file=sys.stderr)
