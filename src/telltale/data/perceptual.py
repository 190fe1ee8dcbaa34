"""Perceptual hashes: pictures that look alike have hashes that differ in few bits."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from PIL import Image

from telltale.image import Pixels

SIDE = 64
FREQUENCIES = 16
# Below this a picture is one flat colour, and its bits are noise.
_LEAST_CONTRAST = 1.0


def perceptual_hash(pixels: Pixels) -> str:
    """256 bits as 64 hexadecimal digits: which low frequencies lie above their median; "" for a flat picture.

    The picture is made grey and 64 px square; the bits are the 16 x 16 lowest frequencies of its cosine transform, and
    the first, the mean brightness, is always 0. Another size, codec or brightness moves few bits, a crop by a few
    percent moves many.
    """
    small = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    waves = _cosines()
    spectrum = (waves @ np.asarray(small, dtype=np.float64) @ waves.T).ravel()[1:]
    if np.abs(spectrum).max() < _LEAST_CONTRAST:
        return ""
    return np.packbits(np.concatenate(([False], spectrum > np.median(spectrum)))).tobytes().hex()


@lru_cache(maxsize=1)
def _cosines() -> Float[np.ndarray, "16 64"]:
    """Cosine waves of 0 to 15 half periods over 64 px, scaled so that the transform is orthonormal."""
    frequency = np.arange(FREQUENCIES)[:, None]
    position = np.arange(SIDE)[None, :]
    waves = np.cos(np.pi * frequency * (position + 0.5) / SIDE) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)
