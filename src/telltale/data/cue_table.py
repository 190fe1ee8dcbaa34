"""The cues of many files as one table, read in parallel, one record for each file."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray

from telltale.data.cues import BY_NAME, CUES, Value, container_cues, name_cues
from telltale.data.formats import format_facts, luminance_steps
from telltale.data.perceptual import perceptual_hash
from telltale.data.pixel_cues import pixel_cues
from telltale.data.pool import in_processes
from telltale.data.sample import Sample
from telltale.errors import TelltaleError
from telltale.image import decode

_DAY = 86_400.0
# Below this many files, starting processes takes longer than the work.
_WORTH_PROCESSES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one file gives.

    Attributes:
        cues: name -> value, None where the file has no such thing.
        file_hash: sha256 of the file.
        pixel_hash: sha256 of shape and pixels: equal for one picture in two lossless files.
        look: perceptual hash.
        failure: why there is nothing else; "" where all went well.
    """

    cues: dict[str, Value]
    file_hash: str = ""
    pixel_hash: str = ""
    look: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CueTable:
    """Files with their labels and cues; every array is of length n.

    Attributes:
        is_fake: labels.
        source: the generator or camera dataset.
        group: what belongs together; "" where unknown.
        columns: cue -> float64 with NaN where missing, or words with "" where missing.
    """

    is_fake: Bool[np.ndarray, " n"]
    source: Shaped[np.ndarray, " n"]
    group: Shaped[np.ndarray, " n"]
    columns: dict[str, Shaped[np.ndarray, " n"]]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "CueTable":
        """The chosen rows."""
        return CueTable(
            is_fake=self.is_fake[chosen],
            source=self.source[chosen],
            group=self.group[chosen],
            columns={name: column[chosen] for name, column in self.columns.items()},
        )

    def relabelled(self, is_fake: NDArray[np.bool_]) -> "CueTable":
        """The same rows under other labels, such as one source against another."""
        return CueTable(is_fake=is_fake, source=self.source, group=self.group, columns=self.columns)


def read_record(sample: Sample) -> Record:
    """The cues of one file; a file that cannot be read becomes a record with a failure."""
    try:
        data = sample.read()
        with warnings.catch_warnings():
            # A damaged profile or EXIF block is ignored by `decode`, and here it is a cue like any other.
            warnings.simplefilter("ignore")
            facts = format_facts(data, name=str(sample.path))
            steps = luminance_steps(data)
            pixels = decode(data, name=str(sample.path))
    except TelltaleError as error:
        return Record(cues={}, failure=str(error))
    stored = sample.data is None and sample.member is None
    cues: dict[str, Value] = {
        **container_cues(facts),
        **pixel_cues(pixels, steps=steps),
        **name_cues(sample.path, sample.path.stat().st_mtime if stored else None),
    }
    return Record(
        cues=cues,
        file_hash=hashlib.sha256(data).hexdigest(),
        pixel_hash=hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        look=perceptual_hash(pixels),
    )


def read_records(
    samples: Sequence[Sample], *, workers: int = 1, visit: Callable[[], None] | None = None
) -> list[Record]:
    """A record for each sample, in order.

    Args:
        samples: the files.
        workers: processes.
        visit: called after each file.

    Raises:
        InvalidConfig: a worker process died.
    """
    records = [Record(cues={})] * len(samples)
    used = 1 if len(samples) < _WORTH_PROCESSES else workers
    for number, record in in_processes(_reader, enumerate(samples), used):
        records[number] = record
        if visit is not None:
            visit()
    return records


def _reader() -> Callable[[tuple[int, Sample]], tuple[int, Record]]:
    return _numbered


def _numbered(task: tuple[int, Sample]) -> tuple[int, Record]:
    """Processes hand on what they have as soon as it is done, so every record carries its place."""
    return task[0], read_record(task[1])


def cue_table(samples: Sequence[Sample], records: Sequence[Record]) -> CueTable:
    """Labelled samples and their records, none of them a failure, as columns."""
    columns = {cue.name: _column(cue.name, [record.cues[cue.name] for record in records]) for cue in CUES}
    columns["modified"] = _days(np.asarray(columns["modified"], np.float64))
    return CueTable(
        is_fake=np.array([bool(sample.is_fake) for sample in samples], dtype=bool),
        source=np.array([sample.source for sample in samples], dtype=np.str_),
        group=np.array([sample.group for sample in samples], dtype=np.str_),
        columns=columns,
    )


def _column(name: str, values: Sequence[Value]) -> Shaped[np.ndarray, " n"]:
    if BY_NAME[name].kind == "category":
        return np.array(["" if value is None else str(value) for value in values], dtype=np.str_)
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _days(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole days after the oldest: within a day lies the time it took to copy the files, one folder after another."""
    known = seconds[~np.isnan(seconds)]
    return np.floor((seconds - known.min()) / _DAY) if known.size else seconds
