"""Top patches: the windows of a picture that a detector is most sure of, and the best of many pictures in a stream."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Int64

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig
from telltale.evaluate.scoring import patch_window
from telltale.explain.heatmaps import grid_of

# (x, y, width, height) in pixels of the decoded picture.
Window: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopPatch:
    """One patch of one picture, and where it reads.

    Attributes:
        sample: the picture.
        row, column: of the patch in the detector's patch grid, from 0.
        window: (x, y, width, height) in pixels of the decoded picture, before preparation: exactly the pixels that the
            patch reads, one shown in part included, clipped to the picture. Where the preparation scales, its filter
            reaches a few pixels further.
        log_odds: that the patch is fake, as in `Prediction.patch_logits`; negative where it looks real.
    """

    sample: Sample
    row: int
    column: int
    window: Window
    log_odds: float


def top_patches(
    prediction: Prediction,
    detector: Detector,
    sample: Sample,
    shape: tuple[int, int],
    *,
    count: int = 1,
    real: bool = False,
) -> list[TopPatch]:
    """The patches of one picture that look most fake, the surest first; of equals, the first in reading order.

    A detector is most confident of a fake's label where it looks most fake, and of a real's where it looks most real:
    `real=True` for real pictures.

    Args:
        prediction: what `detector` says of the picture.
        detector: where its patches lie and how it prepares pictures.
        sample: the picture.
        shape: (height, width) of the decoded picture, before preparation.
        count: how many, 1 or more; fewer where the picture has fewer patches.
        real: the most real-looking instead, which have the lowest log-odds.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches.
        InvalidConfig: a count below 1.
    """
    grid_of(detector)
    _check_count(count)
    columns = prediction.patch_logits.shape[1]
    logits = prediction.patch_logits.ravel()
    found = []
    for place in _surest(-logits if real else logits, count):
        row, column = divmod(int(place), columns)
        window = patch_window(detector, prediction, (row, column), shape)
        log_odds = float(logits[place])
        found.append(TopPatch(sample=sample, row=row, column=column, window=window, log_odds=log_odds))
    return found


def _surest(strength: Float32[np.ndarray, "n"], count: int) -> Int64[np.ndarray, "most"]:
    """Places of the `count` largest values, falling; of equals, the first. No full sort where few are wanted."""
    places = np.arange(strength.size)
    if count < strength.size:
        least = np.partition(strength, strength.size - count)[strength.size - count]
        places = np.flatnonzero(strength >= least)
    return places[np.argsort(-strength[places], kind="stable")][:count]


@dataclass(slots=True, kw_only=True)
class Strongest:
    """The surest patches of many pictures, kept while they stream past: memory for `count` patches, whatever comes.

    The outcome depends on the pictures and their order numbers only, not on the order in which they are added, so that
    several workers change nothing. Equal log-odds: the earlier picture, then the patch first in reading order. One
    thread at a time may add.

    Attributes:
        count: how many to keep, 1 or more.
        unique: at most one patch of each picture.
        real: keep the most real-looking instead of the most fake-looking.
    """

    count: int
    unique: bool = True
    real: bool = False
    # (strength, -order of the picture, -place in the picture) and the patch: the weakest kept lies first. No two have
    # the same three numbers, so that patches are never compared.
    _heap: list[tuple[float, int, int, int, TopPatch]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Refuse to keep nothing; raises InvalidConfig."""
        _check_count(self.count)

    def add(self, order: int, patches: Iterable[TopPatch]) -> None:
        """Look at the patches of one more picture.

        Args:
            order: number of the picture among all, each given once.
            patches: of that picture, from `top_patches`: the surest where `unique`, else the `count` surest.
        """
        found = list(patches)
        if self.unique and found:
            found = [min(found, key=self._place)]
        for patch in found:
            strength, row, column = self._place(patch)
            entry = (-strength, -order, -row, -column, patch)
            if len(self._heap) < self.count:
                heappush(self._heap, entry)
            else:
                heappushpop(self._heap, entry)

    def best(self) -> list[TopPatch]:
        """What was kept, the surest first."""
        return [entry[-1] for entry in sorted(self._heap, key=lambda entry: entry[:-1], reverse=True)]

    def _place(self, patch: TopPatch) -> tuple[float, int, int]:
        """Sorts the patches of one picture: the surest first, then in reading order."""
        return (patch.log_odds if self.real else -patch.log_odds, patch.row, patch.column)


def _check_count(count: int) -> None:
    if count < 1:
        raise InvalidConfig(expected="at least 1 patch", found=str(count), do="Choose a larger count.")
