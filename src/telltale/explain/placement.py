"""P(fake) as numbers on the pixel grid: which patches answer for a pixel.

Two placements. `mean`: a pixel averages the probabilities of all patches whose receptive field holds it. `nearest`: it
has the probability of the one patch whose centre lies nearest, which shows the single patches.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray
from PIL import Image

from telltale.detector import PatchLogits
from telltale.errors import InvalidConfig
from telltale.geometry import PatchGrid
from telltale.pooling import sigmoid

Heatmap: TypeAlias = Float32[np.ndarray, "height width"]
# The same, where a function takes a heatmap of one size and returns another.
Placed: TypeAlias = Float32[np.ndarray, "new_height new_width"]
Placement = Literal["mean", "nearest"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)

# Rows of pixels that are averaged at a time, so that a large map needs little more memory than itself.
_BAND = 256


def heatmap(
    patch_logits: PatchLogits,
    grid: PatchGrid,
    shape: tuple[int, int],
    *,
    step: int = 1,
    placement: Placement = "mean",
) -> Heatmap:
    """P(fake) per pixel of the prepared image.

    Args:
        patch_logits: log-odds per patch.
        grid: where the patches lie.
        shape: (height, width) of the prepared image.
        step: one value for every `step` x `step` pixels, to keep large pictures small: of all patches that hold any of
            them ("mean"), or of the patch nearest their middle ("nearest").
        placement: "mean", the average over the patches whose receptive field holds the pixel; "nearest", the patch
            whose centre is nearest, of two the one above or to the left.

    Returns:
        float32 in [0, 1], (ceil(height / step), ceil(width / step)); NaN where no patch looks, whatever the placement.

    Raises:
        InvalidConfig: patch log-odds of another shape than the grid gives for `shape`, a step below 1, or an unknown
            placement.
    """
    _check(patch_logits, grid, shape, step, placement)
    probability: NDArray[np.float64] = sigmoid(patch_logits.astype(np.float64))
    rows, columns = (_Axis(grid, length, step) for length in shape)
    if not probability.size:
        return np.full((rows.length, columns.length), np.nan, np.float32)
    if placement == "nearest":
        found: NDArray[np.float32] = probability.astype(np.float32)[np.ix_(rows.nearest, columns.nearest)]
        found[~rows.seen] = np.nan
        found[:, ~columns.seen] = np.nan
        return found
    whole = np.full((rows.length, columns.length), np.nan, np.float32)
    averaged = rows.averaged(probability)
    for first in range(0, rows.length, _BAND):
        band = slice(first, first + _BAND)
        whole[band] = np.clip(columns.averaged(averaged[band].T).T, 0.0, 1.0)
    return whole


def _check(patch_logits: PatchLogits, grid: PatchGrid, shape: tuple[int, int], step: int, placement: str) -> None:
    expected = (grid.count(shape[0]), grid.count(shape[1]))
    if patch_logits.shape != expected or step < 1:
        raise InvalidConfig(
            expected=f"patch log-odds of shape {expected}, as the grid gives for {shape}, and a step of 1 or more",
            found=f"shape {patch_logits.shape}, step {step}",
            do="Give the shape of the prepared image, as the prediction holds it.",
        )
    check_placement(placement)


def check_placement(placement: str) -> Placement:
    """The word as a placement; raises InvalidConfig for an unknown one."""
    for known in get_args(Placement):
        if placement == known:
            return known  # type: ignore[no-any-return]
    raise InvalidConfig(expected=f"a placement out of {', '.join(PLACEMENTS)}", found=repr(placement), do="Choose one.")


class _Axis:
    """One axis of the pixel grid, in blocks of `step` pixels: the average over patches is separable."""

    def __init__(self, grid: PatchGrid, full: int, step: int) -> None:
        self.length = -(-full // step)
        windows = [grid.window(index, full) for index in range(grid.count(full))]
        self._starts = np.array([window.start // step for window in windows], np.int64)
        stops = np.array([-(-window.stop // step) for window in windows], np.int64)
        # A window that lies in the padding alone holds no pixel.
        self._stops = np.maximum(stops, self._starts)
        self._held = self._summed(np.ones(len(windows)))
        self.seen: NDArray[np.bool_] = self._held > 0.5
        self.nearest = _nearest(grid, full, step, self.length)

    def averaged(self, values: Float64[np.ndarray, "patches others"]) -> Float64[np.ndarray, "length others"]:
        """Along the first axis; NaN where no patch looks."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.seen[:, None], self._summed(values) / self._held[:, None], np.nan)

    def _summed(self, values: Float64[np.ndarray, "patches ..."]) -> Float64[np.ndarray, "length ..."]:
        """The sum of the patches that hold each block: a step up where a window begins, down where it ends."""
        edges = np.zeros((self.length + 1, *values.shape[1:]))
        np.add.at(edges, self._starts, values)
        np.subtract.at(edges, self._stops, values)
        return np.cumsum(edges, axis=0, out=edges)[: self.length]


def _nearest(grid: PatchGrid, full: int, step: int, length: int) -> Int64[np.ndarray, "length"]:
    """The patch whose centre is nearest the middle of each block, in integers: twice the distance, rounded down."""
    first = np.arange(length) * step
    last = np.minimum(first + step, full) - 1
    twice = first + last - (2 * grid.start + grid.size - 1)
    found = -((grid.stride - twice) // (2 * grid.stride))
    return np.asarray(np.clip(found, 0, max(0, grid.count(full) - 1)))


def scaled(heat: Heatmap, height: int, width: int, *, smooth: bool = True) -> Placed:
    """A heatmap at another size; NaN where most of what a pixel shows is NaN.

    Args:
        heat: P(fake), or NaN.
        height, width: of the result, 1 or more.
        smooth: linear between values, averaged where it shrinks; otherwise the nearest value.
    """
    if heat.shape == (height, width):
        return heat
    way = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    seen = np.isfinite(heat)
    if not smooth or seen.all():
        return np.asarray(Image.fromarray(heat).resize((width, height), way))
    weight = np.asarray(Image.fromarray(seen.astype(np.float32)).resize((width, height), way))
    total = np.asarray(Image.fromarray(np.where(seen, heat, np.float32(0))).resize((width, height), way))
    mostly = weight >= 0.5
    return np.where(mostly, total / np.where(mostly, weight, 1), np.float32(np.nan)).astype(np.float32)


def laid_on(
    heat: Heatmap, window: tuple[slice, slice], shape: tuple[int, int], canvas: tuple[int, int], *, smooth: bool = True
) -> Placed:
    """A heatmap of the prepared image, placed on the picture it was prepared from; NaN outside of what was prepared.

    Args:
        heat: of the prepared image, at any step.
        window: (rows, columns) of the picture that the prepared image shows, from `Preparation.window`.
        shape: (height, width) of the picture.
        canvas: (height, width) at which the picture is drawn.
        smooth: as for `scaled`.
    """
    (top, bottom), (left, right) = (
        _drawn(edges, full, length) for edges, full, length in zip(window, shape, canvas, strict=True)
    )
    part = scaled(heat, bottom - top, right - left, smooth=smooth)
    if part.shape == canvas:
        return part
    found = np.full(canvas, np.nan, np.float32)
    found[top:bottom, left:right] = part
    return found


def _drawn(window: slice, full: int, length: int) -> tuple[int, int]:
    """The pixels of the canvas along one axis; at least one."""
    first = min(round(window.start * length / full), length - 1)
    return first, min(max(round(window.stop * length / full), first + 1), length)
