"""Score a video: its frames as pictures, the timeline they make, and what it comes to."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from telltale.data.equalise import Window
from telltale.data.sample import Sample
from telltale.data.video import Frame, frames
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidDetector, TelltaleError, UndecodableVideo, UnsuitableImage
from telltale.evaluate.scoring import Failure, enlargement, strongest_window
from telltale.evaluate.video_summary import Moment, Summary, View, leading, mattering, summarise
from telltale.image import MAX_PIXELS
from telltale.pooling import sigmoid
from telltale.spec import Thresholds

# Which parts of a frame to score; called in order, frame by frame, in one thread.
Look: TypeAlias = Callable[[Frame], Sequence[View]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoScore:
    """One scored video.

    Attributes:
        sample: which, and what is known of it.
        moments: the timeline, in order.
        summary: what decides for the video: all moments, or those of the face that looks most fake.
        tracks: each face by its number, in order; empty where whole frames were scored.
        matter: of the moments that decide, those that look most fake, the first the most; at least APART seconds apart.
        frames: how many were looked at.
        end: second at which the last picture of the file is no longer shown; of a damaged one, of what could be read.
        seconds: time from reading the file to the summary.
        error: what of the file could not be read, and from when on; None for a whole one.
    """

    sample: Sample
    moments: tuple[Moment, ...]
    summary: Summary
    tracks: tuple[tuple[int, Summary], ...]
    matter: tuple[Moment, ...]
    frames: int
    end: float
    seconds: float
    error: str | None


# Called with each frame in order, and what was said of its views; those that could not be scored are left out.
VideoVisit: TypeAlias = Callable[[Frame, Sequence[tuple[Moment, Prediction]]], None]


def whole(frame: Frame) -> Sequence[View]:
    """The frame as it is."""
    height, width = frame.pixels.shape[:2]
    return (View(window=Window(x=0, y=0, width=width, height=height)),)


def score_video(
    detector: Detector,
    sample: Sample,
    *,
    every_seconds: float = 1.0,
    look: Look = whole,
    max_pixels: int = MAX_PIXELS,
    visit: VideoVisit | None = None,
) -> VideoScore | Failure:
    """Score a video's frames; memory grows with the number of frames that are scored, by about 1 kB each.

    Decoding and scoring go on at the same time: `detector.threads` frames are scored, each by one thread.

    Args:
        detector: what scores.
        sample: which file.
        every_seconds: stride, as for `telltale.data.video.frames`.
        look: which parts of each frame to score.
        max_pixels: of a frame.
        visit: called for each frame, in order, in the caller's thread.

    Returns:
        A score, also of what could be read of a damaged file (`error` says what was missing); a Failure where nothing
        could be scored, as for a file without pictures or a video without a face.

    Raises:
        InvalidDetector: the detector is at fault, not the video.
    """
    begin, found = time.perf_counter(), _Found()
    try:
        read = _Readable(sample.path, every_seconds=every_seconds, max_pixels=max_pixels, threads=detector.threads)
        for frame, said in _scored(detector, read, look):
            moments = found.add(said)
            if visit is not None:
                visit(frame, moments)
    except InvalidDetector:
        # Not the video's fault: every other one would fail alike.
        raise
    except TelltaleError as error:
        return Failure(sample=sample, error=str(error))
    if not found.moments:
        return Failure(sample=sample, error=read.error or found.nothing(sample))
    return found.score(sample, detector.spec.thresholds, time.perf_counter() - begin, read)


class _Readable:
    """A video's frames without the error that may end them, which is kept, as is when they end."""

    def __init__(self, path: Path, *, every_seconds: float, max_pixels: int, threads: int) -> None:
        self._read = frames(
            path, every_seconds=every_seconds, max_pixels=max_pixels, threads=threads, ended=self._ended
        )
        self.error: str | None = None
        self.end = 0.0

    def _ended(self, seconds: float) -> None:
        self.end = seconds

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._read
        except UndecodableVideo as error:
            self.error = str(error)


# What was said of one view: a moment, or why there is none.
_Said: TypeAlias = tuple[Moment, Prediction] | UnsuitableImage


