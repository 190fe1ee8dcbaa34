"""The surest patches of a data set: collected in a stream, as a table, and as pictures cut from the originals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate.scoring import Failure, Score
from telltale.explain.patches import Strongest, TopPatch, top_patches
from telltale.image import MAX_PIXELS, Pixels, Resized, resize

# Which patches are the surest: those that look most like the picture's own label, or one of the two.
Towards = Literal["own", "fake", "real"]
TOWARDS: tuple[Towards, ...] = ("own", "fake", "real")
# (source, is_fake): a source without a name is "".
Kind: TypeAlias = tuple[str, bool | None]

COLUMNS = {
    "path": "string",
    "source": "string",
    "is_fake": "bool_",
    "rank": "int64",
    "row": "int64",
    "column": "int64",
    "x": "int64",
    "y": "int64",
    "width": "int64",
    "height": "int64",
    "log_odds": "float64",
}
FAILURE_COLUMNS = {"path": "string", "source": "string", "is_fake": "bool_", "error": "string"}

_GAP, _CAPTION, _TITLE = 6, 14, 36
_PAPER, _CELL, _INK = (255, 255, 255), (232, 232, 232), (0, 0, 0)


@dataclass(slots=True, kw_only=True)
class Collected:
    """The surest patches of each source and label.

    Attributes:
        kinds: source and label -> what was kept.
        scored: source and label -> how many pictures were looked at.
        failures: pictures that could not be scored.
    """

    kinds: dict[Kind, Strongest] = field(default_factory=dict)
    scored: dict[Kind, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def collect(
    detector: Detector,
    records: Iterable[Score | Failure],
    *,
    count: int,
    unique: bool = True,
    towards: Towards = "own",
    visit: Callable[[], None] | None = None,
) -> Collected:
    """Keep the surest patches of each source and label while scores stream past, in memory for these alone.

    Args:
        detector: that made the scores.
        records: from `score_files`, in order.
        count: patches to keep of each source and label, 1 or more.
        unique: at most one of each picture.
        towards: "own": the most fake-looking patches of fakes and of pictures without a label, and the most
            real-looking ones of reals; "fake" or "real": these, whatever the label.
        visit: called after each record.

    Raises:
        InvalidConfig: a count below 1.
        UnsuitableImage: a whole-image baseline, which has no patches.
    """
    found = Collected()
    for order, record in enumerate(records):
        if isinstance(record, Failure):
            found.failures.append(record)
        else:
            _add(found, detector, record, order, count, unique, towards)
        if visit is not None:
            visit()
    return found


def _add(
    found: Collected, detector: Detector, score: Score, order: int, count: int, unique: bool, towards: Towards
) -> None:
    kind = score.sample.source, score.sample.is_fake
    real = towards == "real" or (towards == "own" and score.sample.is_fake is False)
    kept = found.kinds.setdefault(kind, Strongest(count=count, unique=unique, real=real))
    patches = top_patches(
        score.prediction, detector, score.sample, score.shape, count=1 if unique else count, real=real
    )
    kept.add(order, patches)
    found.scored[kind] = found.scored.get(kind, 0) + 1


def rows(found: Collected) -> Iterator[dict[str, Any]]:
    """Rows of `patches.parquet`, by source and label, the surest first; columns as `COLUMNS`."""
    for kind, kept in in_order(found):
        for rank, patch in enumerate(kept.best(), start=1):
            x, y, width, height = patch.window
            values = (kind[0], kind[1], rank, patch.row, patch.column, x, y, width, height, patch.log_odds)
            yield dict(zip(COLUMNS, (str(patch.sample.path), *values), strict=True))


def failure_rows(failures: Iterable[Failure]) -> Iterator[dict[str, Any]]:
    """A row for each picture that could not be scored, in order; columns as `FAILURE_COLUMNS`."""
    for failure in failures:
        sample = failure.sample
        values = (str(sample.path), sample.source, sample.is_fake, failure.error)
        yield dict(zip(FAILURE_COLUMNS, values, strict=True))


def in_order(found: Collected) -> list[tuple[Kind, Strongest]]:
    """What was kept, by source, and then pictures without a label, reals, fakes."""
    return sorted(found.kinds.items(), key=lambda one: (one[0][0], -1 if one[0][1] is None else int(one[0][1])))


def counted(number: int, word: str) -> str:
    """1 patch, 2 patches."""
    return f"{number} {word}{'' if number == 1 else 'es' if word.endswith('ch') else 's'}"


def title(kind: Kind, count: int, pictures: int, kept: Strongest) -> str:
    """What a picture of patches shows, in words."""
    which = "real" if kept.real else "fake"
    how = "one of each picture" if kept.unique else "of all patches"
    return (
        f"{kind[0] or 'unknown source'}, {label_word(kind[1])}: the {counted(count, 'patch')} that "
        f"{'looks' if count == 1 else 'look'} most {which}, {how}, of {counted(pictures, 'picture')}"
    )


def label_word(is_fake: bool | None) -> str:
    """What a label is called in titles and file names."""
    return "unlabelled" if is_fake is None else "fake" if is_fake else "real"


def contact_sheet(
    patches: Sequence[TopPatch], title: str, *, columns: int = 10, cell: int = 128, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """A grid of patches in reading order, each cut from its picture as it was decoded.

    A patch smaller than a cell is enlarged by a whole factor, pixel by pixel; a larger one is scaled down. Below each
    stand its log-odds and the factor. The pictures are opened again, one at a time.

    Args:
        patches: the surest first; at least one.
        title: above the grid.
        columns: of the grid.
        cell: side of a cell, pixels.
        max_pixels: limit for decoding.

    Raises:
        InvalidConfig: no patches, or columns or cells below 1 and 16.
        UndecodableImage: a picture is no longer there.
    """
    if not patches or columns < 1 or cell < 16:
        raise InvalidConfig(
            expected="at least one patch and column, and cells of at least 16 px",
            found=f"{len(patches)} patches, {columns} columns, cells of {cell} px",
            do="Correct the numbers.",
        )
    columns = min(columns, len(patches))
    note = f"{columns} columns, cells of {cell} px. Below each: log-odds of fake, xn enlarged n times, 1:n reduced"
    page, draw = _page(len(patches), columns, cell, (title, note))
    font = ImageFont.load_default(10)
    for number, cut in _cuts(patches, max_pixels):
        left = _GAP + number % columns * (cell + _GAP)
        top = _TITLE + number // columns * (cell + _CAPTION + _GAP)
        fitted, factor = fit(cut, cell)
        high, wide = fitted.shape[:2]
        draw.rectangle((left, top, left + cell - 1, top + cell - 1), _CELL)
        page.paste(Image.fromarray(fitted), (left + (cell - wide) // 2, top + (cell - high) // 2))
        draw.text((left, top + cell + 2), f"{patches[number].log_odds:+.1f}  {factor}", _INK, font)
    return np.asarray(page)


def _page(count: int, columns: int, cell: int, lines: Sequence[str]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty page wide enough for its lines."""
    font = ImageFont.load_default(11)
    shown = ["".join(letter if letter.isprintable() else "?" for letter in line) for line in lines]
    text_width = max(int(font.getlength(line)) for line in shown) + 2 * _GAP
    width = max(_GAP + columns * (cell + _GAP), text_width)
    height = _TITLE + -(-count // columns) * (cell + _CAPTION + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(shown):
        draw.text((_GAP, 4 + 14 * number), line, _INK, font)
    return page, draw


def _cuts(patches: Sequence[TopPatch], max_pixels: int) -> Iterator[tuple[int, Resized]]:
    """Number and pixels of each patch, picture by picture, so that each is decoded once."""
    by_picture: dict[int, tuple[Sample, list[int]]] = {}
    for number, patch in enumerate(patches):
        by_picture.setdefault(id(patch.sample), (patch.sample, []))[1].append(number)
    for sample, numbers in by_picture.values():
        pixels = sample.pixels(max_pixels)
        for number in numbers:
            x, y, width, height = patches[number].window
            yield number, pixels[y : y + height, x : x + width]


def png(pixels: Pixels) -> bytes:
    """The file's bytes."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def fit(
    cut: UInt8[np.ndarray, "height width 3"], cell: int
) -> tuple[UInt8[np.ndarray, "shown_height shown_width 3"], str]:
    """The patch as large as a cell allows, and by what factor: whole ones only where it is enlarged."""
    side = max(cut.shape[:2])
    if side <= cell:
        factor = cell // side
        return cut.repeat(factor, axis=0).repeat(factor, axis=1), f"x{factor}"
    height, width = (max(1, round(length * cell / side)) for length in cut.shape[:2])
    return resize(cut, height, width), f"1:{side / cell:.2g}"


def sheet_name(kind: Kind, taken: Iterable[str]) -> str:
    """A file name for a source and label that every file system takes, unlike those taken already."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in kind[0])
    stem = f"patches-{plain[:80] or 'unknown'}-{label_word(kind[1])}"
    used, name, number = set(taken), f"{stem}.png", 2
    while name.lower() in {other.lower() for other in used}:
        name, number = f"{stem}-{number}.png", number + 1
    return name
