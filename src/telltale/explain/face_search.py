"""Faces found by the face parser: where eyes, nose and mouth lie above each other as in a face.

telltale ships no face detector, and OpenCV's needs a file. The shipped parser was trained on single upright faces that
fill their picture; run over windows of several sizes it finds such faces in larger frames, too. It is slow, about 40 ms
a window on one core, and made for faces that look at the camera; `telltale.data.faces` with YuNet's file is faster and
finds more.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np
from jaxtyping import Bool

from telltale.data.equalise import Box
from telltale.data.tracks import FindFaces, overlap
from telltale.errors import InvalidConfig
from telltale.explain.face_parsing import load_parser
from telltale.explain.face_parts import PARTS, PartMap
from telltale.image import Pixels, resize

# Windows are looked at in this size, the parser's own.
SIDE = 160
# Sides of the windows over the frame's shorter side: first for large faces, then for smaller ones.
LARGE, SMALL = (1.0,), (0.6,)
# From one window to the next over a window's side: a face lies well inside of at least one.
_STEP = 0.4
_LEAST_WINDOW = 64
# A window about a face is this many times the distance of its eyes and its mouth, about as the parser's training
# pictures show faces.
_ABOUT = 3.2
# Width and height of a face's box over the same distance: of 656 faces found in training pictures 97 % are within.
_WIDE, _HIGH = (1.1, 2.05), (1.5, 2.75)
# Two finds that overlap more are one face.
_SAME = 0.3

_NOSE, _MOUTH, _SKIN = (PARTS.index(name) for name in ("nose", "mouth", "skin"))
_EYES = (PARTS.index("eyes"), PARTS.index("brows"))
_FACE = (_NOSE, _MOUTH, _SKIN, *_EYES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in a part map, pixels.

    Attributes:
        box: (x, y, width, height) of its skin and parts, without hair and ears.
        middle: (x, y) between eyes and mouth.
        reach: distance from eyes to mouth, downwards.
    """

    box: Box
    middle: tuple[float, float]
    reach: float

    def moved(self, x: int, y: int, scale: float) -> "Face":
        """The same in the pixels of a frame of which the part map shows a window."""
        left, top, wide, high = self.box
        return Face(
            box=(x + scale * left, y + scale * top, scale * wide, scale * high),
            middle=(x + scale * self.middle[0], y + scale * self.middle[1]),
            reach=scale * self.reach,
        )


