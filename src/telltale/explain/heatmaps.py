"""Heatmaps as pictures, on one fixed 0-1 scale of P(fake): blue = real, red = fake.

The paper's released heatmaps are stretched one by one, so that colours of two images cannot be compared; these are not.
`telltale.explain.placement` holds the numbers behind them.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from telltale.detector import Detector, Prediction
from telltale.errors import UnsuitableImage
from telltale.explain.placement import Heatmap, Placed, Placement, heatmap, laid_on
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Resized, resize

__all__ = [
    "LEAST_LEGEND", "LEVELS", "Heatmap", "beside", "colour", "contour", "contour_legend", "grid_of", "heatmap",
    "legend", "overlaid", "overlay", "side_by_side",
]  # fmt: skip

# ColorBrewer's RdBu (Apache-2.0), reversed: 0 blue, 0.5 near white, 1 red.
_SCALE = np.array(
    [[33, 102, 172], [67, 147, 195], [146, 197, 222], [247, 247, 247], [244, 165, 130], [214, 96, 77], [178, 24, 43]],
    np.float32,
)
_UNSEEN = 128
_LEGEND_WIDTH = 76
# Below this there is no room for what the colours mean.
LEAST_LEGEND = 64
# Lines of equal P(fake), and the colour of each: light at 0.5, dark red at 0.9.
LEVELS = (0.5, 0.9)
_LINES = ((255, 255, 255), (178, 24, 43))
_HALOES = ((0, 0, 0), (255, 255, 255))
# Colours are looked up: finer than one step of an 8-bit colour, and the entry behind the last is "unseen".
_STEPS = 2048


def _lookup() -> UInt8[np.ndarray, "entries 3"]:
    place = np.linspace(0, len(_SCALE) - 1, _STEPS + 1)
    channels = [np.interp(place, np.arange(len(_SCALE)), channel) for channel in _SCALE.T]
    colours: NDArray[np.float64] = np.vstack([np.stack(channels, axis=1), [[_UNSEEN] * 3]])
    return np.asarray(np.rint(colours).astype(np.uint8))


_LOOKUP = _lookup()


def colour(heat: Heatmap) -> Pixels:
    """The fixed scale as RGB: 0 blue, 0.5 near white, 1 red; grey where no patch looks."""
    place = np.where(np.isnan(heat), np.float32(_STEPS + 1), heat * np.float32(_STEPS) + np.float32(0.5))
    return np.take(_LOOKUP, np.clip(place, 0, _STEPS + 1).astype(np.intp), axis=0)


def grid_of(detector: Detector) -> PatchGrid:
    """Where a detector's patches lie.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    if detector.spec.grid is None:
        raise UnsuitableImage(
            expected="a detector with patches",
            found=f"the whole-image baseline {detector.spec.name}",
            do="Choose a truncated detector, such as one of architecture xception_block2.",
        )
    return detector.spec.grid


def overlay(
    pixels: Pixels,
    prediction: Prediction,
    detector: Detector,
    *,
    strength: float = 0.55,
    longest: int = 1024,
    placement: Placement = "mean",
) -> Resized:
    """The picture with its heatmap laid over it, and the legend of the fixed scale beside it.

    Args:
        pixels: the decoded picture, before preparation.
        prediction: what `detector` says of it.
        detector: where its patches lie and how it prepares pictures.
        strength: opacity of the heatmap, 0 to 1.
        longest: the longer side of the drawing, pixels; larger pictures are scaled down.
        placement: as for `heatmap`.

    Returns:
        RGB pixels; parts that the detector did not look at stay uncoloured.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    drawn = overlaid(pixels, prediction, detector, strength=strength, longest=longest, placement=placement)
    return beside(drawn, legend)


def overlaid(
    pixels: Pixels,
    prediction: Prediction,
    detector: Detector,
    *,
    strength: float = 0.55,
    longest: int = 1024,
    placement: Placement = "mean",
) -> Resized:
    """As `overlay`, without the legend: for pages that show one legend for all."""
    canvas, heat = _canvas(pixels, prediction, detector, longest, placement)
    mixed = np.asarray(Image.blend(Image.fromarray(canvas), Image.fromarray(colour(heat)), strength))
    seen = np.isfinite(heat)
    return mixed if seen.all() else np.where(seen[:, :, None], mixed, canvas)


def side_by_side(
    pixels: Pixels,
    prediction: Prediction,
    detector: Detector,
    *,
    longest: int = 1024,
    placement: Placement = "mean",
) -> Resized:
    """Picture, heatmap and legend in a row; grey where the detector did not look.

    Args:
        pixels, prediction, detector, placement: as for `overlay`.
        longest: the longer side of each of the two drawings, pixels.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    canvas, heat = _canvas(pixels, prediction, detector, longest, placement)
    gap = np.full((canvas.shape[0], 4, 3), 255, np.uint8)
    return beside(np.hstack([canvas, gap, colour(heat)]), legend)


