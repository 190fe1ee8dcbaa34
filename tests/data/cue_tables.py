"""Tables of cues made of numbers, for tests that need no picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.data.cue_table import CueTable
from telltale.data.cues import CUES


def table(is_fake: NDArray[np.bool_], *, source: NDArray[Any] | None = None, seed: int = 0) -> CueTable:
    """Numbers that say nothing for pixel cues and sizes; the same value in every file for the rest."""
    draw = np.random.default_rng(seed)
    columns: dict[str, NDArray[Any]] = {}
    for cue in CUES:
        if cue.kind == "category":
            columns[cue.name] = np.full(is_fake.size, "same")
        else:
            varies = cue.family in ("pixels", "size")
            columns[cue.name] = draw.normal(size=is_fake.size) if varies else np.ones(is_fake.size)
    nothing = np.full(is_fake.size, "")
    return CueTable(is_fake=is_fake, source=nothing if source is None else source, group=nothing, columns=columns)


def half_fake(count: int) -> NDArray[np.bool_]:
    """`count` reals and `count` fakes, taking turns."""
    return np.asarray(np.arange(2 * count) % 2 == 1)
