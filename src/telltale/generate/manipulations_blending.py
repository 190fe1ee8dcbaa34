"""How another's pixels are made to fit: colours matched, seams closed, a region hidden, what is written and where."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from telltale.errors import UnsuitableImage, require
from telltale.generate.manipulations_regions import Mask, Weight, box_of
from telltale.image import Pixels

# Standard deviations are matched within these factors: a flat region must not become noise.
LEAST_SCALE, MOST_SCALE = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Manipulated:
    """A manipulated picture and its truth.

    Attributes:
        pixels: uint8, (height, width, 3).
        mask: True exactly where a pixel differs from the original; never empty.
    """

    pixels: Pixels
    mask: Mask


def written(original: Pixels, changed: Pixels) -> Manipulated:
    """What was changed, and where.

    Raises:
        UnsuitableImage: nothing was.
    """
    mask = (original != changed).any(axis=2)
    if not mask.any():
        raise UnsuitableImage(
            expected="a manipulation that changes pixels",
            found="the same picture",
            do="Take another source, another seed, or leave the picture out.",
        )
    return Manipulated(changed, np.asarray(mask))


def mixed(original: Pixels, there: Pixels, weight: Weight) -> Pixels:
    """`there` by its weight, the original by the rest; byte for byte the original where the weight is 0."""
    share = weight[:, :, None]
    blend = original.astype(np.float32) * (1 - share) + there.astype(np.float32) * share
    pixels: Pixels = np.rint(blend).astype(np.uint8)
    return pixels


def to_lab(pixels: Pixels) -> Float32[np.ndarray, "height width 3"]:
    """CIE L*a*b*: lightness 0 to 100, a and b about -100 to 100."""
    cv2 = require("cv2", "faces")
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def from_lab(values: Float32[np.ndarray, "height width 3"]) -> Pixels:
    """The colours an 8-bit screen can show."""
    cv2 = require("cv2", "faces")
    shown = np.clip(cv2.cvtColor(values, cv2.COLOR_LAB2RGB), 0, 1) * 255
    pixels: Pixels = np.rint(shown).astype(np.uint8)
    return pixels


def matched(pixels: Pixels, like: Pixels, where: Mask) -> Pixels:
    """Colours whose mean and spread within a mask are those of another picture there (Reinhard et al., CG&A 2001).

    Args:
        pixels: whose colours change.
        like: which they take after; of the same size.
        where: the pixels that are compared; not empty.
    """
    values, wanted = to_lab(pixels), to_lab(like)
    mean, spread = values[where].mean(0), values[where].std(0)
    new_mean, new_spread = wanted[where].mean(0), wanted[where].std(0)
    scale = np.clip(new_spread / np.maximum(spread, 1e-3), LEAST_SCALE, MOST_SCALE)
    return from_lab(((values - mean) * scale + new_mean).astype(np.float32))


def cloned(original: Pixels, there: Pixels, where: Mask) -> Pixels:
    """Gradients of another picture within a mask, colours of the original at its border (Perez et al., SIGGRAPH 2003).

    Nothing outside the mask changes. The mask must not touch the picture's edge.
    """
    cv2 = require("cv2", "faces")
    x, y, width, height = box_of(where)
    centre = (x + width // 2, y + height // 2)
    # OpenCV counts blue first, which a Poisson equation solved channel by channel does not care for.
    made = cv2.seamlessClone(there, original, where.astype(np.uint8) * 255, centre, cv2.NORMAL_CLONE)
    pixels: Pixels = np.where(where[:, :, None], made, original)
    return pixels


def hidden(pixels: Pixels, where: Mask, radius: float) -> Pixels:
    """A region filled from what lies around it (Telea, JGT 2004): nothing of what it showed is left."""
    cv2 = require("cv2", "faces")
    return np.asarray(cv2.inpaint(pixels, where.astype(np.uint8), radius, cv2.INPAINT_TELEA))
