"""P(fake) on the pixel grid, on one fixed 0-1 scale: blue = real, red = fake.

The paper's released heatmaps are stretched one by one, so that colours of two images cannot be compared; these are not.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from telltale.detector import Detector, PatchLogits, Prediction
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Resized, resize
from telltale.pooling import sigmoid

Heatmap: TypeAlias = Float32[np.ndarray, "height width"]

# ColorBrewer's RdBu (Apache-2.0), reversed: 0 blue, 0.5 near white, 1 red.
_SCALE = np.array(
    [[33, 102, 172], [67, 147, 195], [146, 197, 222], [247, 247, 247], [244, 165, 130], [214, 96, 77], [178, 24, 43]],
    np.float32,
)
_LEGEND_WIDTH = 76


def heatmap(patch_logits: PatchLogits, grid: PatchGrid, shape: tuple[int, int], *, step: int = 1) -> Heatmap:
    """P(fake) per pixel: each pixel averages the probabilities of the patches whose receptive field holds it.

    Args:
        patch_logits: log-odds per patch.
        grid: where the patches lie.
        shape: (height, width) of the prepared image.
        step: one value for every `step` x `step` pixels, to keep large pictures small: the average over the patches
            that hold any of them.

    Returns:
        float32 in [0, 1], (ceil(height / step), ceil(width / step)); NaN where no patch looks.

    Raises:
        InvalidConfig: patch log-odds of another shape than the grid gives for `shape`, or a step below 1.
    """
    expected = (grid.count(shape[0]), grid.count(shape[1]))
    if patch_logits.shape != expected or step < 1:
        raise InvalidConfig(
            expected=f"patch log-odds of shape {expected}, as the grid gives for {shape}, and a step of 1 or more",
            found=f"shape {patch_logits.shape}, step {step}",
            do="Give the shape of the prepared image, as the prediction holds it.",
        )
    height, width = (-(-length // step) for length in shape)
    total: NDArray[np.float64] = sigmoid(patch_logits.astype(np.float64))
    seen: NDArray[np.float64] = np.ones(patch_logits.shape)
    for axis, (length, full) in enumerate(((height, shape[0]), (width, shape[1]))):
        total = _spread(total, grid, length, full, step, axis)
        seen = _spread(seen, grid, length, full, step, axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(seen > 0.5, total / seen, np.nan)
    return np.clip(mean, 0.0, 1.0).astype(np.float32)


def _spread(
    values: NDArray[np.float64],
    grid: PatchGrid,
    length: int,
    full: int,
    step: int,
    axis: int,
) -> NDArray[np.float64]:
    """Sum each patch into the pixels of its window along one axis: a step up where it begins, down where it ends."""
    moved = np.moveaxis(values, axis, 0)
    edges = np.zeros((length + 1, *moved.shape[1:]))
    windows = [grid.window(index, full) for index in range(moved.shape[0])]
    np.add.at(edges, [window.start // step for window in windows], moved)
    np.add.at(edges, [max(-(-window.stop // step), window.start // step) for window in windows], -moved)
    summed: NDArray[np.float64] = np.cumsum(edges, axis=0)[:length]
    return np.asarray(np.moveaxis(summed, 0, axis))


def colour(heat: Heatmap) -> Pixels:
    """The fixed scale as RGB: 0 blue, 0.5 near white, 1 red; grey where no patch looks."""
    place = np.nan_to_num(heat, nan=0.5) * (len(_SCALE) - 1)
    low = np.clip(place.astype(np.int64), 0, len(_SCALE) - 2)
    share = (place - low)[..., None]
    mixed = _SCALE[low] * (1 - share) + _SCALE[low + 1] * share
    mixed[np.isnan(heat)] = 128
    rounded: NDArray[np.uint8] = np.rint(mixed).astype(np.uint8)
    return rounded


def overlay(
    pixels: Pixels, prediction: Prediction, detector: Detector, *, strength: float = 0.55, longest: int = 1024
) -> Resized:
    """The picture with its heatmap laid over it, and the legend of the fixed scale beside it.

    Args:
        pixels: the decoded picture, before preparation.
        prediction: what `detector` says of it.
        detector: where its patches lie and how it prepares pictures.
        strength: opacity of the heatmap, 0 to 1.
        longest: the longer side of the drawing, pixels; larger pictures are scaled down.

    Returns:
        RGB pixels; parts that the detector did not look at stay uncoloured.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    if detector.spec.grid is None:
        raise UnsuitableImage(
            expected="a detector with patches",
            found=f"the whole-image baseline {detector.spec.name}",
            do="Choose a truncated detector, such as one of architecture xception_block2.",
        )
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    canvas = resize(pixels, max(1, round(height * scale)), max(1, round(width * scale))).astype(np.float32)
    step = max(1, max(prediction.shape) // longest)
    heat = heatmap(prediction.patch_logits, detector.spec.grid, prediction.shape, step=step)
    rows, columns = detector.spec.preparation.window((height, width))
    top, bottom, left, right = (round(edge * scale) for edge in (rows.start, rows.stop, columns.start, columns.stop))
    bottom, right = min(max(bottom, top + 1), canvas.shape[0]), min(max(right, left + 1), canvas.shape[1])
    tint = resize(colour(heat), bottom - top, right - left, "bilinear")
    seen = np.repeat(np.isfinite(heat)[:, :, None] * np.uint8(255), 3, axis=2)
    opacity = resize(seen, bottom - top, right - left, "bilinear") * np.float32(strength / 255)
    region = canvas[top:bottom, left:right]
    canvas[top:bottom, left:right] = region * (1 - opacity) + tint * opacity
    return np.hstack([np.rint(canvas).astype(np.uint8), legend(canvas.shape[0])])


def legend(height: int) -> Pixels:
    """A vertical bar of the fixed scale: 1 fake (red) at the top, 0 real (blue) at the bottom."""
    board = Image.new("RGB", (_LEGEND_WIDTH, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    margin = min(24, height // 4)
    ramp = np.linspace(1, 0, max(1, height - 2 * margin), dtype=np.float32)[:, None].repeat(14, axis=1)
    board.paste(Image.fromarray(colour(ramp)), (8, margin))
    if height >= 96:
        for value, text in ((1.0, "1 fake"), (0.5, "0.5"), (0.0, "0 real")):
            draw.text((27, margin + (1 - value) * (ramp.shape[0] - 1)), text, "black", font, anchor="lm")
        draw.text((8, 2), "P(fake)", "black", font)
    return np.asarray(board)
