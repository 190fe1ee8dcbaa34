"""The parts of a face: eleven groups, which of the masks' nineteen classes each holds, and whether they show a face.

The groups are those of the paper's figure 4. Classes 0 to 18 are the order of CelebAMask-HQ's merged masks: background,
skin, nose, eyeglasses, left eye, right eye, left brow, right brow, left ear, right ear, mouth, upper lip, lower lip,
hair, hat, earring, necklace, neck, clothes. What somebody wears belongs to the part it lies on: glasses to the eyes,
earrings to the ears, a necklace to the neck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8

from telltale.errors import InvalidConfig

PARTS = ("background", "skin", "brows", "eyes", "ears", "nose", "mouth", "neck", "clothes", "hair", "hat")
# Index of a group in PARTS, per pixel.
PartMap: TypeAlias = UInt8[np.ndarray, "height width"]

# The group of each of CelebAMask-HQ's classes.
CELEBAMASK_HQ = (
    *("background", "skin", "nose", "eyes", "eyes", "eyes", "brows", "brows", "ears", "ears"),
    *("mouth", "mouth", "mouth", "hair", "hat", "ears", "neck", "neck", "clothes"),
)


def merged(classes: PartMap, meaning: Sequence[str] = CELEBAMASK_HQ) -> PartMap:
    """The eleven groups of a mask of classes.

    Args:
        classes: a class per pixel.
        meaning: the group of each class, names out of PARTS; those of CelebAMask-HQ's nineteen unless told otherwise.

    Raises:
        InvalidConfig: a class for which there is no meaning.
    """
    if classes.size and int(classes.max()) >= len(meaning):
        order = "as CelebAMask-HQ orders them" if meaning == CELEBAMASK_HQ else "as the class map names them"
        raise InvalidConfig(
            expected=f"classes 0 to {len(meaning) - 1}, {order}",
            found=f"class {int(classes.max())}",
            do="Give a class map that names what each value means.",
        )
    groups: PartMap = np.array([PARTS.index(name) for name in meaning], np.uint8)[classes]
    return groups


# A picture shows a face where skin covers this share of it and two of eyes, nose and mouth are there.
LEAST_SKIN = 0.01
FEATURES = ("eyes", "nose", "mouth")
# How parts lie in a face. Lengths are in units of the root of the area of skin, brows, eyes, nose and mouth together,
# so that neither the size of the face nor that of the picture counts. Set on 562 training pictures of the shared data,
# of which 98 % fit as the shipped parser sees them; what does not is mostly a covered or averted face.
_KINDS = {"eyes": ("eyes", "brows"), "nose": ("nose",), "mouth": ("mouth",)}
_FACE = ("skin", "brows", "eyes", "nose", "mouth")
# Less of a part, over that area, is a speck.
_LEAST_PART = 0.004
# The farthest that half of a part's pixels may lie from its middle: what is strewn about is texture.
_SPREAD = {"face": 0.5, "eyes": 0.36, "nose": 0.16, "mouth": 0.16}
# From one part's middle down to another's: least, most, and how far to a side.
_BELOW = {
    ("eyes", "nose"): (0.08, 0.5, 0.45),
    ("nose", "mouth"): (0.15, 0.6, 0.25),
    ("eyes", "mouth"): (0.3, 0.95, 0.5),
}
# Pixels along the longer side that are looked at.
_LOOKED_AT = 256


def names_a_face(parts: PartMap) -> bool:
    """Whether there is enough skin, and two of eyes, nose and mouth, wherever they lie: for masks, the truth."""
    counts = np.bincount(parts.ravel(), minlength=len(PARTS))
    features = sum(counts[PARTS.index(name)] > 0 for name in FEATURES)
    return bool(counts[PARTS.index("skin")] >= LEAST_SKIN * parts.size and features >= 2)


def shows_a_face(parts: PartMap) -> bool:
    """Whether the parts lie as in one upright face: for a parser, which sees eyes in a temple and a nose in a flower.

    Two of eyes (with brows), nose and mouth must be there, each in one place, above each other and as far apart as in
    a face of that size.
    """
    step = max(1, max(parts.shape) // _LOOKED_AT)
    seen = parts[::step, ::step]
    if not names_a_face(seen):
        return False
    face = _among(_FACE)[seen]
    unit = float(np.sqrt(face.sum()))
    found = {name: _place(_among(_KINDS[name])[seen], unit) for name in FEATURES}
    there = {name: place for name, place in found.items() if place.area >= _LEAST_PART}
    compact = all(place.spread <= _SPREAD[name] for name, place in {**there, "face": _place(face, unit)}.items())
    return (
        compact
        and len(there) >= 2
        and all(
            least < there[under].y - there[over].y < most and abs(there[under].x - there[over].x) < aside
            for (over, under), (least, most, aside) in _BELOW.items()
            if over in there and under in there
        )
    )


def _among(names: Sequence[str]) -> Bool[np.ndarray, "parts"]:
    """Whether each of PARTS is one of these, to be looked up."""
    return np.array([part in names for part in PARTS])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a part lies, in units of the face: its median pixel, and the median distance from it."""

    area: float
    y: float
    x: float
    spread: float


def _place(mask: Bool[np.ndarray, "rows columns"], unit: float) -> _Place:
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return _Place(area=0.0, y=0.0, x=0.0, spread=0.0)
    y, x = float(np.median(rows)), float(np.median(columns))
    spread = float(np.median(np.hypot(rows - y, columns - x)))
    return _Place(area=rows.size / unit**2, y=y / unit, x=x / unit, spread=spread / unit)
