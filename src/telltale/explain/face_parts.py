"""The parts of a face: eleven groups, and which of the masks' nineteen classes each holds.

The groups are those of the paper's figure 4. Classes 0 to 18 are the order of CelebAMask-HQ's merged masks: background,
skin, nose, eyeglasses, left eye, right eye, left brow, right brow, left ear, right ear, mouth, upper lip, lower lip,
hair, hat, earring, necklace, neck, clothes. What somebody wears belongs to the part it lies on: glasses to the eyes,
earrings to the ears, a necklace to the neck.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

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
