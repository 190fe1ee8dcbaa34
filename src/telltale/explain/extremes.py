"""The easiest and the hardest pictures of each source and label, by a detector's score."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset, require
from telltale.evaluate.evaluation import COLUMNS as EVALUATED
from telltale.evaluate.results import COLUMNS as PREDICTED
from telltale.evaluate.results import read_rows, utf8

End = Literal["easiest", "hardest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One labelled picture and what a detector said of it.

    Attributes:
        sample: the picture; its label is known.
        score: in [0, 1], high means fake; None where there is none.
        error: why there is none; None where there is.
    """

    sample: Sample
    score: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One picture of a gallery.

    Attributes:
        judged: the picture and its score.
        end: "hardest" (the detector was most wrong, or least right), or "easiest".
        rank: from 1, the most extreme.
    """

    judged: Judged
    end: End
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The choice of one source and label.

    Attributes:
        source: "" where unknown.
        label: "real" or "fake".
        count: pictures with a score.
        score: their mean score.
        choices: the hardest, then the easiest, each from the most extreme on.
    """

    source: str
    label: str
    count: int
    score: float
    choices: list[Choice]


def extremes(judged: Iterable[Judged], *, count: int = 12) -> list[Group]:
    """Choose the `count` easiest and `count` hardest of each source and label.

    A fake is easy where its score is high, a real where it is low. Of equal scores the path that sorts first comes
    first at both ends, so that the choice depends on nothing but scores and paths. No picture is at both ends: of a
    source with fewer than twice `count`, the harder half (the larger one) is "hardest".

    Raises:
        InvalidConfig: a count below 1.
        InvalidDataset: no labelled picture with a score.
    """
    if count < 1:
        raise InvalidConfig(expected="at least 1 picture", found=str(count), do="Choose a larger --count.")
    groups: dict[tuple[bool, str], list[Judged]] = {}
    for one in judged:
        if one.score is not None and one.sample.is_fake is not None:
            groups.setdefault((not one.sample.is_fake, one.sample.source), []).append(one)
    if not groups:
        raise InvalidDataset(
            expected="labelled pictures with a score", found="none", do="Check the data, or the scores' column error."
        )
    return [_group(groups[key], count) for key in sorted(groups)]


def _group(found: Sequence[Judged], count: int) -> Group:
    half = len(found) // 2
    hardest = sorted(found, key=lambda one: (_ease(one), str(one.sample.path)))[: min(count, len(found) - half)]
    taken = {id(one) for one in hardest}
    rest = [one for one in found if id(one) not in taken]
    easiest = sorted(rest, key=lambda one: (-_ease(one), str(one.sample.path)))[: min(count, half)]
    ends: tuple[tuple[End, list[Judged]], ...] = (("hardest", hardest), ("easiest", easiest))
    return Group(
        source=found[0].sample.source,
        label="fake" if found[0].sample.is_fake else "real",
        count=len(found),
        score=sum(one.score for one in found if one.score is not None) / len(found),
        choices=[Choice(judged=one, end=end, rank=rank) for end, ones in ends for rank, one in enumerate(ones, 1)],
    )


def _ease(one: Judged) -> float:
    """How right the detector is, in [0, 1]."""
    assert one.score is not None
    return one.score if one.sample.is_fake else 1 - one.score


def is_scores(path: Path) -> bool:
    """Whether a file holds scores that `telltale evaluate` or `predict` wrote, and not a manifest."""
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return False
    names = require("pyarrow.parquet", "evaluate").read_schema(path).names
    return "weights_sha256" in names


def from_scores(path: Path, detector: Detector) -> list[Judged]:
    """One detector's rows of the `scores.parquet` that `telltale evaluate` wrote, by the detector's own pooling.

    Paths are as the evaluation was given them, relative to where it ran.

    Raises:
        InvalidConfig: scores without labels (`telltale predict`), of other weights, or a damaged file.
    """
    rows = list(read_rows(path, columns=EVALUATED))
    if not rows or not {"is_fake", "source", "pooling"} <= rows[0].keys():
        found = "scores of `telltale predict`, which knows no labels" if _is_predicted(rows) else "another file"
        raise InvalidConfig(
            expected=f"scores of `telltale evaluate`, with labels and sources: {path}",
            found=found,
            do="Give the labelled data instead, or evaluate it first.",
        )
    mine = [row for row in rows if row["weights_sha256"] == detector.sha256]
    if not mine:
        there = sorted({f"{row['detector']} ({str(row['weights_sha256'])[:12]})" for row in rows})
        raise InvalidConfig(
            expected=f"scores of the weights {detector.sha256[:12]} ({detector.spec.name}): {path}",
            found=", ".join(there),
            do="Name the detector that they are of with --detector.",
        )
    engines = sorted({str(row["engine"]) for row in mine})
    return [_judged(row) for row in mine if row["engine"] == engines[0]]


def _is_predicted(rows: Sequence[dict[str, Any]]) -> bool:
    return bool(rows) and rows[0].keys() >= PREDICTED.keys()


def _judged(row: dict[str, Any]) -> Judged:
    sample = Sample(
        path=Path(row["path"]), is_fake=row["is_fake"], source=row["source"] or "", split=row["split"] or ""
    )
    score = None if row["error"] is not None else row[f"score_{row['pooling']}"]
    return Judged(sample=sample, score=score, error=row["error"])


def from_kept(path: Path, samples: Sequence[Sample]) -> list[Judged]:
    """What `keep_scores` wrote of these samples; unlabelled ones are left out.

    Raises:
        InvalidConfig: no such file, or a damaged one.
    """
    rows = {row["path"]: row for row in read_rows(path)}
    found = []
    for sample in samples:
        if sample.is_fake is not None:
            row = rows.get(utf8(str(sample.path)), {"score": None, "error": "no score"})
            found.append(Judged(sample=sample, score=row["score"], error=row["error"]))
    return found
