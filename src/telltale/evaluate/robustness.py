"""What happens to scores when pictures are saved again, scaled, cropped: every detector under every corruption.

A cell is one corruption at one strength. Each detector's scores of each cell are a file of their own, so that a sweep
that was interrupted goes on where it stopped, and a later one adds what is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.evaluate.digests import Digests
from telltale.evaluate.kept_scores import keep_scores
from telltale.evaluate.robustness_cells import Cell, corrupted
from telltale.evaluate.robustness_folder import Setup, cell_file
from telltale.evaluate.scoring import Change
from telltale.image import Pixels, Preparation, Resized, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One cell of one detector is on disk.

    Attributes:
        model: the detector's name in this sweep.
        cell: which.
        scored: images with a score.
        failed: images without one.
    """

    model: str
    cell: Cell
    scored: int
    failed: int


def change(cell: Cell, setup: Setup, preparation: Preparation) -> Change:
    """The corruption as scoring takes it: of decoded pixels, or of prepared ones, which pass preparation unchanged."""

    def before(pixels: Pixels) -> Resized:
        return corrupted(pixels, cell, seed=setup.seed)

    def after(pixels: Pixels) -> Resized:
        return before(prepare(pixels, preparation))

    return before if setup.where == "before" else after


def sweep(
    detectors: Mapping[str, Detector],
    samples: Sequence[Sample],
    out: Path,
    setup: Setup,
    *,
    over: Sequence[Cell],
    workers: int = 1,
) -> Iterator[Progress]:
    """Score every image under every cell by every detector; what an earlier run of the same setup scored is kept.

    Args:
        detectors: by name, as `named` gives them.
        samples: as `chosen` gives them.
        out: the folder, as `open_folder` left it.
        setup: where corruptions act, and the seed.
        over: cells.
        workers: images scored at the same time; no number depends on it.

    Raises:
        InvalidDetector: a detector does not do what its spec says.
        InvalidConfig: scores of other weights lie under a detector's name.
    """
    digests = Digests()
    for model, detector in detectors.items():
        # Tiles of one thread each: their number would move the last digits of a score.
        single = replace(detector, threads=1)
        for cell in over:
            failed = keep_scores(
                cell_file(out, model, cell),
                single,
                samples,
                workers=workers,
                change=change(cell, setup, detector.spec.preparation),
                digests=digests,
            )
            yield Progress(model=model, cell=cell, scored=len(samples) - failed, failed=failed)
