"""Videos in `telltale predict`: what is scored, printed and written for each."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale.cli.progress import one_line
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from telltale.data.sample import Sample
    from telltale.data.tracks import FindFaces
    from telltale.detector import Detector
    from telltale.evaluate.results import ResultFile, Row
    from telltale.evaluate.scoring import Failure
    from telltale.evaluate.video_scoring import Look, VideoScore
    from telltale.evaluate.video_summary import Summary

NOTE = "telltale: note: P(fake) and its thresholds were calibrated on single pictures, not on videos (docs/video.md)"

# Seconds from one frame to the next where nothing is said.
EVERY = 1.0
# Of each frame, what is scored; after FACES comes what finds them.
WHOLE, FACES = "whole frames", "faces found by"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoWish:
    """What the command line asks for of each video.

    Attributes:
        every: seconds between frames.
        looked_at: in words, what of each frame `look` takes.
        look: makes what looks at one video: whole frames, or faces.
        max_pixels: of a frame.
        heatmaps: folder for the film of heatmaps, the frames that matter and the chart; None for none.
        timeline: where the rows of the timeline go; None for nowhere.
    """

    every: float
    looked_at: str
    look: "Callable[[], Look]"
    max_pixels: int
    heatmaps: Path | None
    timeline: "ResultFile | None" = None

    @property
    def options(self) -> str:
        """Those of the command line that say something of videos alone, where they were given."""
        given = {
            "--every": self.every != EVERY,
            "--faces": self.looked_at != WHOLE,
            "--timeline": self.timeline is not None,
        }
        return ", ".join(name for name, value in given.items() if value)

    def choice(self) -> "Row":
        """How frames are chosen, as columns of a video's row."""
        return {"every_seconds": self.every, "looked_at": self.looked_at}


def check_every(every: float) -> None:
    """Refuse a stride that means nothing once, before any video would fail for it.

    Raises:
        InvalidConfig: infinite, not a number, or too large.
    """
    from telltale.data.video import ENDLESS

    # Nothing compares with what is no number: "not below" is true of it, too.
    if not every < ENDLESS:
        raise InvalidConfig(
            expected=f"--every SECONDS below {ENDLESS:,.0f}", found=f"{every:g}", do="Give the seconds between frames."
        )


def look_for(faces: bool, face_detector: Path | None, threads: int) -> "Callable[[], Look]":
    """What makes the look at one video: whole frames, or faces by YuNet's file or else by the shipped face parser.

    The parser, several times as dear as scoring, uses so many threads for one frame; YuNet uses one.

    Raises:
        InvalidConfig: a face detector without --faces.
        InvalidDetector: a file that is not YuNet's.
        MissingExtra: a face detector without the `[faces]` extra.
    """
    from telltale.evaluate.video_scoring import whole

    if not faces:
        if face_detector is not None:
            raise InvalidConfig(expected="--faces with --face-detector", found="none", do="Add --faces.")
        return lambda: whole
    from telltale.evaluate.video_faces import faces as look_at_faces

    find = _finder(face_detector, threads)
    return lambda: look_at_faces(find)


def looked_at(faces: bool, face_detector: Path | None) -> str:
    """What of each frame is scored, in words; another file of a face detector finds other faces."""
    from hashlib import sha256

    if not faces:
        return WHOLE
    if face_detector is None:
        return f"{FACES} the face parser"
    return f"{FACES} detector {sha256(face_detector.read_bytes()).hexdigest()[:12]}"


def same_choice(rows: "Iterable[Row]", wish: VideoWish, out: Path) -> "Iterator[Row]":
    """Hand on the rows of an earlier run; videos whose frames were chosen otherwise must not mix with ours.

    Raises:
        InvalidConfig: another stride, other faces, or a video of which the file does not tell.
    """
    from telltale.data.video_file import is_video

    asked = wish.choice()
    for row in rows:
        found = {name: row[name] for name in asked}
        if found["every_seconds"] is not None:
            if found != asked:
                raise _other_choice(f"{row['path']} by {_in_words(found)}, in {out}", asked, _options(found))
        # Rows of an earlier version do not tell; of a picture there is nothing to tell.
        elif is_video(Path(row["path"])):
            raise _other_choice(f"{row['path']} without a word of how, in {out}", asked, "")
        yield row


def _other_choice(found: str, asked: "Row", options: str) -> InvalidConfig:
    same = f", or ask for the same again: {options}" if options else ""
    return InvalidConfig(
        expected=f"videos scored by {_in_words(asked)}", found=found, do=f"Write to another file{same}."
    )


def _in_words(choice: "Row") -> str:
    return f"{choice['looked_at']} every {choice['every_seconds']:.12g} s"


def _options(choice: "Row") -> str:
    """Those that choose frames alike."""
    words = "without --faces" if choice["looked_at"] == WHOLE else f"with --faces ({choice['looked_at']})"
    return f"--every {choice['every_seconds']:.12g} {words}"


def _finder(face_detector: Path | None, threads: int) -> "FindFaces":
    if face_detector is None:
        from telltale.explain.face_search import by_face_parser

        return by_face_parser(threads=threads)
    from telltale.data.faces import faces_finder

    every = faces_finder(face_detector)
    return lambda pixels, _hints, _everywhere: every(pixels)


