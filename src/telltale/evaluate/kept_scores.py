"""Scores on disk: an image is scored once by the same weights, however often it is asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from telltale import __version__
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate.results import ResultFile, Row, read_rows, utf8
from telltale.evaluate.scoring import Change, Failure, row, score_files


def keep_scores(
    path: Path,
    detector: Detector,
    samples: Sequence[Sample],
    *,
    workers: int = 1,
    change: Change | None = None,
    visit: Callable[[], None] | None = None,
) -> int:
    """Score what the file does not hold yet; what it holds stays, and failures are tried again.

    Args:
        path: of the results, as `ResultFile` writes them.
        detector: what scores; more than one thread would make the last digits of a score depend on the machine.
        samples: which images.
        workers: images scored at the same time.
        change: applied to each decoded picture first; must be the same for every row of the file.
        visit: called after each image that is scored now.

    Returns:
        How many of `samples` have no score.

    Raises:
        InvalidConfig: the file holds scores of other weights, or something else.
    """
    sink = ResultFile(path, resume=True)
    kept = {utf8(found["path"]): found["weights_sha256"] for found in sink.kept()}
    if not set(kept.values()) <= {detector.sha256}:
        raise InvalidConfig(
            expected=f"scores of the weights {detector.sha256[:12]} ({detector.spec.name}): {path}",
            found="scores of others",
            do="Write to another place.",
        )
    left = [sample for sample in samples if utf8(str(sample.path)) not in kept]
    failed = 0
    if left:
        with sink:
            for record in score_files(detector, left, workers=workers, change=change):
                failed += isinstance(record, Failure)
                sink.add(row(record, detector, __version__))
                if visit is not None:
                    visit()
    return failed


def kept_rows(path: Path, samples: Sequence[Sample]) -> list[Row | None]:
    """The row of each sample, in their order; None for one without a score.

    Raises:
        InvalidConfig: no such file, or a damaged one.
    """
    said = {utf8(found["path"]): found for found in read_rows(path) if found["error"] is None}
    return [said.get(utf8(str(sample.path))) for sample in samples]
