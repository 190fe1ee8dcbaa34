"""Heatmaps of a video: the scored frames as a film of overlays, and the frames that matter as pictures."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from os import getpid
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from telltale.data.video import Frame
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, require
from telltale.evaluate.video_scoring import VideoScore, redrawn
from telltale.evaluate.video_summary import Moment
from telltale.explain.heatmap_files import save_png
from telltale.explain.heatmaps import beside, legend, overlaid
from telltale.explain.timeline_chart import clock
from telltale.image import MAX_PIXELS, Pixels, Resized, resize

# The first that PyAV's FFmpeg has: H.264 plays everywhere, MPEG-4 in most players.
ENCODERS = ("libx264", "libopenh264", "mpeg4")
LONGEST = 960
_CAPTION = 24
# Holds the longest line below a frame, "10:00:00.0   P(fake) 0.00   likely generated".
_LEAST_WIDTH = 256
# Times in the film are whole milliseconds.
_TICK = Fraction(1, 1000)


@contextmanager
def heatmap_film(path: Path, detector: Detector) -> Iterator["HeatmapFilm"]:
    """A film to call with each scored frame, which goes into an MP4 file at the time it has in the video.

    The file gets its name when it is whole; without a single frame there is none.

    Args:
        path: of the film.
        detector: where its patches lie and how it prepares pictures.

    Raises:
        UnsuitableImage: from the call: a whole-image baseline, which has no patches to place.
        InvalidConfig: an FFmpeg without any of ENCODERS.
        MissingExtra: without the `[video]` extra.
    """
    film = HeatmapFilm(path, detector)
    try:
        yield film
        film.finish()
    finally:
        film.discard()


def write_matter(
    record: VideoScore, detector: Detector, name: Path, *, every_seconds: float, max_pixels: int = MAX_PIXELS
) -> list[Path]:
    """The frames that matter as PNG: `name`, the time, `.png`; in order of time.

    Those that an earlier run wrote under this name are removed: with another stride other frames matter.

    Args:
        record: of the video, which is read once more.
        detector: what scored it.
        name: of the files, without what tells them apart.
        every_seconds, max_pixels: as they were for `score_video`.
    """
    found = []
    for frame, said in redrawn(detector, record, every_seconds=every_seconds, max_pixels=max_pixels):
        path = name.with_name(f"{name.name}.{frame.seconds:.2f}s.png")
        save_png(path, drawn(frame, said, detector))
        found.append(path)
    ours = re.compile(re.escape(name.name) + r"\.\d+\.\d\ds\.png")
    for path in set(name.parent.iterdir()).difference(found):
        if ours.fullmatch(path.name):
            path.unlink()
    return found


def drawn(frame: Frame, said: Sequence[tuple[Moment, Prediction]], detector: Detector) -> Resized:
    """One frame with the heatmaps of its views, the legend, and a line with its time and what was said of it.

    Returns:
        RGB of even height and width, at most LONGEST px without the legend and the line; white beside a frame too
        narrow for the line.
    """
    height, width = frame.pixels.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    canvas = resize(frame.pixels, max(1, round(height * scale)), max(1, round(width * scale))).copy()
    for moment, prediction in said:
        _lay(canvas, frame, moment, prediction, detector, scale)
    board = Image.fromarray(canvas)
    draw = ImageDraw.Draw(board)
    for moment, _ in said:
        if moment.view.track is not None:
            _box(draw, moment, scale)
    picture = beside(np.asarray(board), legend)
    picture = np.pad(picture, ((0, 0), (0, max(0, _LEAST_WIDTH - picture.shape[1])), (0, 0)), constant_values=255)
    picture = np.vstack([picture, _caption(frame.seconds, [moment for moment, _ in said], picture.shape[1])])
    return _even(picture)


def _lay(
    canvas: Pixels, frame: Frame, moment: Moment, prediction: Prediction, detector: Detector, scale: float
) -> None:
    """One view's overlay, in place."""
    window = moment.view.window
    overlay = overlaid(np.ascontiguousarray(window.cut(frame.pixels)), prediction, detector, longest=LONGEST)
    top, left = round(window.y * scale), round(window.x * scale)
    bottom = min(canvas.shape[0], max(top + 1, round((window.y + window.height) * scale)))
    right = min(canvas.shape[1], max(left + 1, round((window.x + window.width) * scale)))
    canvas[top:bottom, left:right] = resize(overlay, bottom - top, right - left)


