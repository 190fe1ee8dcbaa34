"""Average heatmaps as pictures: the mean with its standard error, and all sources on one sheet. No photograph is shown.

Both scales are fixed: P(fake) from 0 (blue) to 1 (red), and the standard error from 0 (white) to 0.1 (dark violet).
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from telltale.explain.average import Average
from telltale.explain.heatmaps import colour, legend
from telltale.explain.placement import Heatmap, Placed, scaled
from telltale.image import Pixels

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont
# The standard error at which its scale ends; half of that of the widest spread there is, over 25 pictures.
MOST_ERROR = 0.1
_LOW, _HIGH = np.array([252.0, 251.0, 253.0]), np.array([63.0, 0.0, 125.0])
_UNSEEN = 128
_PANEL = 256
_LINE = 16
_GAP = 10


def error_colour(error: Heatmap) -> Pixels:
    """The fixed scale of standard errors as RGB: white 0, dark violet 0.1 and more; grey where there is none."""
    share = np.clip(np.nan_to_num(error, nan=0.0) / MOST_ERROR, 0, 1)[..., None]
    mixed = np.rint(_LOW + (_HIGH - _LOW) * share)
    mixed[np.isnan(error)] = _UNSEEN
    return np.asarray(mixed.astype(np.uint8))


def error_legend(height: int) -> Pixels:
    """A vertical bar of the scale of standard errors; `height` of 96 or more."""
    board = Image.new("RGB", (76, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    ramp = np.linspace(MOST_ERROR, 0, height - 48, dtype=np.float32)[:, None].repeat(14, axis=1)
    board.paste(Image.fromarray(error_colour(ramp)), (8, 24))
    draw.text((8, 2), "std. error", "black", font)
    for value, text in ((1.0, f"{MOST_ERROR:g} +"), (0.5, f"{MOST_ERROR / 2:g}"), (0.0, "0")):
        draw.text((27, 24 + (1 - value) * (height - 49)), text, "black", font, anchor="lm")
    return np.asarray(board)


def average_picture(average: Average) -> Pixels:
    """Mean and standard error side by side with their legends, and the number of pictures above them."""
    mean, error = _panel(average.mean), _panel(average.standard_error)
    height = mean.shape[0]
    pieces = [colour(mean), legend(height), error_colour(error), error_legend(height)]
    row = np.hstack(pieces)
    whole, centre, rim = (average.parts[name].value for name in ("whole", "centre", "rim"))
    lines = (
        f"{named(average)}, n = {average.count}",
        f"mean P(fake) {whole:.3f}; middle half {centre:.3f}, rim {rim:.3f}",
    )
    board = Image.new("RGB", (row.shape[1] + 2 * _GAP, height + _GAP + 2 * _LINE + 12), "white")
    draw = ImageDraw.Draw(board)
    for index, text in enumerate(lines):
        draw.text((_GAP, 6 + _LINE * index), text, "black", ImageFont.load_default(12))
    board.paste(Image.fromarray(row), (_GAP, 2 * _LINE + 12))
    if average.count < 2:
        place = (_GAP + mean.shape[1] + 76 + 8, 2 * _LINE + 20)
        draw.text(place, "one picture: no standard error", "white", ImageFont.load_default(12))
    return np.asarray(board)


def sheet(averages: Sequence[Average], *, columns: int = 4, side: int = 160) -> Pixels:
    """The means of all sources, fakes first, with one legend.

    Args:
        averages: in the order they are shown; a new label begins a new row.
        columns: at most so many in a row.
        side: of each, pixels on the longer side.
    """
    rows = list(_rows(averages, columns))
    across = max(len(row) for row in rows)
    cell_width, cell_height = side + _GAP, side + 2 * _LINE + _GAP
    bar = legend(max(96, min(side, 200)))
    board = Image.new("RGB", (_GAP + across * cell_width + bar.shape[1], _GAP + len(rows) * cell_height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(12)
    for down, row in enumerate(rows):
        for right, average in enumerate(row):
            x, y = _GAP + right * cell_width, _GAP + down * cell_height
            for line, text in enumerate((_cut(average.source or "no source", side, font), _about(average))):
                draw.text((x, y + _LINE * line), text, "black", font)
            board.paste(Image.fromarray(colour(_panel(average.mean, side))), (x, y + 2 * _LINE))
    board.paste(Image.fromarray(bar), (board.width - bar.shape[1], _GAP + 2 * _LINE))
    return np.asarray(board)


def named(average: Average) -> str:
    """Source and label as titles have them."""
    return f"{average.source or 'no source'} ({average.label})"


def _about(average: Average) -> str:
    return f"{average.label}, n = {average.count}, mean {average.parts['whole'].value:.2f}"


def _rows(averages: Sequence[Average], columns: int) -> list[list[Average]]:
    found: list[list[Average]] = []
    for average in averages:
        if not found or len(found[-1]) == columns or found[-1][-1].label != average.label:
            found.append([])
        found[-1].append(average)
    return found


def _panel(heat: Heatmap, longest: int = _PANEL) -> Placed:
    """At the size it is drawn in."""
    scale = longest / max(heat.shape)
    return scaled(heat, max(1, round(heat.shape[0] * scale)), max(1, round(heat.shape[1] * scale)))


def _cut(text: str, width: int, font: Font) -> str:
    """As much of a text as fits, its beginning and its end: sources often differ in their last letters alone."""
    shown, kept = text, len(text)
    while font.getlength(shown) > width and kept > 2:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown
