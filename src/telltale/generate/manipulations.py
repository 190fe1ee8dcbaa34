"""Five ways to manipulate an aligned face, each with the mask of exactly those pixels that it changed.

They stand for the families of FaceForensics++ and of the works that train without it:

- `swapped`: another person's face by graphics, as FaceSwap: region transfer, colours matched, seam closed;
- `resynthesised`: the face region made anew by an autoencoder and feathered back, as Deepfakes;
- `self_blended`: a face blended with its own warped, recoloured copy (Shiohara and Yamasaki, CVPR 2022);
- `part_replaced`: eyes, nose or mouth of another person, as in expert composites;
- `inpainted`: a part hidden, and what fills it passed through an autoencoder's latents.

All are pure: the same faces and seed give the same bytes. Outside the mask every byte is the original's. What has to be
drawn comes from the seed alone. Needs OpenCV (`[faces]` extra).
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from telltale.errors import InvalidConfig, UnsuitableImage, require
from telltale.explain.face_parts import PARTS
from telltale.generate.manipulations_blending import (
    Manipulated,
    cloned,
    from_lab,
    hidden,
    matched,
    mixed,
    to_lab,
    written,
)
from telltale.generate.manipulations_regions import (
    FEATURES,
    INNER_FACE,
    Affine,
    Face,
    Mask,
    box_of,
    checked,
    dilated,
    feathered,
    grown_box,
    hull_of,
    inside_border,
    is_workable,
    onto,
    region_of,
    warped,
    warped_mask,
)
from telltale.generate.resynthesis import Resynthesise
from telltale.image import Pixels

__all__ = [
    "REPLACEABLE",
    "Face",
    "Manipulated",
    "Manipulation",
    "inpainted",
    "manipulations",
    "part_replaced",
    "resynthesised",
    "self_blended",
    "swapped",
]

# The face that is manipulated, another person's, a seed. Those that need nobody else look at the first only.
Manipulation: TypeAlias = Callable[[Face, Face, int], Manipulated]

REPLACEABLE = ("eyes", "nose", "mouth")
# Shares of the picture's shorter side.
FEATHER, WIDEST_FEATHER = 0.015, 0.06
MARGIN = 0.02


def manipulations(resynthesise: Resynthesise) -> dict[str, Manipulation]:
    """All five by name, with an autoencoder for those that need one."""
    return {
        "swap": swapped,
        "autoencoder": lambda face, _, seed: resynthesised(face, resynthesise, seed=seed),
        "self_blended": lambda face, _, seed: self_blended(face, seed=seed),
        "part": lambda face, source, seed: part_replaced(face, source, seed=seed),
        "inpainted": lambda face, _, seed: inpainted(face, resynthesise, seed=seed),
    }


def swapped(face: Face, source: Face, seed: int) -> Manipulated:
    """Another person's inner face: brought onto the box of brows, eyes, nose and mouth, recoloured, cloned in.

    Args:
        face: which is manipulated.
        source: whose face it gets; may be of another size.
        seed: draws how far the region reaches beyond the features.

    Raises:
        UnsuitableImage: too little of a face in one of them, or where both have one.
        MissingExtra: without the `[faces]` extra.
    """
    features, others = region_of(face, FEATURES), region_of(source, FEATURES)
    affine = onto(box_of(others), box_of(features))
    reach = np.random.default_rng(seed).uniform(1, 4) * MARGIN * min(face.shape)
    wanted = dilated(hull_of(features), max(1, round(reach))) & region_of(face, INNER_FACE)
    there = warped_mask(region_of(source, INNER_FACE), affine, face.shape)
    region = checked(inside_border(wanted & there), "two faces that show the same parts")
    recoloured = matched(warped(source.pixels, affine, face.shape), face.pixels, region)
    return written(face.pixels, cloned(face.pixels, recoloured, region))


def resynthesised(face: Face, resynthesise: Resynthesise, *, seed: int) -> Manipulated:
    """The inner face made anew by a generator that sees it with a margin around it, feathered back.

    Args:
        face: which is manipulated.
        resynthesise: a picture to one of the same size, such as `telltale.generate.resynthesis.resynthesiser` gives.
        seed: draws the feather's width.

    Raises:
        UnsuitableImage: no face.
        MissingExtra: without the `[faces]` extra.
    """
    region = region_of(face, INNER_FACE)
    width = np.random.default_rng(seed).uniform(FEATHER, WIDEST_FEATHER) * min(face.shape)
    there = _made_anew(face.pixels, region, resynthesise)
    return written(face.pixels, mixed(face.pixels, there, feathered(region, float(width))))


def self_blended(face: Face, *, seed: int) -> Manipulated:
    """The face blended with a copy of itself of other colours and sharpness, moved a little, within a bent hull.

    Args:
        face: which is manipulated.
        seed: draws colours, sharpness, movement, outline, feather and strength.

    Raises:
        UnsuitableImage: no face.
        MissingExtra: without the `[faces]` extra.
    """
    draw = np.random.default_rng(seed)
    hull = hull_of(region_of(face, FEATURES))
    reach = max(1, round(draw.uniform(1, 5) * MARGIN * min(face.shape)))
    bent = _bent(dilated(hull, reach), draw) & region_of(face, INNER_FACE)
    region = checked(bent, "a face that a hull of its features covers")
    copy = warped(_refocused(_recoloured(face.pixels, draw), draw), _moved(face.shape, draw), face.shape)
    strength = np.float32(draw.choice((0.5, 0.75, 1.0, 1.0)))
    width = draw.uniform(FEATHER, WIDEST_FEATHER) * min(face.shape)
    return written(face.pixels, mixed(face.pixels, copy, feathered(region, float(width)) * strength))


def part_replaced(face: Face, source: Face, *, seed: int, part: str | None = None) -> Manipulated:
    """Another person's eyes, nose or mouth, brought onto the box of this one's, recoloured, feathered in.

    Args:
        face: which is manipulated.
        source: whose part it gets; may be of another size.
        seed: draws the part where none is named, and the feather.
        part: out of `REPLACEABLE`.

    Raises:
        InvalidConfig: another part.
        UnsuitableImage: a part that one of them does not show, or none that both show.
        MissingExtra: without the `[faces]` extra.
    """
    draw = np.random.default_rng(seed)
    name = _drawn_part(draw, part, face, source)
    mine, theirs = region_of(face, (name,)), region_of(source, (name,))
    affine = onto(box_of(theirs), box_of(mine))
    reach = max(1, round(2 * MARGIN * min(face.shape)))
    region = dilated(mine | warped_mask(theirs, affine, face.shape), reach)
    recoloured = matched(warped(source.pixels, affine, face.shape), face.pixels, region)
    width = draw.uniform(1, 2) * MARGIN * min(face.shape)
    return written(face.pixels, mixed(face.pixels, recoloured, feathered(region, float(width))))


def inpainted(face: Face, resynthesise: Resynthesise, *, seed: int, part: str | None = None) -> Manipulated:
    """A part hidden under what lies around it, encoded and decoded, and pasted back.

    Args:
        face: which is manipulated.
        resynthesise: a picture to one of the same size.
        seed: draws the part where none is named, how far the region reaches, and the feather.
        part: out of `REPLACEABLE`.

    Raises:
        InvalidConfig: another part.
        UnsuitableImage: a part that the face does not show, or none of them.
        MissingExtra: without the `[faces]` extra.
    """
    draw = np.random.default_rng(seed)
    reach = max(1, round(draw.uniform(1, 3) * MARGIN * min(face.shape)))
    region = dilated(hull_of(region_of(face, (_drawn_part(draw, part, face),))), reach)
    filled = hidden(face.pixels, region, float(reach))
    there = _made_anew(filled, region, resynthesise)
    width = draw.uniform(1, 2) * MARGIN * min(face.shape)
    return written(face.pixels, mixed(face.pixels, there, feathered(region, float(width))))


def _made_anew(pixels: Pixels, region: Mask, resynthesise: Resynthesise) -> Pixels:
    """The picture with the box around a region, and a tenth more on every side for context, made anew."""
    x, y, width, height = grown_box(box_of(region), 0.1, (region.shape[0], region.shape[1]))
    there = pixels.copy()
    there[y : y + height, x : x + width] = resynthesise(np.ascontiguousarray(pixels[y : y + height, x : x + width]))
    return there


def _drawn_part(draw: np.random.Generator, part: str | None, *faces: Face) -> str:
    """The part that was named, or one out of those that all faces show."""
    if part is not None and part not in REPLACEABLE:
        raise InvalidConfig(expected=f"a part out of {', '.join(REPLACEABLE)}", found=repr(part), do="Choose one.")
    shown = [name for name in REPLACEABLE if all(is_workable(face.parts == PARTS.index(name)) for face in faces)]
    if part is None and not shown:
        raise UnsuitableImage(
            expected=f"{', '.join(REPLACEABLE[:-1])} or {REPLACEABLE[-1]}",
            found="none of them" if len(faces) == 1 else "none that both faces show",
            do="Check the masks, or leave the picture out.",
        )
    return part if part is not None else shown[int(draw.integers(len(shown)))]


def _recoloured(pixels: Pixels, draw: np.random.Generator) -> Pixels:
    """Another light: contrast, brightness and tint."""
    values = to_lab(pixels)
    mean = values.mean((0, 1))
    shift = draw.uniform(-1, 1, 3) * (8, 5, 5)
    scale = np.array((draw.uniform(0.9, 1.1), 1, 1))
    return from_lab(((values - mean) * scale + mean + shift).astype(np.float32))


def _refocused(pixels: Pixels, draw: np.random.Generator) -> Pixels:
    """Softer or sharper."""
    cv2 = require("cv2", "faces")
    sigma = draw.uniform(1, 3) * min(pixels.shape[:2]) / 512
    soft = cv2.GaussianBlur(pixels, (0, 0), sigma)
    if draw.random() < 0.5:
        return np.asarray(soft)
    return np.asarray(cv2.addWeighted(pixels, 1.6, soft, -0.6, 0))


def _moved(shape: tuple[int, int], draw: np.random.Generator) -> Affine:
    """Scaled by up to 3 % about the middle, and shifted by up to 2 % of the sides."""
    scales = draw.uniform(0.97, 1.03, 2)
    shifts = draw.uniform(-0.02, 0.02, 2) * shape[::-1]
    middle = np.array(shape[::-1]) / 2
    return np.column_stack((np.diag(scales), middle - scales * middle + shifts))


def _bent(mask: Mask, draw: np.random.Generator) -> Mask:
    """Its outline under a smooth random displacement of a few percent of the sides."""
    cv2 = require("cv2", "faces")
    rows, columns = (np.ascontiguousarray(axis, np.float32) for axis in np.indices(mask.shape))
    side = min(mask.shape)
    down, across = (_smooth(mask.shape, side, draw) for _ in range(2))
    moved = cv2.remap(mask.astype(np.uint8), columns + across, rows + down, cv2.INTER_NEAREST)
    return np.asarray(moved > 0)


def _smooth(shape: tuple[int, ...], side: int, draw: np.random.Generator) -> np.ndarray:
    """A field of displacements, pixels, that changes over about an eighth of the side."""
    cv2 = require("cv2", "faces")
    field = cv2.GaussianBlur(draw.standard_normal(shape).astype(np.float32), (0, 0), side / 8)
    return np.asarray(field / max(float(field.std()), 1e-9) * np.float32(0.03 * side))
