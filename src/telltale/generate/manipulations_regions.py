"""Which pixels a manipulation may touch: parts of a face, their boxes and hulls, and weights that end at a border."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from telltale.errors import InvalidDataset, UnsuitableImage, require
from telltale.explain.face_parts import PARTS
from telltale.image import Pixels

Mask: TypeAlias = Bool[np.ndarray, "height width"]
# How much of a pixel comes from the manipulated picture, in [0, 1].
Weight: TypeAlias = Float32[np.ndarray, "height width"]
# From (x, y, 1) in one picture to (x, y) in another.
Affine: TypeAlias = Float64[np.ndarray, "2 3"]
# (x, y, width, height) in whole pixels.
IntBox: TypeAlias = tuple[int, int, int, int]

FEATURES = ("brows", "eyes", "nose", "mouth")
INNER_FACE = ("skin", *FEATURES)
# A region with a smaller side cannot be blended.
SMALLEST = 4


@dataclass(frozen=True, slots=True)
class Face:
    """An aligned face and what each of its pixels shows.

    Attributes:
        pixels: uint8, (height, width, 3).
        parts: index in `telltale.explain.face_parts.PARTS` per pixel; of the same size.

    Raises:
        InvalidDataset: a part map of another size, or with numbers that mean nothing.
    """

    pixels: Pixels
    parts: UInt8[np.ndarray, "rows columns"]

    def __post_init__(self) -> None:
        """Refuse parts that belong to another picture."""
        if self.parts.shape != self.pixels.shape[:2]:
            height, width = self.pixels.shape[:2]
            raise InvalidDataset(
                expected=f"a part map of the picture's size, {width} x {height} px",
                found=f"{self.parts.shape[1]} x {self.parts.shape[0]} px",
                do="Cut and scale the mask as the picture was.",
            )
        if self.parts.size and int(self.parts.max()) >= len(PARTS):
            raise InvalidDataset(
                expected=f"parts 0 to {len(PARTS) - 1}: {', '.join(PARTS)}",
                found=f"part {int(self.parts.max())}",
                do="Bring the mask's classes to parts with telltale.explain.face_parts.merged.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def region_of(face: Face, names: Collection[str]) -> Mask:
    """The pixels that show any of some parts.

    Raises:
        UnsuitableImage: none does, or so few that nothing can be blended there.
    """
    mask = np.isin(face.parts, [PARTS.index(name) for name in names])
    return checked(mask, f"a face with {' or '.join(names)}")


def checked(mask: Mask, expected: str) -> Mask:
    """The mask, if its box is large enough to work in.

    Raises:
        UnsuitableImage: empty, or with a side below `SMALLEST` pixels.
    """
    if is_workable(mask):
        return mask
    found = "{2} x {3} px of it".format(*box_of(mask)) if mask.any() else "no such pixel"
    raise UnsuitableImage(
        expected=expected, found=found, do="Check the mask of this picture, or leave the picture out."
    )


def is_workable(mask: Mask) -> bool:
    """Whether a mask's box has sides of `SMALLEST` pixels or more."""
    return bool(mask.any()) and min(box_of(mask)[2:]) >= SMALLEST


def box_of(mask: Mask) -> IntBox:
    """The smallest box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def grown_box(box: IntBox, share: float, shape: tuple[int, int]) -> IntBox:
    """A box with a margin of a share of its sides on every side, kept inside a picture of (height, width)."""
    x, y, width, height = box
    across, down = round(share * width), round(share * height)
    left, top = max(x - across, 0), max(y - down, 0)
    return left, top, min(x + width + across, shape[1]) - left, min(y + height + down, shape[0]) - top


def hull_of(mask: Mask) -> Mask:
    """The convex hull of a mask's pixels."""
    cv2 = require("cv2", "faces")
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(drawn, cv2.convexHull(np.ascontiguousarray(points)), 1)
    return np.asarray(drawn > 0)


def dilated(mask: Mask, radius: int) -> Mask:
    """Grown by a disc of so many pixels."""
    cv2 = require("cv2", "faces")
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)


def inside_border(mask: Mask, border: int = 2) -> Mask:
    """Without the picture's outermost pixels, where seamless cloning has no neighbours to go by."""
    kept = np.zeros_like(mask)
    kept[border:-border, border:-border] = mask[border:-border, border:-border]
    return kept


def feathered(mask: Mask, width: float) -> Weight:
    """0 outside the mask, rising over `width` pixels inwards to 1, so that no pixel outside is ever touched."""
    cv2 = require("cv2", "faces")
    # A frame of zeros: the picture's own edge is a border too.
    framed = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    weight: Weight = np.minimum(distance / np.float32(max(width, 1.0)), np.float32(1)).astype(np.float32)
    return weight


def onto(box: IntBox, target: IntBox) -> Affine:
    """The scaling and shift that brings one box onto another; pixels are squares around their centres."""
    rows = []
    for axis in (0, 1):
        scale = target[2 + axis] / box[2 + axis]
        row = [0.0, 0.0, target[axis] + (0.5 - box[axis]) * scale - 0.5]
        row[axis] = scale
        rows.append(row)
    return np.array(rows, np.float64)


def warped(pixels: Pixels, affine: Affine, shape: tuple[int, int]) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """A picture under an affine map, on a canvas of (height, width); mirrored where it ends."""
    cv2 = require("cv2", "faces")
    return np.asarray(cv2.warpAffine(pixels, affine, shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))


def warped_mask(mask: Mask, affine: Affine, shape: tuple[int, int]) -> Bool[np.ndarray, "new_height new_width"]:
    """A mask under an affine map, by nearest neighbour; nothing where it ends."""
    cv2 = require("cv2", "faces")
    return np.asarray(cv2.warpAffine(mask.astype(np.uint8), affine, shape[::-1], flags=cv2.INTER_NEAREST) > 0)
