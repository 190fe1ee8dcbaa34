"""A heatmap on disk: a drawing, or the numbers themselves."""

from collections.abc import Callable
from os import getpid
from pathlib import Path
from threading import get_ident
from typing import BinaryIO, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import UInt16
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig
from telltale.explain.heatmaps import contour, grid_of, overlay, side_by_side
from telltale.explain.placement import Heatmap, Placement, heatmap
from telltale.image import Pixels

Kind = Literal["overlay", "side-by-side", "contour", "raw-npy", "raw-png"]
KINDS: tuple[str, ...] = get_args(Kind)
Draw: TypeAlias = Callable[..., Pixels]

_DRAWINGS: dict[str, Draw] = {"overlay": overlay, "side-by-side": side_by_side, "contour": contour}
_FULL = 65535
# Level 1 takes a quarter of the time of the usual 6 and makes files a sixth larger: drawing must not outlast scoring.
_QUICK = 1
_MEANING = "P(fake) = value / 65535; 0 (transparent): no patch looks there"


def ending(kind: str) -> str:
    """Of the file: ".npy" or ".png".

    Raises:
        InvalidConfig: an unknown kind.
    """
    if kind not in KINDS:
        raise InvalidConfig(expected=f"a kind out of {', '.join(KINDS)}", found=repr(kind), do="Choose one.")
    return ".npy" if kind == "raw-npy" else ".png"


def write_heatmap(
    path: Path,
    kind: str,
    pixels: Pixels,
    prediction: Prediction,
    detector: Detector,
    *,
    placement: Placement = "mean",
    longest: int = 1024,
) -> None:
    """Write one heatmap, under a temporary name first; several threads may write the same file.

    Args:
        path: of the file, whatever its ending.
        kind: "overlay", "side-by-side" and "contour" are drawings with a legend. "raw-npy" is float32 in [0, 1], NaN
            where no patch looks. "raw-png" is 16-bit greyscale, 65535 = 1; 0 and transparent where no patch looks, and
            therefore at least 1 where one does. Raw files have the prepared image's pixels, which show
            `detector.spec.preparation.window` of the picture.
        pixels: the decoded picture, before preparation.
        prediction: what `detector` says of it.
        detector: where its patches lie and how it prepares pictures.
        placement: as for `heatmap`.
        longest: the longer side of a drawing, pixels; raw files are never scaled.

    Raises:
        InvalidConfig: an unknown kind or placement.
        UnsuitableImage: a whole-image baseline, which has no patches to place.
    """
    ending(kind)
    if kind in _DRAWINGS:
        save_png(path, _DRAWINGS[kind](pixels, prediction, detector, longest=longest, placement=placement))
        return
    heat = heatmap(prediction.patch_logits, grid_of(detector), prediction.shape, placement=placement)
    if kind == "raw-npy":
        _whole(path, lambda stream: np.save(stream, heat, allow_pickle=False))
    else:
        save_raw_png(path, heat)


def save_png(path: Path, pixels: Pixels) -> None:
    """An RGB drawing as PNG, quickly."""
    _whole(path, lambda stream: Image.fromarray(pixels).save(stream, format="PNG", compress_level=_QUICK))


def save_raw_png(path: Path, heat: Heatmap) -> None:
    """P(fake) as 16-bit greyscale: 65535 = 1; 0, marked as transparent, where no patch looks."""
    about = PngInfo()
    about.add_text("Description", _MEANING)
    image = Image.fromarray(as_16_bit(heat))
    _whole(path, lambda stream: image.save(stream, format="PNG", transparency=0, pnginfo=about, compress_level=_QUICK))


def as_16_bit(heat: Heatmap) -> UInt16[np.ndarray, "height width"]:
    """1 to 65535 for P(fake) from 0 to 1, off by at most 1 / 65535; 0 for NaN."""
    found = np.zeros(heat.shape, np.uint16)
    for row, values in zip(found, heat, strict=True):
        seen = np.isfinite(values)
        row[seen] = np.maximum(1, np.rint(values[seen] * _FULL)).astype(np.uint16)
    return found


def _whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Under its name only when it is whole; until then a name of its own for each thread that writes."""
    temporary = path.with_name(f".{getpid()}-{get_ident()}.new")
    try:
        with temporary.open("wb") as stream:
            write(stream)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
