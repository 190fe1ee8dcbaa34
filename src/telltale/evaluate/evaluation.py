"""Every detector's scores of every image, in one file that an interrupted run goes on with.

A score counts again only where weights, engine, preparation, version and the image's own bytes are the same. What is
not the same is scored anew; what an earlier run scored and this one does not name is refused, so that nothing is lost
and the file holds just what the tables count.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import get_args

from telltale import __version__
from telltale.data.copies import check_one_label
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate.digests import Digests
from telltale.evaluate.results import ResultFile, Row, utf8, write_rows
from telltale.evaluate.scoring import Failure, Score, score_files
from telltale.pooling import POOLINGS, Pooling, pool

SCORES = "scores.parquet"
COLUMNS = {
    "path": "string",
    "image_sha256": "string",
    "is_fake": "bool_",
    "source": "string",
    "split": "string",
    "group": "string",
    "detector": "string",
    "weights_sha256": "string",
    "engine": "string",
    "telltale_version": "string",
    "preparation": "string",
    "pooling": "string",
    **{f"score_{pooling}": "float64" for pooling in POOLINGS},
    "probability": "float64",
    "verdict": "string",
    "width": "int64",
    "height": "int64",
    "seconds": "float64",
    "error": "string",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One detector of an evaluation.

    Attributes:
        name: what tables call it.
        detector: what scores.
        engine: what runs it: onnxruntime, openvino, torch or python; the same weights differ in the last digits.
    """

    name: str
    detector: Detector
    engine: str

    @property
    def hashed(self) -> str:
        """What the detector's sha256 is the hash of."""
        return "source file" if self.engine == "python" else "weights file"

    def is_mine(self, row: Row) -> bool:
        """Whether a row is this detector's, whatever image it is of; one source file may hold several functions."""
        name = self.detector.spec.name
        names = (name, f"{name}@{self.detector.sha256[:8]}")
        mine = (row["weights_sha256"], row["engine"]) == (self.detector.sha256, self.engine)
        return mine and (self.engine != "python" or row["detector"] in names)

    def about(self) -> Row:
        """What every row says of the detector."""
        return {
            "detector": self.name,
            "weights_sha256": self.detector.sha256,
            "engine": self.engine,
            "telltale_version": __version__,
            "preparation": json.dumps(asdict(self.detector.spec.preparation)),
            "pooling": self.detector.spec.pooling,
        }


def contenders(found: Iterable[tuple[Detector, str]]) -> list[Contender]:
    """Detectors with their engines, by the name they have in tables: with their hash where two share one.

    Raises:
        InvalidConfig: the same detector twice.
    """
    each = list(found)
    names = [detector.spec.name for detector, _ in each]
    named = [
        Contender(
            name=name if names.count(name) == 1 else f"{name}@{detector.sha256[:8]}",
            # Tiles of one thread each: their number would move the last digits of a score.
            detector=replace(detector, threads=1),
            engine=engine,
        )
        for name, (detector, engine) in zip(names, each, strict=True)
    ]
    twice = [one.name for place, one in enumerate(named) if one.name in {other.name for other in named[:place]}]
    if twice:
        raise InvalidConfig(expected="each detector once", found=f"{twice[0]} twice", do="Leave the second out.")
    return named


def only_sources(samples: Sequence[Sample], include: Sequence[str], exclude: Sequence[str]) -> list[Sample]:
    """The samples of some sources.

    Args:
        samples: of any source.
        include: these only; all where empty.
        exclude: not these.

    Raises:
        InvalidConfig: a source that no sample has, or nothing left.
    """
    there = {sample.source for sample in samples}
    strange = sorted({*include, *exclude} - there)
    kept = [one for one in samples if one.source not in exclude and (not include or one.source in include)]
    if strange or not kept:
        raise InvalidConfig(
            expected=f"sources out of {', '.join(sorted(there)) or 'none'}",
            found=", ".join(strange) or "none of them left",
            do="Correct --include and --exclude.",
        )
    return kept


