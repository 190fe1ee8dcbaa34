"""Faces of ellipses on noise, with the part map that says what each pixel shows."""

import numpy as np

from telltale.explain.face_parts import PARTS
from telltale.generate.manipulations import Face

# Part -> (row, column, half height, half width), shares of the side; later ones lie on top.
ELLIPSES = {
    "hair": ((0.42, 0.5, 0.4, 0.36),),
    "skin": ((0.54, 0.5, 0.36, 0.28),),
    "brows": ((0.40, 0.38, 0.02, 0.08), (0.40, 0.62, 0.02, 0.08)),
    "eyes": ((0.46, 0.38, 0.03, 0.07), (0.46, 0.62, 0.03, 0.07)),
    "nose": ((0.58, 0.5, 0.09, 0.05),),
    "mouth": ((0.74, 0.5, 0.04, 0.11),),
}
COLOURS = {
    "background": (90, 120, 150),
    "hair": (70, 50, 40),
    "skin": (205, 160, 135),
    "brows": (80, 60, 45),
    "eyes": (120, 140, 165),
    "nose": (195, 145, 120),
    "mouth": (170, 80, 80),
}


def synthetic_face(person: int, side: int = 96) -> Face:
    """A face whose tint, place and grain depend on the person's number."""
    draw = np.random.default_rng(person)
    rows, columns = (np.indices((side, side)) + 0.5) / side
    tint, shift = draw.uniform(-25, 25, 3), draw.uniform(-0.04, 0.04, 2)
    parts = np.zeros((side, side), np.uint8)
    for name, ellipses in ELLIPSES.items():
        for row, column, high, wide in ellipses:
            inside = ((rows - row - shift[0]) / high) ** 2 + ((columns - column - shift[1]) / wide) ** 2 <= 1
            parts[inside] = PARTS.index(name)
    palette = np.array([COLOURS.get(name, (0, 0, 0)) for name in PARTS], float)
    pixels = palette[parts] + tint + 20 * (rows + columns)[:, :, None] + draw.normal(0, 6, (side, side, 3))
    return Face(np.clip(pixels, 0, 255).astype(np.uint8), parts)
