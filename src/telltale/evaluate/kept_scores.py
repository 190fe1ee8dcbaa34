"""Scores on disk: an image that stays as it is is scored once by the same weights, however often it is asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from telltale import __version__
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate.digests import Digests
from telltale.evaluate.results import COLUMNS, ResultFile, Row, read_rows, utf8, write_rows
from telltale.evaluate.scoring import Change, Failure, row, score_files

# Of the files written here: what a prediction has, and of which bytes it is.
KEPT_COLUMNS = {**COLUMNS, "image_sha256": "string"}


def keep_scores(
    path: Path,
    detector: Detector,
    samples: Sequence[Sample],
    *,
    workers: int = 1,
    change: Change | None = None,
    visit: Callable[[], None] | None = None,
    digests: Digests | None = None,
) -> int:
    """Score what the file does not hold yet; what it holds stays, and failures are tried again.

    An image that has other bytes than when it was scored is scored anew, and so is one scored by another version.

    Args:
        path: of the results, as `ResultFile` writes them.
        detector: what scores; more than one thread would make the last digits of a score depend on the machine.
        samples: which images.
        workers: images scored at the same time.
        change: applied to each decoded picture first; must be the same for every row of the file.
        visit: called after each image that is scored now.
        digests: hashes known already, where several files are of the same images.

    Returns:
        How many of `samples` have no score.

    Raises:
        InvalidConfig: the file holds scores of other weights, or something else.
    """
    digests = Digests() if digests is None else digests
    sink = ResultFile(path, resume=True, columns=KEPT_COLUMNS)
    kept = {utf8(found["path"]): found for found in sink.kept()}
    if not {found["weights_sha256"] for found in kept.values()} <= {detector.sha256}:
        raise InvalidConfig(
            expected=f"scores of the weights {detector.sha256[:12]} ({detector.spec.name}): {path}",
            found="scores of others",
            do="Write to another place.",
        )
    left = [sample for sample in samples if not _holds(kept.get(utf8(str(sample.path))), digests, sample)]
    failed = 0
    if left:
        with sink:
            for record in score_files(detector, left, workers=workers, change=change):
                failed += isinstance(record, Failure)
                sink.add({**row(record, detector, __version__), "image_sha256": digests(record.sample)})
                if visit is not None:
                    visit()
    if any(utf8(str(sample.path)) in kept for sample in left):
        # Rows that hold no longer are still above their successors.
        write_rows(
            path,
            {found["path"]: found for found in read_rows(path, columns=KEPT_COLUMNS)}.values(),
            columns=KEPT_COLUMNS,
        )
    return failed


def _holds(found: Row | None, digests: Digests, sample: Sample) -> bool:
    """Whether a kept row is of the image as it lies there, by this version."""
    return (
        found is not None
        and found["telltale_version"] == __version__
        and found["image_sha256"] is not None
        and found["image_sha256"] == digests(sample)
    )


def kept_rows(path: Path, samples: Sequence[Sample]) -> list[Row | None]:
    """The row of each sample, in their order, the last one where it was scored again; None for one without a score.

    Raises:
        InvalidConfig: no such file, or a damaged one.
    """
    said = {utf8(found["path"]): found for found in read_rows(path, columns=KEPT_COLUMNS) if found["error"] is None}
    return [said.get(utf8(str(sample.path))) for sample in samples]
