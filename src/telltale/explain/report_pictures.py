"""The pictures of a report: those that tell most, each with its heatmap, small enough to lie inside the page."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import TelltaleError
from telltale.evaluate.scoring import strongest_window
from telltale.explain.heatmaps import overlay
from telltale.explain.report_rows import VerdictRow, informative
from telltale.image import Pixels, decode, resize
from telltale.pooling import sigmoid

# Pixels of the longer side of what lies in the page.
LONGEST = 512
# A PNG up to this many bytes is kept as it is; a larger one is made anew at most this wide.
_SMALL = 50_000
_CHART = 1600
_QUALITY = 82
# Scores differ in the last digits between engines; more, and the picture is not the one that was scored.
_CLOSE = 2e-3

_FILMS = "videos, of which telltale predict --heatmaps writes films and charts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture in the page, as data: addresses.

    Attributes:
        place: of its row.
        why: it was chosen.
        picture: the picture itself.
        heatmap: laid over it; "" where there is none.
    """

    place: int
    why: str
    picture: str
    heatmap: str = ""


@dataclass(slots=True, kw_only=True)
class Gallery:
    """What is shown.

    Attributes:
        shown: in the order of choice.
        left_out: how many pictures could not be shown, by the reason.
        without_heatmap: how many are shown without one, by the reason.
        candidates: pictures that have a score.
        placed: where the strongest patch of a shown picture lies: (P(fake), window), for rows that do not say it.
    """

    shown: list[Shown] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    without_heatmap: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    placed: dict[int, tuple[float, tuple[int, int, int, int]]] = field(default_factory=dict)


def gallery(
    rows: Sequence[VerdictRow],
    detectors: Mapping[str, Detector],
    *,
    count: int,
    root: Path,
    extremes: Iterable[Mapping[str, Any]] = (),
    visit: Callable[[], None] | None = None,
) -> Gallery:
    """Choose pictures, score them again, draw them.

    A picture is shown only where it still is the one that was scored: of the same size or, where the hash is known, of
    the same bytes, and with the same score where its detector is at hand.

    Args:
        rows: what was said of which pictures.
        detectors: by the sha256 of their weights.
        count: at most so many pictures.
        root: where relative paths begin.
        extremes: rows of `extremes.csv`, whose pictures come first.
        visit: called after each picture that was tried.
    """
    found = Gallery()
    ranked = informative(rows, extremes)
    order = [(place, why) for place, why in ranked if not rows[place].is_video]
    found.candidates = len(order)
    if count and len(order) < len(ranked):
        found.left_out[_FILMS] = len(ranked) - len(order)
    # Where files are gone, trying every one of a million rows would take hours and show nothing.
    for place, why in order[: 4 * count]:
        if len(found.shown) == count:
            break
        row = rows[place]
        try:
            found.shown.append(_drawn(place, why, row, detectors.get(row.weights), root, found))
        except TelltaleError as error:
            found.left_out[_short(error)] += 1
        if visit is not None:
            visit()
    return found


def _short(error: TelltaleError) -> str:
    """A reason that many pictures share: without their names."""
    return str(error.args[0]) if isinstance(error, _AnotherPicture) else "not there any more, or not readable"


class _AnotherPicture(TelltaleError):
    """A file that is not what was scored."""

    def __init__(self, reason: str) -> None:
        Exception.__init__(self, reason)


def _drawn(place: int, why: str, row: VerdictRow, detector: Detector | None, root: Path, found: Gallery) -> Shown:
    pixels = _pixels(row, root)
    picture = inline(_within(pixels, LONGEST))
    if detector is None:
        found.without_heatmap["their detector is not at hand: name it with --detector"] += 1
        return Shown(place=place, why=why, picture=picture)
    prediction = detector(pixels)
    if row.score is not None and not _agrees(prediction.score, row.score):
        raise _AnotherPicture("changed since, or scored by another engine: their score is another today")
    if detector.spec.grid is None:
        found.without_heatmap["a whole-image baseline has no heatmap"] += 1
        return Shown(place=place, why=why, picture=picture)
    peak = float(sigmoid(prediction.patch_logits.max(keepdims=True)).item())
    found.placed[place] = peak, strongest_window(detector, prediction, (pixels.shape[0], pixels.shape[1]))
    heat = overlay(pixels, prediction, detector, longest=LONGEST)
    return Shown(place=place, why=why, picture=picture, heatmap=inline(heat))


def _agrees(score: float, earlier: float) -> bool:
    return abs(score - earlier) <= _CLOSE


def _pixels(row: VerdictRow, root: Path) -> Pixels:
    data = Sample(path=root / row.path).read()
    if row.image_sha256 and sha256(data).hexdigest() != row.image_sha256:
        raise _AnotherPicture("changed since: other bytes")
    pixels = decode(data, name=row.path)
    if row.shape is not None and pixels.shape[:2] != row.shape:
        raise _AnotherPicture("changed since: another size")
    return pixels


def _within(pixels: Pixels, longest: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    return resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def inline(pixels: np.ndarray) -> str:
    """Pixels as a data: address of a WebP file, which every browser of today reads."""
    return _address(Image.fromarray(pixels), "WEBP", quality=_QUALITY)


def inline_file(path: Path) -> str:
    """A PNG file as a data: address; a large one is scaled down, and made anew with slight losses.

    Raises:
        UndecodableImage: not a picture.
    """
    data = Sample(path=path).read()
    pixels = decode(data, name=str(path))
    # Whatever else a file may be, what the page calls a PNG is one.
    if len(data) <= _SMALL and data.startswith(b"\x89PNG\r\n\x1a\n"):
        return f"data:image/png;base64,{b64encode(data).decode()}"
    return inline(_within(pixels, _CHART))


def _address(picture: Image.Image, kind: str, *, quality: int) -> str:
    stream = BytesIO()
    picture.save(stream, kind, quality=quality)
    return f"data:image/{kind.lower()};base64,{b64encode(stream.getvalue()).decode()}"