def open_timeline(path: Path, sink: "ResultFile | None", done: set[str], *, resume: bool) -> "ResultFile":
    """A file of timelines; resumed, it keeps the rows of finished videos, since the others are scored again.

    Args:
        path: of the file.
        sink: what --out names.
        done: paths of what is finished.
        resume: go on with an earlier file.

    Raises:
        InvalidConfig: --out names the same file, what is to be resumed belongs to another one, or videos are finished
            that would be missing from a timeline that begins now.
    """
    from telltale.data.video_file import is_video
    from telltale.evaluate.results import ResultFile, utf8, write_rows
    from telltale.evaluate.video_rows import TIMELINE

    if sink is not None and path.resolve() == sink.path.resolve():
        raise InvalidConfig(
            expected="two files for --out and --timeline, whose columns differ",
            found=f"{path} for both",
            do="Choose another name for one of them.",
        )
    found = ResultFile(path, resume=resume, columns=TIMELINE)
    held = {utf8(row["path"]) for row in found.earlier()} if resume else set()
    if lacking := sorted(name for name in done - held if is_video(Path(name))):
        raise InvalidConfig(
            expected="a timeline that holds every video finished already",
            found=f"{path} without {lacking[0]}" + (f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""),
            do="Leave --timeline out, name the one that was written with --out, or score anew into another --out.",
        )
    if resume and sink is not None:
        _check_belongs(found, sink)
        write_rows(path, (row for row in found.kept() if utf8(row["path"]) in done), columns=TIMELINE)
        found.journal.unlink(missing_ok=True)
    return found


def _check_belongs(found: "ResultFile", sink: "ResultFile") -> None:
    """The rows of videos that --out does not hold are removed: they must be what a kill left, not another run's."""
    from telltale.evaluate.results import utf8

    known = {utf8(row["path"]) for row in sink.earlier()}
    others = {name for row in found.earlier() if (name := utf8(row["path"])) not in known}
    # A kill may come between the timeline of a video and its row. It leaves --out, be it without a row.
    if len(others) > (sink.path.exists() or sink.journal.exists()):
        raise InvalidConfig(
            expected=f"the timelines of the results in {sink.path}",
            found=f"those of {len(others)} videos that it does not hold, such as {min(others)}, in {found.path}",
            do="Name the --out that was written with them, or another --timeline.",
        )


def score(loaded: "Detector", sample: "Sample", wish: VideoWish) -> "VideoScore | Failure":
    """Score one video, and write what is asked for beside the score."""
    from telltale.evaluate.scoring import Failure
    from telltale.evaluate.video_scoring import score_video

    settings: dict[str, Any] = {"every_seconds": wish.every, "look": wish.look(), "max_pixels": wish.max_pixels}
    if wish.heatmaps is None:
        record = score_video(loaded, sample, **settings)
    else:
        record = _drawn(loaded, sample, settings, wish.heatmaps)
    if wish.timeline is not None and not isinstance(record, Failure):
        from telltale import __version__
        from telltale.evaluate.video_rows import timeline_rows

        for row in timeline_rows(record, loaded, __version__):
            wish.timeline.add(row)
    return record


def _drawn(loaded: "Detector", sample: "Sample", settings: dict[str, Any], folder: Path) -> "VideoScore | Failure":
    """The film of heatmaps, the frames that matter, the timeline's chart."""
    from telltale.cli.predict import heatmap_name
    from telltale.errors import MissingExtra
    from telltale.evaluate.scoring import Failure
    from telltale.evaluate.video_scoring import score_video
    from telltale.explain.heatmap_files import save_png
    from telltale.explain.timeline_chart import timeline
    from telltale.explain.video_heatmaps import heatmap_film, write_matter

    every, max_pixels = settings["every_seconds"], settings["max_pixels"]
    try:
        with heatmap_film(folder / heatmap_name(sample.path, ".mp4"), loaded) as film:
            record = score_video(loaded, sample, visit=film, **settings)
            if not isinstance(record, Failure):
                film.until(record.end)
    except MissingExtra as error:
        return Failure(sample=sample, error=str(error))
    if not isinstance(record, Failure):
        name = folder / heatmap_name(sample.path, "")
        write_matter(record, loaded, name, every_seconds=every, max_pixels=max_pixels)
        chart = timeline(record, loaded.spec.thresholds, every_seconds=every)
        save_png(folder / heatmap_name(sample.path, ".timeline.png"), chart)
    return record


def lines(record: "VideoScore") -> "Iterable[str]":
    """A line for the video, one for each face, and one for what could not be read."""
    from telltale.explain.timeline_chart import clock

    found = record.summary
    times = ", ".join(clock(moment.seconds) for moment in record.matter)
    yield one_line(f"{_said(found)}  {record.frames} frames, most fake at {times:<20}  {record.sample.path}")
    for number, summary in record.tracks:
        seen = f"{clock(summary.first)} to {clock(summary.last)}, {summary.moments} frames"
        yield one_line(f"  face {number:<3} {_said(summary)}  {seen}")
    if record.error:
        yield one_line(f"  damaged: {record.error}")


def _said(summary: "Summary") -> str:
    from telltale.cli.predict import NOTICED

    word, value = ("score", summary.score) if summary.probability is None else ("P(fake)", summary.probability)
    verdict = summary.verdict or "not calibrated"
    enlarged = f", enlarged up to {summary.enlarged:.1f} times" if summary.enlarged >= NOTICED else ""
    return f"{verdict:<17} {word} {value:.2f}, top tenth {summary.top:.2f}, highest {summary.highest:.2f}{enlarged}"
