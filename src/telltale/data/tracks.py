"""Faces followed through a video: one number and one steady box for each, and crops that a pair of videos shares.

Whoever finds the faces is given from outside, as a function; nothing here knows a face detector.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import TypeAlias

import numpy as np

from telltale.data.equalise import Box, Window
from telltale.data.video import Frame
from telltale.errors import InvalidDataset
from telltale.image import Pixels, Resized

# From a frame's pixels to the boxes of its faces, in pixels. The boxes of the frame before are a hint; the last word
# says whether to look everywhere, or whether it is enough to look about the hints and for what is large.
FindFaces: TypeAlias = Callable[[Pixels, Sequence[Box], bool], Sequence[Box]]

# Boxes of two frames that overlap less (intersection over union) are two faces.
LEAST_OVERLAP = 0.3
# A face may be lost from view for so long, seconds or frames, whichever is longer, and keep its number.
PATIENCE_SECONDS, PATIENCE_FRAMES = 1.0, 2
# A box follows what was found with this delay: it steadies a box that trembles from frame to frame, and leaves one of
# every second as it is.
DELAY_SECONDS = 0.2
# Every so many frames the whole frame is searched.
THOROUGH = 5
# Side of a crop over the larger side of the face's box, as data sets are built.
CROP_SCALE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A face in one frame.

    Attributes:
        track: number of the face, from 1, in the order in which faces appear.
        box: (x, y, width, height) in pixels, steadied.
    """

    track: int
    box: Box


@dataclass(slots=True)
class _Track:
    number: int
    found: Box
    steady: Box
    seconds: float
    frame: int


class Follower:
    """Numbers the faces of one video; call it with each frame, in order.

    A track is a place that a face holds from frame to frame, not a person: after a cut or a long absence the same
    person has another number, and a cut to another face at the same place may go unnoticed.

    Args:
        find: the face detector.
    """

    def __init__(self, find: FindFaces) -> None:
        self._find = find
        self._tracks: list[_Track] = []
        self._count = self._frame = 0

    def __call__(self, frame: Frame) -> list[Tracked]:
        """The faces of this frame, by their numbers."""
        self._tracks = [track for track in self._tracks if self._is_near(track, frame)]
        hints = [track.found for track in self._tracks]
        boxes = list(self._find(frame.pixels, hints, self._frame % THOROUGH == 0))
        pairs, new = matched(hints, boxes)
        for place, box in pairs:
            self._go_on(self._tracks[place], box, frame.seconds)
        for box in new:
            self._begin(box, frame.seconds)
        self._frame += 1
        here = [track for track in self._tracks if track.frame == self._frame - 1]
        return [Tracked(track=track.number, box=track.steady) for track in sorted(here, key=lambda one: one.number)]

    def _is_near(self, track: _Track, frame: Frame) -> bool:
        lost = frame.seconds - track.seconds
        return lost <= PATIENCE_SECONDS or self._frame - track.frame <= PATIENCE_FRAMES

    def _go_on(self, track: _Track, box: Box, seconds: float) -> None:
        weight = 1 - exp(-(seconds - track.seconds) / DELAY_SECONDS)
        track.steady = _between(track.steady, box, weight)
        track.found, track.seconds, track.frame = box, seconds, self._frame

    def _begin(self, box: Box, seconds: float) -> None:
        self._count += 1
        self._tracks.append(_Track(self._count, box, box, seconds, self._frame))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _between(one: Box, other: Box, weight: float) -> Box:
    """From one box to the other by this share of the way."""
    x, y, wide, high = (start + weight * (end - start) for start, end in zip(one, other, strict=True))
    return x, y, wide, high


