"""What a sweep of corruptions is made of: one corruption at one strength, and what it does to a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from telltale.data.corruptions import WHOLE, corrupt
from telltale.errors import InvalidConfig
from telltale.image import Pixels

# Mild to strong, in each corruption's own unit; where one goes both ways, from one end to the other.
SWEEP: Mapping[str, tuple[float, ...]] = {
    "jpeg": (95.0, 90.0, 80.0, 70.0, 50.0, 30.0),
    "webp": (90.0, 75.0, 50.0, 30.0),
    "blur": (0.5, 1.0, 2.0, 3.0),
    "noise": (2.0, 5.0, 10.0, 20.0),
    "resize": (2.0, 1.5, 0.75, 0.5, 0.25),
    "gamma": (0.5, 0.7, 1.4, 2.0),
    "crop": (0.9, 0.75, 0.5),
    "jitter": (0.1, 0.2, 0.4),
    "screenshot": (1.5, 1.25, 0.8, 0.67),
    "social": (1.0, 0.75, 0.5),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One corruption at one strength; CLEAN is none at all.

    Attributes:
        corruption: a key of `telltale.data.corruptions.CORRUPTIONS`, or "none".
        strength: in the corruption's own unit.
    """

    corruption: str
    strength: float


CLEAN = Cell("none", 0.0)


def cells(sweep: Mapping[str, Sequence[float]] = SWEEP) -> list[Cell]:
    """The clean cell and every other, in the order of `sweep`.

    Raises:
        InvalidConfig: an unknown corruption, or a strength out of its range or between two whole numbers where only
            those differ, before anything is scored.
    """
    found = [CLEAN, *(Cell(name, float(strength)) for name, strengths in sweep.items() for strength in strengths)]
    probe = np.zeros((8, 8, 3), np.uint8)
    for cell in found[1:]:
        corrupted(probe, cell, seed=0)
        # Rounded, it would be another strength than the tables say, or one of them twice.
        if cell.corruption in WHOLE and not cell.strength.is_integer():
            raise InvalidConfig(
                expected=f"whole numbers as strengths of {cell.corruption}",
                found=str(cell.strength),
                do="Round the strength.",
            )
    return list(dict.fromkeys(found))


def corrupted(pixels: Pixels, cell: Cell, *, seed: int) -> Pixels:
    """The picture after one corruption; what is drawn depends on seed, picture, corruption and strength alone.

    The picture counts by its pixels, so that neither its name nor its place in a list nor the number of workers moves
    a number; two detectors meet the very same corrupted picture.

    Raises:
        InvalidConfig: an unknown corruption, or a strength out of its range.
    """
    if cell == CLEAN:
        return pixels
    digest = sha256(f"{seed} {cell.corruption} {float(cell.strength)!r} {pixels.shape}".encode())
    digest.update(pixels.tobytes())
    generator = np.random.default_rng(int.from_bytes(digest.digest()))
    return corrupt(pixels, cell.corruption, cell.strength, generator)