def evaluate(
    entrants: Sequence[Contender],
    samples: Sequence[Sample],
    out: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    visit: Callable[[], None] | None = None,
) -> list[Row]:
    """Score every image by every detector into `out`/scores.parquet; what is there and still holds is kept.

    Args:
        entrants: as `contenders` gives them.
        samples: labelled, each path once.
        out: a folder, made where it is not there.
        workers: images scored at the same time; no number depends on it.
        resume: go on with, or add to, an earlier run's scores; failures are tried again.
        visit: called after each image and detector, kept ones included.

    Returns:
        A row for each detector and image, in the order given; `COLUMNS` names its fields.

    Raises:
        InvalidConfig: scores are there and `resume` is False, or some of an image or detector that is not named.
        InvalidDataset: the same bytes are real here and fake there, said before anything is scored.
        InvalidDetector: a detector does not do what it says.
    """
    sink = ResultFile(out / SCORES, resume=resume, columns=COLUMNS)
    digests = Digests()
    check_one_label(samples, [digests(sample) for sample in samples])
    done = _kept(sink, entrants, samples, digests)
    if visit is not None:
        for _ in done:
            visit()
    left = [(one, [sample for sample in samples if (one.name, _path(sample)) not in done]) for one in entrants]
    if any(missing for _, missing in left):
        with sink:
            for row in _scored(left, workers, digests):
                sink.add(row)
                done[row["detector"], row["path"]] = row
                if visit is not None:
                    visit()
    rows = [done[one.name, _path(sample)] for one in entrants for sample in samples]
    write_rows(out / SCORES, rows, columns=COLUMNS)
    return rows


def fingerprint(rows: Iterable[Row]) -> str:
    """sha256 over content, label and source of every image, wherever the files lie; copies of a source count once.

    `telltale calibrate` stores it of what it calibrates on, so that `telltale evaluate` can see the same data again.
    """
    said = {json.dumps([row["image_sha256"] or row["path"], row["is_fake"], row["source"]]) for row in rows}
    return sha256("\n".join(sorted(said)).encode()).hexdigest()


def _path(sample: Sample) -> str:
    return utf8(str(sample.path))


def _kept(
    sink: ResultFile, entrants: Sequence[Contender], samples: Sequence[Sample], digests: Digests
) -> dict[tuple[str, str], Row]:
    """Rows of an earlier run that still hold, under today's names and labels."""
    images = {_path(sample): sample for sample in samples}
    found = {}
    for row in sink.kept():
        entrant = next((one for one in entrants if one.is_mine(row)), None)
        sample = images.get(row["path"])
        if entrant is None or sample is None:
            of = f"those of {row['detector']} ({row['weights_sha256'][:12]}, {row['engine']})"
            what = of if entrant is None else f"one of {row['path']}"
            raise InvalidConfig(
                expected=f"the detectors and images of the earlier run, or more: {sink.path}",
                found=f"scores of others as well, such as {what}",
                do="Name what the earlier run named, or choose another --out.",
            )
        now = {**row, **entrant.about(), **_known_of(sample)}
        if now["image_sha256"] == digests(sample) and all(now[name] == row[name] for name in _SAME):
            found[entrant.name, row["path"]] = now
    return found


# A kept row is of no use where one of these is another by now.
_SAME = ("telltale_version", "preparation", "pooling")


def _scored(left: Iterable[tuple[Contender, Sequence[Sample]]], workers: int, digests: Digests) -> Iterator[Row]:
    for entrant, samples in left:
        for record in score_files(entrant.detector, samples, workers=workers):
            yield _row(record, entrant, digests(record.sample))


def _known_of(sample: Sample) -> Row:
    return {
        "is_fake": sample.is_fake,
        "source": utf8(sample.source),
        "split": sample.split,
        "group": utf8(sample.group),
    }


def _row(record: Score | Failure, entrant: Contender, digest: str | None) -> Row:
    """One row; a failure has the same fields, empty, and its reason under `error`."""
    found: Row = dict.fromkeys(COLUMNS)
    found |= {"path": _path(record.sample), "image_sha256": digest}
    found |= _known_of(record.sample) | entrant.about()
    if isinstance(record, Failure):
        return found | {"error": record.error}
    said = record.prediction
    # Cheap beside prediction, so that another pooling needs no second run.
    found |= {f"score_{pooling}": pool(said.patch_logits, pooling) for pooling in get_args(Pooling)}
    return found | {
        "probability": said.probability,
        "verdict": said.verdict,
        "width": record.shape[1],
        "height": record.shape[0],
        "seconds": record.seconds,
    }