def contour(
    pixels: Pixels,
    prediction: Prediction,
    detector: Detector,
    *,
    longest: int = 1024,
    placement: Placement = "mean",
) -> Resized:
    """The picture with lines of equal P(fake) at 0.5 and 0.9, and what the lines mean beside it.

    There is no line along the border of what the detector looked at: nothing is equal there.

    Args:
        pixels, prediction, detector, longest, placement: as for `overlay`.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    canvas, heat = _canvas(pixels, prediction, detector, longest, placement)
    drawn = canvas.copy()
    for level, line, halo in zip(LEVELS, _LINES, _HALOES, strict=True):
        edge = _crossings(heat, level)
        drawn[_thickened(edge)] = halo
        drawn[edge] = line
    return beside(drawn, contour_legend)


def _canvas(
    pixels: Pixels, prediction: Prediction, detector: Detector, longest: int, placement: Placement
) -> tuple[Resized, Placed]:
    """The picture at the size it is drawn in, and P(fake) for each of its pixels."""
    grid = grid_of(detector)
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    canvas = resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
    step = max(1, max(prediction.shape) // longest)
    heat = heatmap(prediction.patch_logits, grid, prediction.shape, step=step, placement=placement)
    window = detector.spec.preparation.window((height, width))
    smooth = placement == "mean"
    return canvas, laid_on(heat, window, (height, width), (canvas.shape[0], canvas.shape[1]), smooth=smooth)


def _crossings(heat: Heatmap, level: float) -> NDArray[np.bool_]:
    """Pixels between which P(fake) passes `level`, on both sides of it; never beside a pixel that was not seen."""
    above, seen = heat >= level, np.isfinite(heat)
    edge = np.zeros(heat.shape, bool)
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        passes = (above[here] != above[there]) & seen[here] & seen[there]
        edge[here] |= passes
        edge[there] |= passes
    return edge


def _thickened(edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same and every pixel beside it."""
    found = edge.copy()
    found[1:] |= edge[:-1]
    found[:-1] |= edge[1:]
    across = found.copy()
    across[:, 1:] |= found[:, :-1]
    across[:, :-1] |= found[:, 1:]
    return across


def beside(drawn: Pixels, bar: Callable[[int], Pixels]) -> Resized:
    """A drawing with its legend at the right; white below one too low for a legend that can be read.

    Args:
        drawn: RGB.
        bar: `legend` or `contour_legend`.
    """
    below = max(0, LEAST_LEGEND - drawn.shape[0])
    padded = np.pad(drawn, ((0, below), (0, 0), (0, 0)), constant_values=255)
    return np.hstack([padded, bar(padded.shape[0])])


def legend(height: int) -> Pixels:
    """A vertical bar of the fixed scale: 1 fake (red) at the top, 0 real (blue) at the bottom."""
    board = Image.new("RGB", (_LEGEND_WIDTH, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    margin = min(24, height // 4)
    ramp = np.linspace(1, 0, max(1, height - 2 * margin), dtype=np.float32)[:, None].repeat(14, axis=1)
    board.paste(Image.fromarray(colour(ramp)), (8, margin))
    if height >= 48:
        for value, text in ((1.0, "1 = fake"), (0.5, "0.5"), (0.0, "0 = real")):
            draw.text((27, margin + (1 - value) * (ramp.shape[0] - 1)), text, "black", font, anchor="lm")
    if height >= 96:
        draw.text((8, 2), "P(fake)", "black", font)
    return np.asarray(board)


def contour_legend(height: int) -> Pixels:
    """A short piece of each line, as it is drawn, with its P(fake); the upper line is the higher value."""
    board = Image.new("RGB", (_LEGEND_WIDTH, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    top = 24 if height >= 64 else 2
    if height >= 64:
        draw.text((8, 2), "P(fake)", "black", font)
    for index, place in enumerate(reversed(range(len(LEVELS)))):
        y = top + 8 + 18 * index
        # On grey, where a light line and its dark rim both show.
        draw.rectangle((6, y - 7, 26, y + 7), (_UNSEEN,) * 3)
        draw.rectangle((6, y - 2, 26, y + 1), _HALOES[place])
        draw.rectangle((6, y - 1, 26, y), _LINES[place])
        draw.text((32, y), f"{LEVELS[place]:g}", "black", font, anchor="lm")
    return np.asarray(board)