def by_face_parser(parse: Callable[[Pixels], PartMap] | None = None, *, threads: int = 1) -> FindFaces:
    """Finds upright faces of at least about a quarter of the frame's shorter side.

    Looking everywhere takes some twenty windows for a frame of 16 to 9; else the hints and the three windows for large
    faces.

    Args:
        parse: a face parser, which several threads may call; None loads the shipped one.
        threads: windows of a frame looked at together; the faces found are the same for any number.

    Raises:
        InvalidConfig: less than one thread.
    """
    if threads < 1:
        raise InvalidConfig(expected="at least one thread", found=str(threads), do="Give 1 or more.")
    parser = load_parser() if parse is None else parse
    # Threads begin with the first frame and wait for the next one.
    pool = ThreadPoolExecutor(threads, "face search") if threads > 1 else None

    def find(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        def in_hint(box: Box) -> Face | None:
            return _about(parser, pixels, _expected(box))

        def in_square(square: tuple[int, int, int]) -> Face | None:
            first = _in_window(parser, pixels, *square)
            # Seen again with a window about itself, a face has the same box whichever window found it.
            return None if first is None else _about(parser, pixels, first)

        squares = windows((pixels.shape[0], pixels.shape[1]), (*LARGE, *SMALL) if everywhere else LARGE)
        looks = [*(partial(in_hint, box) for box in hints), *(partial(in_square, square) for square in squares)]
        found: list[Face] = []
        for face in map(_call, looks) if pool is None else pool.map(_call, looks):
            _join(found, face)
        return [face.box for face in found]

    return find


def _call(look: Callable[[], Face | None]) -> Face | None:
    return look()


def face_in(parts: PartMap) -> Face | None:
    """The one face of a part map, or None where the parts do not lie as in a face.

    Args:
        parts: of a square picture of SIDE pixels.
    """
    nose, mouth, eyes = (_middle(np.isin(parts, kinds)) for kinds in ((_NOSE,), (_MOUTH,), _EYES))
    if nose is None or mouth is None or eyes is None:
        return None
    reach = mouth[1] - eyes[1]
    upright = 0.08 * SIDE < reach < 0.6 * SIDE and eyes[1] < nose[1] < mouth[1]
    straight = abs(mouth[0] - eyes[0]) < 0.6 * reach and abs(nose[0] - (mouth[0] + eyes[0]) / 2) < 0.5 * reach
    if not (upright and straight):
        return None
    rows, columns = np.nonzero(np.isin(parts, _FACE))
    near = (np.abs(rows - nose[1]) < 1.6 * reach) & (np.abs(columns - nose[0]) < 1.4 * reach)
    if near.sum() < 0.5 * reach**2:
        return None
    # The outermost hundredth is specks.
    (left, right), (top, bottom) = (np.percentile(places[near], (1, 99)) for places in (columns, rows))
    wide, high = float(right - left + 1), float(bottom - top + 1)
    if not (_WIDE[0] < wide / reach < _WIDE[1] and _HIGH[0] < high / reach < _HIGH[1]):
        return None
    return Face(
        box=(float(left), float(top), wide, high),
        middle=((mouth[0] + eyes[0]) / 2, (mouth[1] + eyes[1]) / 2),
        reach=reach,
    )


def windows(shape: tuple[int, int], sizes: Sequence[float]) -> Iterator[tuple[int, int, int]]:
    """Squares that cover a frame of (height, width), as (x, y, side); sides as shares of the shorter side."""
    for size in sizes:
        side = int(min(shape) * size)
        if side < _LEAST_WINDOW:
            continue
        for y in _places(shape[0] - side, side):
            for x in _places(shape[1] - side, side):
                yield x, y, side


def _places(room: int, side: int) -> list[int]:
    count = 1 if room <= 0 else ceil(room / (_STEP * side)) + 1
    return [round(room * index / max(1, count - 1)) for index in range(count)]


def _middle(mask: Bool[np.ndarray, "rows columns"]) -> tuple[float, float] | None:
    """(x, y) of a part's median pixel; None where there is too little of it, or it is strewn about."""
    rows, columns = np.nonzero(mask)
    if rows.size < 0.0008 * mask.size or rows.std() > 0.1 * SIDE or columns.std() > 0.2 * SIDE:
        return None
    return float(np.median(columns)), float(np.median(rows))


def _expected(box: Box) -> Face:
    """A face as it was in the frame before: of its box's height the eyes and the mouth are not quite half apart."""
    x, y, wide, high = box
    return Face(box=box, middle=(x + wide / 2, y + 0.53 * high), reach=high / 2.15)


def _about(parser: Callable[[Pixels], PartMap], pixels: Pixels, face: Face) -> Face | None:
    height, width = pixels.shape[:2]
    side = max(1, min(round(_ABOUT * face.reach), height, width))
    x, y = (
        max(0, min(round(middle - side / 2), length - side))
        for middle, length in zip(face.middle, (width, height), strict=True)
    )
    return _in_window(parser, pixels, x, y, side)


def _in_window(parser: Callable[[Pixels], PartMap], pixels: Pixels, x: int, y: int, side: int) -> Face | None:
    face = face_in(parser(resize(np.ascontiguousarray(pixels[y : y + side, x : x + side]), SIDE, SIDE)))
    return None if face is None else face.moved(x, y, side / SIDE)


def _join(found: list[Face], face: Face | None) -> None:
    if face is not None and all(overlap(face.box, other.box) < _SAME for other in found):
        found.append(face)