def matched(before: Sequence[Box], now: Sequence[Box]) -> tuple[list[tuple[int, Box]], list[Box]]:
    """Which box of now continues which of before, the best overlap first; and the boxes that continue none.

    Args:
        before, now: boxes of two frames.
    """
    pairs = [(overlap(one, other), i, j) for i, one in enumerate(before) for j, other in enumerate(now)]
    found: dict[int, int] = {}
    for value, i, j in sorted(pairs, reverse=True):
        if value >= LEAST_OVERLAP and i not in found.values() and j not in found:
            found[j] = i
    return [(i, now[j]) for j, i in found.items()], [box for j, box in enumerate(now) if j not in found]


def crop_window(shape: tuple[int, int], box: Box, *, scale: float = CROP_SCALE) -> Window | None:
    """The square about a face; a square that would leave the frame is shrunk first and then shifted, never padded.

    Args:
        shape: (height, width) of the frame.
        box: of the face.
        scale: side of the square over the larger side of the box.

    Returns:
        None where the box's middle lies outside of the frame, or nothing is left of it.
    """
    height, width = shape
    x, y, wide, high = box
    side = min(round(scale * max(wide, high)), height, width)
    across, down = x + wide / 2, y + high / 2
    if side < 1 or not (0 <= across < width and 0 <= down < height):
        return None
    left, top = round(across - side / 2), round(down - side / 2)
    return Window(x=max(0, min(left, width - side)), y=max(0, min(top, height - side)), width=side, height=side)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCrop:
    """The same pixels of an original frame and of its manipulation.

    Attributes:
        seconds: when the original frame is shown.
        track: number of the face.
        window: which pixels of both frames, found on the original alone.
        original, manipulated: those pixels.
    """

    seconds: float
    track: int
    window: Window
    original: Pixels
    manipulated: Resized


def shared_crops(
    pairs: Iterable[tuple[Frame, Frame]], find: FindFaces, *, scale: float = CROP_SCALE
) -> Iterator[SharedCrop]:
    """Crops of a real video and its manipulation whose places come from the real one alone.

    So where a crop lies says nothing about which of the two it was cut from; the paper shares landmarks in this way for
    FaceForensics++.

    Args:
        pairs: frames of one moment, the original first, in order; from `halves` or `side_by_side`.
        find: the face detector.
        scale: as for `crop_window`.

    Raises:
        InvalidDataset: two frames of different size.
    """
    follow = Follower(find)
    for original, manipulated in pairs:
        if original.pixels.shape != manipulated.pixels.shape:
            raise _no_pair(f"frames of {original.pixels.shape[:2]} and {manipulated.pixels.shape[:2]} px")
        for face in follow(original):
            window = crop_window((original.pixels.shape[0], original.pixels.shape[1]), face.box, scale=scale)
            if window is not None:
                yield SharedCrop(
                    seconds=original.seconds,
                    track=face.track,
                    window=window,
                    original=window.cut(original.pixels),
                    manipulated=window.cut(manipulated.pixels),
                )


def halves(read: Iterable[Frame]) -> Iterator[tuple[Frame, Frame]]:
    """Pairs from one video whose left half is the original and whose right half is its manipulation.

    A middle column of an odd width belongs to neither.
    """
    for frame in read:
        middle = frame.pixels.shape[1] // 2
        left, right = (np.ascontiguousarray(half) for half in (frame.pixels[:, :middle], frame.pixels[:, -middle:]))
        yield replace(frame, pixels=left), replace(frame, pixels=right)


def side_by_side(original: Iterable[Frame], manipulated: Iterable[Frame]) -> Iterator[tuple[Frame, Frame]]:
    """Pairs from two videos of the same frames; where one ends before the other, so do the pairs.

    Raises:
        InvalidDataset: frames that are shown at times further apart than a twentieth of a second.
    """
    for one, other in zip(original, manipulated, strict=False):
        if abs(one.seconds - other.seconds) > 0.05:
            raise _no_pair(f"frame {one.number} at {one.seconds:.2f} s and at {other.seconds:.2f} s")
        yield one, other


def _no_pair(found: str) -> InvalidDataset:
    return InvalidDataset(
        expected="a video and its manipulation, frame for frame", found=found, do="Check which videos belong together."
    )