def _scored(detector: Detector, read: Iterable[Frame], look: Look) -> Iterator[tuple[Frame, list[_Said]]]:
    """Each frame with what is said of its views, in order; a few are being scored while the next are decoded."""
    single = replace(detector, threads=1)
    waiting: deque[tuple[Frame, list[Future[_Said]]]] = deque()
    with ThreadPoolExecutor(detector.threads) as threads:
        for frame in read:
            waiting.append((frame, [threads.submit(_moment, single, frame, view) for view in look(frame)]))
            if len(waiting) > detector.threads:
                yield _done(waiting.popleft())
        yield from map(_done, waiting)


def _done(one: tuple[Frame, list[Future[_Said]]]) -> tuple[Frame, list[_Said]]:
    return one[0], [future.result() for future in one[1]]


def redrawn(
    detector: Detector, record: VideoScore, *, every_seconds: float, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[Frame, list[tuple[Moment, Prediction]]]]:
    """The frames that matter once more, in order, with what was said of their views: the file is read anew up to there.

    Which frames matter is known when all are scored; to hold those that might would take memory for each face and more
    for each frame a second.

    Args:
        detector: what scored.
        record: what came of it.
        every_seconds, max_pixels: as they were for `score_video`.
    """
    wanted = {moment.seconds for moment in record.matter}
    views = {seconds: [one.view for one in record.moments if one.seconds == seconds] for seconds in wanted}
    path, threads = record.sample.path, detector.threads
    for frame in _Readable(path, every_seconds=every_seconds, max_pixels=max_pixels, threads=threads):
        if frame.seconds in views:
            said = [_moment(detector, frame, view) for view in views.pop(frame.seconds)]
            yield frame, [one for one in said if not isinstance(one, UnsuitableImage)]
        if not views:
            return


def _moment(detector: Detector, frame: Frame, view: View) -> _Said:
    window = view.window
    try:
        said = detector(np.ascontiguousarray(window.cut(frame.pixels)))
    except UnsuitableImage as error:
        return error
    shape = (window.height, window.width)
    x, y, width, height = strongest_window(detector, said, shape)
    moment = Moment(
        frame=frame.number,
        seconds=frame.seconds,
        view=view,
        frame_shape=(frame.pixels.shape[0], frame.pixels.shape[1]),
        score=said.score,
        probability=said.probability,
        verdict=said.verdict,
        patch_logits_shape=(said.patch_logits.shape[0], said.patch_logits.shape[1]),
        strongest_patch=sigmoid(said.patch_logits.max(keepdims=True)).item(),
        strongest_window=(window.x + x, window.y + y, width, height),
        enlarged=enlargement(said, shape),
    )
    return moment, said


class _Found:
    """What has been scored of a video so far."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self._frames = 0
        self._refused = ""

    def add(self, said: Sequence[_Said]) -> list[tuple[Moment, Prediction]]:
        """Take in one frame; returns what could be scored of it."""
        self._frames += 1
        scored = [one for one in said if not isinstance(one, UnsuitableImage)]
        self._refused = next((str(one) for one in said if isinstance(one, UnsuitableImage)), self._refused)
        self.moments += [moment for moment, _ in scored]
        return scored

    def nothing(self, sample: Sample) -> str:
        """Why there is no moment though there were frames."""
        if self._refused:
            return f"{self._refused} ({sample.path})"
        return f"expected a face; found none in {self._frames:,} frames of {sample.path}. Leave out --faces."

    def score(self, sample: Sample, thresholds: Thresholds | None, seconds: float, read: _Readable) -> VideoScore:
        """All of it."""
        by_face: dict[int | None, list[Moment]] = {}
        for moment in self.moments:
            by_face.setdefault(moment.view.track, []).append(moment)
        numbers = sorted(number for number in by_face if number is not None)
        tracks = tuple((number, summarise(by_face[number], thresholds)) for number in numbers)
        deciding, summary = leading(tracks) if tracks else (None, summarise(self.moments, thresholds))
        return VideoScore(
            sample=sample,
            moments=tuple(self.moments),
            summary=summary,
            tracks=tracks,
            matter=mattering(by_face[deciding]),
            frames=self._frames,
            end=max(read.end, self.moments[-1].seconds),
            seconds=seconds,
            error=read.error,
        )
