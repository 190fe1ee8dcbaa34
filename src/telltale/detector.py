"""A detector is a spec and a function from pixels to one log-odds per patch."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from telltale.errors import InvalidConfig, InvalidDetector, UnsuitableImage
from telltale.geometry import PatchGrid, Tile, tile_side, tiles
from telltale.image import Pixels, prepare
from telltale.pooling import pool
from telltale.spec import DetectorSpec, Verdict

# Log-odds that each patch is FAKE; scaling and channel order are inside the function.
Predict: TypeAlias = Callable[[UInt8[np.ndarray, "n height width 3"]], Float32[np.ndarray, "n rows columns"]]
PatchLogits: TypeAlias = Float32[np.ndarray, "rows columns"]

# Pixels in tiles that are predicted at the same time, so that memory stays bounded on a machine of many cores: about
# 450 bytes a pixel for Xception's early blocks.
AT_ONCE = 2_000_000
# Enlarged more than this, a picture's patches show the filter that enlarged it and nothing that anybody made.
MOST_ENLARGED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a detector says of one image.

    Attributes:
        score: pooled patches, in [0, 1]; higher means more likely fake.
        probability: calibrated probability of fake at equal numbers of reals and fakes; None if never calibrated.
        verdict: one of three; None if never calibrated.
        patch_logits: log-odds per patch that it is fake, (rows, columns); (1, 1) for a whole-image baseline.
        shape: (height, width) in pixels of the prepared image that the patch grid refers to.
    """

    score: float
    probability: float | None
    verdict: Verdict | None
    patch_logits: PatchLogits
    shape: tuple[int, int]

    @property
    def strongest(self) -> tuple[int, int]:
        """(row, column) of the patch that looks most fake; the first of equals, in reading order."""
        row, column = np.unravel_index(int(self.patch_logits.argmax()), self.patch_logits.shape)
        return int(row), int(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A spec and a function; call it on decoded pixels.

    Attributes:
        spec: what the detector is.
        predict: uint8 images to patch log-odds; must be safe to call from several threads.
        sha256: hash of the weights file, so that every score can be traced; empty for a plain function.
        threads: tiles predicted at the same time, 1 or more; fewer where tiles are so large that memory would suffer.
        tile: side of the tiles in pixels, 1 or more; None chooses by receptive field, image and threads. Results do not
            depend on it beyond float32 rounding; memory and speed do.
    """

    spec: DetectorSpec
    predict: Predict
    sha256: str = ""
    threads: int = 1
    tile: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: threads or tile below 1.
        """
        if self.threads < 1 or (self.tile is not None and self.tile < 1):
            raise InvalidConfig(
                expected="1 thread or more, and tiles of 1 pixel or more",
                found=f"threads {self.threads}, tile {self.tile}",
                do="Correct the numbers.",
            )

    def __call__(self, image: Pixels) -> Prediction:
        """Prepare, predict in tiles, pool, calibrate.

        Raises:
            UnsuitableImage: too small for one patch, too elongated to prepare, or its shorter side less than an eighth
                of what the preparation scales it to.
            InvalidDetector: the function returned another shape than the grid, or values that are not finite.
        """
        _check_enlargement(image, self.spec.preparation.side)
        prepared = prepare(image, self.spec.preparation)
        patch_logits = self.patch_logits(prepared)
        score = pool(patch_logits, self.spec.pooling)
        probability = None if self.spec.calibration is None else self.spec.calibration(score)
        verdict = None if self.spec.thresholds is None or probability is None else self.spec.thresholds(probability)
        height, width = prepared.shape[:2]
        return Prediction(
            score=score, probability=probability, verdict=verdict, patch_logits=patch_logits, shape=(height, width)
        )

    def patch_logits(self, prepared: Pixels) -> PatchLogits:
        """Log-odds of every patch of a prepared image, tile by tile; equal to the whole image at once.

        Raises:
            UnsuitableImage: too small for one patch.
            InvalidDetector: as for the call.
        """
        if self.spec.grid is None:
            return self._whole(prepared)
        height, width = prepared.shape[:2]
        rows, columns = _counts(self.spec.grid, height, width)
        whole = np.empty((rows, columns), np.float32)

        def fill(tile: Tile) -> None:
            part = self._checked(np.ascontiguousarray(prepared[tile.pixels]))
            whole[tile.patches] = part[tile.inner]

        side = self.tile or _side(self.spec.grid, height, width, self.threads)
        pieces = list(tiles(self.spec.grid, height, width, side))
        _each(fill, pieces, min(self.threads, len(pieces), max(1, AT_ONCE // side**2)))
        return whole

    def _whole(self, prepared: Pixels) -> PatchLogits:
        found = self._finite(self.predict(prepared[None])[0])
        if found.shape != (1, 1):
            raise _wrong_shape((1, 1), found.shape)
        return found

    def _checked(self, piece: Pixels) -> PatchLogits:
        found = self._finite(self.predict(piece[None])[0])
        assert self.spec.grid is not None
        expected = (self.spec.grid.count(piece.shape[0]), self.spec.grid.count(piece.shape[1]))
        if found.shape != expected:
            raise _wrong_shape(expected, found.shape)
        return found

    def _finite(self, found: PatchLogits) -> PatchLogits:
        if not np.isfinite(found).all():
            raise InvalidDetector(
                expected="finite log-odds",
                found="NaN or infinity",
                do="The weights are damaged: export the detector again.",
            )
        return found


def _check_enlargement(image: Pixels, side: int | None) -> None:
    height, width = image.shape[:2]
    if side is not None and min(height, width) * MOST_ENLARGED < side:
        raise UnsuitableImage(
            expected=f"a picture of at least {-(-side // MOST_ENLARGED)} px a side, to be scaled to {side} px",
            found=f"{width} x {height} px",
            do="Give the picture in its original size.",
        )


def _side(grid: PatchGrid, height: int, width: int, threads: int) -> int:
    """Side of the tiles in pixels: smaller than usual where that keeps every thread busy and little is read twice."""
    share = ceil(sqrt(height * width / threads)) if threads > 1 else max(height, width)
    return min(tile_side(grid), grid.size + max(share, 2 * grid.size))


def _each(fill: Callable[[Tile], None], pieces: Sequence[Tile], threads: int) -> None:
    if threads == 1:
        for piece in pieces:
            fill(piece)
        return
    with ThreadPoolExecutor(threads) as pool_of_threads:
        # Where one tile fails, `map` cancels those that have not begun.
        for _ in pool_of_threads.map(fill, pieces):
            pass


def _counts(grid: PatchGrid, height: int, width: int) -> tuple[int, int]:
    rows, columns = grid.count(height), grid.count(width)
    if rows < 1 or columns < 1:
        raise UnsuitableImage(
            expected=f"a prepared image of at least {grid.size + 2 * grid.start} px a side, for one patch",
            found=f"{width} x {height} px",
            do="Give a larger picture, or a detector with a smaller receptive field.",
        )
    return rows, columns


def _wrong_shape(expected: tuple[int, ...], found: tuple[int, ...]) -> InvalidDetector:
    return InvalidDetector(
        expected=f"patch log-odds of shape {expected}, as the spec's grid says",
        found=f"shape {found}",
        do="The spec and the weights do not belong together: export the detector again.",
    )