def _box(draw: ImageDraw.ImageDraw, moment: Moment, scale: float) -> None:
    window = moment.view.window
    left, top = window.x * scale, window.y * scale
    right, bottom = (window.x + window.width) * scale - 1, (window.y + window.height) * scale - 1
    draw.rectangle([left, top, right, bottom], outline="white", width=2)
    text, font = f"face {moment.view.track}  {moment.value:.2f}", ImageFont.load_default(13)
    draw.rectangle(draw.textbbox((left + 4, top + 3), text, font), fill="white")
    draw.text((left + 4, top + 3), text, "black", font)


def _caption(seconds: float, moments: Sequence[Moment], width: int) -> Pixels:
    board = Image.new("RGB", (width, _CAPTION), "white")
    font = ImageFont.load_default(13)
    if moments:
        most = max(moments, key=lambda moment: moment.value)
        word = "score" if most.probability is None else "P(fake)"
        text = f"{clock(seconds)}   {word} {most.value:.2f}   {most.verdict or ''}"
    else:
        text = f"{clock(seconds)}   nothing scored"
    ImageDraw.Draw(board).text((8, _CAPTION // 2), text, "black", font, anchor="lm")
    return np.asarray(board)


def _even(picture: Pixels) -> Resized:
    """White at the foot and the right where a side is odd: video codecs halve the colours' resolution."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=255)


class HeatmapFilm:
    """An MP4 file in the making; `heatmap_film` makes it, and finishes or removes it."""

    def __init__(self, path: Path, detector: Detector) -> None:
        self._av = require("av", "video")
        self._detector = detector
        self._encoder = _encoder(self._av)
        self._path = path
        self._temporary = path.with_name(f".{getpid()}-{get_ident()}.film.new")
        self._container: Any = None
        self._track: Any = None
        self._waiting: Any = None
        self._last = -1
        self._end = 0

    def __call__(self, frame: Frame, said: Sequence[tuple[Moment, Prediction]]) -> None:
        """One more frame, as `telltale.evaluate.video_scoring.VideoVisit` has it; all get the size of the first."""
        self._add(drawn(frame, said, self._detector), frame.seconds)

    def until(self, seconds: float) -> None:
        """For how long the last picture is shown; a thirtieth of a second where nobody says it."""
        self._end = round(seconds / _TICK)

    def _add(self, picture: Pixels, seconds: float) -> None:
        if self._container is None:
            self._begin(picture.shape[0], picture.shape[1])
        frame = self._av.VideoFrame.from_ndarray(resize(picture, self._track.height, self._track.width), format="rgb24")
        frame.pts = self._last = max(self._last + 1, round(seconds / _TICK))
        frame.time_base = _TICK
        self._write(self._track.encode(frame))

    def _write(self, packets: Sequence[Any]) -> None:
        """All but the last, which waits until it is known for how long it is shown."""
        for packet in packets:
            if self._waiting is not None:
                self._container.mux(self._waiting)
            self._waiting = packet

    def finish(self) -> None:
        """Give the file its name, if there is one."""
        if self._container is not None:
            self._write(self._track.encode())
            if self._end > self._last:
                self._waiting.duration = round((self._end - self._last) * _TICK / self._waiting.time_base)
            self._container.mux(self._waiting)
            self._container.close()
            self._temporary.replace(self._path)

    def discard(self) -> None:
        """Close what is open; remove what is not finished."""
        if self._container is not None:
            self._container.close()
        self._temporary.unlink(missing_ok=True)

    def _begin(self, height: int, width: int) -> None:
        self._container = self._av.open(str(self._temporary), "w", format="mp4")
        self._track = self._container.add_stream(self._encoder, rate=30)
        self._track.width, self._track.height, self._track.pix_fmt = width, height, "yuv420p"
        self._track.codec_context.time_base = _TICK
        if self._encoder == "libx264":
            # Without reordering, a film of one frame a second plays and seeks everywhere.
            self._track.options = {"preset": "veryfast", "crf": "20", "tune": "stillimage", "bf": "0"}
        else:
            self._track.bit_rate = 4_000_000


def _encoder(av: Any) -> str:
    known = [name for name in ENCODERS if name in av.codecs_available]
    if not known:
        raise InvalidConfig(
            expected=f"an FFmpeg with one of the encoders {', '.join(ENCODERS)}",
            found="none of them",
            do="Install PyAV from its wheel: pip install av.",
        )
    return known[0]
