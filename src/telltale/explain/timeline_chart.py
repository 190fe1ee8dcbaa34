"""A video's timeline as a picture: P(fake) against time, with the ranges of the three verdicts behind it."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from telltale.evaluate.video_scoring import VideoScore
from telltale.evaluate.video_summary import Moment
from telltale.image import Pixels
from telltale.spec import Thresholds

# Drawn at twice the size and scaled down, which smooths the lines.
_FINE = 2
_WIDTH, _HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _FOOT = 54, 150, 40, 44
_REAL, _UNSURE, _FAKE = (221, 232, 243), (240, 240, 240), (247, 222, 222)
_INK, _FAINT = (27, 31, 36), (110, 118, 128)
# Okabe and Ito's colours, which colour-blind readers tell apart.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (176, 87, 154), (181, 119, 0), (68, 68, 68))
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0)


def timeline(record: VideoScore, thresholds: Thresholds | None, *, every_seconds: float) -> Pixels:
    """The chart of one video.

    Args:
        record: of the video.
        thresholds: where the verdicts meet; None draws no ranges.
        every_seconds: the stride. A line is broken where more than one frame in between was not scored, such as where
            the face was not seen; in a damaged file also where moments are further apart than two and a half strides.
            In a whole file such a distance is a picture that is held, as slides are.

    Returns:
        RGB, (320, 960, 3): a line for each face, or one for whole frames; rings about the frames that matter.
    """
    board = _Board(max(record.moments[-1].seconds, every_seconds))
    board.ranges(thresholds)
    board.axes("P(fake)" if record.summary.probability is not None else "score")
    numbers: list[int | None] = [*(number for number, _ in record.tracks)] or [None]
    for place, number in enumerate(numbers):
        found = [moment for moment in record.moments if moment.view.track == number]
        board.line(found, _COLOURS[place % len(_COLOURS)], inf if record.error is None else 2.5 * every_seconds)
    for moment in record.matter:
        board.ring(moment)
    board.names(numbers)
    board.heading(record)
    return board.pixels()


class _Board:
    """A drawing with time across and P(fake) up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._image = Image.new("RGB", (_WIDTH * _FINE, _HEIGHT * _FINE), "white")
        self._draw = ImageDraw.Draw(self._image)

    def x(self, seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / self._seconds

    def y(self, value: float) -> float:
        return _HEIGHT - _FOOT - (_HEIGHT - _FOOT - _TOP) * value

    def ranges(self, thresholds: Thresholds | None) -> None:
        """Bands of the three verdicts, each with its name at the right."""
        if thresholds is None:
            return
        edges = (0.0, thresholds.real_below, thresholds.fake_above, 1.0)
        names = ("likely real", "inconclusive", "likely generated")
        for low, high, shade, name in zip(edges, edges[1:], (_REAL, _UNSURE, _FAKE), names, strict=False):
            self._box(self.x(0.0), self.y(high), self.x(self._seconds), self.y(low), shade)
            if high - low > 0.05:
                self._text(self.x(self._seconds) + 8, self.y((low + high) / 2), name, _FAINT, "lm")

    def axes(self, what: str) -> None:
        """Marks at 0, 0.5 and 1 and at round times."""
        for value in (0.0, 0.5, 1.0):
            self._path([(self.x(0.0), self.y(value)), (self.x(self._seconds), self.y(value))], (205, 210, 216))
            self._text(_LEFT - 8.0, self.y(value), f"{value:g}", _INK, "rm")
        for seconds in _marks(self._seconds):
            self._path([(self.x(seconds), self.y(0.0)), (self.x(seconds), self.y(0.0) + 4)], _INK)
            self._text(self.x(seconds), self.y(0.0) + 8, clock(seconds), _INK, "mt")
        self._text(8.0, _TOP - 10.0, what, _INK, "ls")

    def line(self, moments: Sequence[Moment], ink: tuple[int, int, int], gap: float) -> None:
        """One line, broken at gaps; dots where few moments stand far apart, or one alone."""
        for run in _runs(moments, gap):
            places = [(self.x(one.seconds), self.y(one.value)) for one in run]
            self._path(places, ink, 1.6)
            if len(moments) <= 120 or len(run) == 1:
                for place in places:
                    self._dot(place, 2.5, fill=ink)

    def ring(self, moment: Moment) -> None:
        """One of the frames that matter."""
        self._dot((self.x(moment.seconds), self.y(moment.value)), 6.0, outline=_INK)

    def names(self, numbers: Sequence[int | None]) -> None:
        """Whose line is whose, where there are several."""
        if numbers == [None]:
            return
        for place, number in enumerate(numbers[:8]):
            x, y = _LEFT + 92.0 * place, _HEIGHT - 11.0
            self._box(x, y - 2, x + 14, y + 2, _COLOURS[place % len(_COLOURS)])
            more = f" and {len(numbers) - 8} more" if place == 7 and len(numbers) > 8 else ""
            self._text(x + 19, y, f"face {number}{more}", _INK, "lm")

    def heading(self, record: VideoScore) -> None:
        """The file and what it comes to."""
        found = record.summary
        value = f"score {found.score:.2f}" if found.probability is None else f"mean P(fake) {found.probability:.2f}"
        verdict = f", {found.verdict}" if found.verdict else ""
        note = "  (calibrated on pictures)" if found.probability is not None else ""
        broken = "  damaged file" if record.error else ""
        name = record.sample.path.name.encode("ascii", "replace").decode()
        name = name if len(name) <= 48 else f"{name[:45]}..."
        self._text(float(_LEFT), 12.0, f"{name}:  {value}{verdict}{note}{broken}", _INK, "lm")

    def pixels(self) -> Pixels:
        """The drawing at its size."""
        return np.asarray(self._image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS))

    def _box(self, left: float, top: float, right: float, bottom: float, fill: tuple[int, int, int]) -> None:
        self._draw.rectangle([_FINE * left, _FINE * top, _FINE * right, _FINE * bottom], fill=fill)

    def _path(self, places: Sequence[tuple[float, float]], ink: tuple[int, int, int], width: float = 1.0) -> None:
        points = [(_FINE * x, _FINE * y) for x, y in places]
        self._draw.line(points, fill=ink, width=round(_FINE * width), joint="curve")

    def _dot(self, place: tuple[float, float], radius: float, **look: tuple[int, int, int]) -> None:
        x, y = place
        edges = [_FINE * (x - radius), _FINE * (y - radius), _FINE * (x + radius), _FINE * (y + radius)]
        self._draw.ellipse(edges, width=3, **look)

    def _text(self, x: float, y: float, text: str, ink: tuple[int, int, int], anchor: str) -> None:
        font = ImageFont.load_default(12 * _FINE)
        self._draw.text((_FINE * x, _FINE * y), text, ink, font, anchor=anchor)


def clock(seconds: float) -> str:
    """Time as a player shows it: 0:05, 1:02:03; tenths where there are any."""
    tenths = round(10 * seconds)
    hours, minutes, whole, part = tenths // 36000, tenths // 600 % 60, tenths // 10 % 60, tenths % 10
    fraction = f".{part}" if part else ""
    return f"{hours}:{minutes:02}:{whole:02}{fraction}" if hours else f"{minutes}:{whole:02}{fraction}"


def _marks(seconds: float) -> list[float]:
    """Round times from 0 on, ten of them at the most."""
    step = next((step for step in _STEPS if seconds / step <= 10), seconds / 10)
    return [step * index for index in range(int(seconds / step + 1e-9) + 1)]


def _runs(moments: Sequence[Moment], gap: float) -> Iterator[list[Moment]]:
    """Moments that follow each other closely."""
    number, labelled = 0, []
    for before, moment in zip([*moments[:1], *moments], moments, strict=False):
        number += moment.frame - before.frame > 2 or moment.seconds - before.seconds > gap
        labelled.append((number, moment))
    for _, run in groupby(labelled, key=lambda one: one[0]):
        yield [moment for _, moment in run]
