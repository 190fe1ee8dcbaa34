"""The parts of a face: eleven groups, and which of the masks' nineteen classes each holds.

The groups are those of the paper's figure 4. Classes 0 to 18 are the order of CelebAMask-HQ's merged masks: background,
skin, nose, eyeglasses, left eye, right eye, left brow, right brow, left ear, right ear, mouth, upper lip, lower lip,
hair, hat, earring, necklace, neck, clothes. What somebody wears belongs to the part it lies on: glasses to the eyes,
earrings to the ears, a necklace to the neck.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from telltale.errors import InvalidConfig

PARTS = ("background", "skin", "brows", "eyes", "ears", "nose", "mouth", "neck", "clothes", "hair", "hat")
# Index of a group in PARTS, per pixel.
PartMap: TypeAlias = UInt8[np.ndarray, "height width"]

_GROUP_OF_CLASS = (
    *("background", "skin", "nose", "eyes", "eyes", "eyes", "brows", "brows", "ears", "ears"),
    *("mouth", "mouth", "mouth", "hair", "hat", "ears", "neck", "neck", "clothes"),
)
_MERGED = np.array([PARTS.index(name) for name in _GROUP_OF_CLASS], np.uint8)


def merged(classes: PartMap) -> PartMap:
    """The eleven groups of a mask of nineteen classes.

    Raises:
        InvalidConfig: a class above 18.
    """
    if classes.size and int(classes.max()) >= len(_MERGED):
        raise InvalidConfig(
            expected=f"classes 0 to {len(_MERGED) - 1}, as CelebAMask-HQ orders them",
            found=f"class {int(classes.max())}",
            do="Give a class map that names what each value means.",
        )
    groups: PartMap = _MERGED[classes]
    return groups
