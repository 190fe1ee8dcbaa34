"""One row for each picture or video and detector of a run folder, and which of them tell most."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from telltale.data.video_file import ENDINGS as VIDEOS
from telltale.evaluate import evaluation, results
from telltale.evaluate.results import read_rows
from telltale.explain.report_words import finite, spelled

PREDICTIONS = frozenset(results.COLUMNS)
SCORES = frozenset(evaluation.COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What one detector says of one picture or video.

    Attributes:
        path: of the picture, as the file has it.
        source: the generator or camera dataset; "" where unknown.
        label: real or fake; "" where unknown.
        detector, weights: its name and the sha256 of its weights file.
        score, probability: in [0, 1], fake high; None where there is none.
        verdict: one of the three; "" for a detector without thresholds, and for a failure.
        strongest: P(fake) of the most fake-looking patch, in [0, 1]; None where unknown.
        window: (x, y, width, height) of that patch in pixels of the decoded picture; None where unknown.
        shape: (height, width) of the decoded picture, pixels; None where unknown.
        image_sha256: of the file's bytes; "" where unknown.
        error: why there is no score, or what could not be read of a video that has one; "" for neither.
        is_video: a row of means over a video, of which there is no one picture.
        file: where this was read.
    """

    path: str
    source: str = ""
    label: str = ""
    detector: str
    weights: str
    score: float | None = None
    probability: float | None = None
    verdict: str = ""
    strongest: float | None = None
    window: tuple[int, int, int, int] | None = None
    shape: tuple[int, int] | None = None
    image_sha256: str = ""
    error: str = ""
    is_video: bool = False
    file: Path

    @property
    def value(self) -> float | None:
        """What pictures are ranked by: the probability, or the score of a detector that nobody calibrated."""
        return self.score if self.probability is None else self.probability

    @property
    def is_wrong(self) -> bool:
        """Whether the verdict contradicts the label."""
        return (self.label, self.verdict) in (("real", "likely generated"), ("fake", "likely real"))


def predictions(path: Path) -> list[VerdictRow]:
    """The rows of a file that `telltale predict --out` wrote.

    Raises:
        InvalidConfig, MissingExtra: as `read_rows`.
        ValueError: a field of another kind than the command writes.
    """
    return [_row(row, path, score=row["score"]) for row in read_rows(path)]


def scores(path: Path) -> list[VerdictRow]:
    """The rows of the scores that `telltale evaluate` kept; raises as `predictions`."""
    found = []
    for row in read_rows(path, columns=evaluation.COLUMNS):
        one = _row(row, path, score=row.get(f"score_{row['pooling']}"))
        label = "" if row["is_fake"] is None else "fake" if row["is_fake"] else "real"
        found.append(replace(one, label=label, source=_text(row["source"]), image_sha256=_text(row["image_sha256"])))
    return found


def _row(row: Mapping[str, Any], path: Path, *, score: Any) -> VerdictRow:
    """What both kinds of files hold."""
    size = (_whole(row["height"]), _whole(row["width"]))
    return VerdictRow(
        path=_text(row["path"]),
        detector=_text(row["detector"]),
        weights=_text(row["weights_sha256"]),
        score=finite(score),
        probability=finite(row["probability"]),
        verdict=_text(row["verdict"]),
        strongest=finite(row.get("strongest_patch")),
        window=_window(row.get("strongest_window")),
        shape=None if None in size else size,  # type: ignore[arg-type]
        error=_text(row["error"]),
        # Earlier versions did not say how frames were chosen, and of a failure nobody does.
        is_video=bool(row.get("every_seconds")) or Path(_text(row["path"])).suffix.lower() in VIDEOS,
        file=path,
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _whole(value: Any) -> int | None:
    number = finite(value)
    return None if number is None else int(number)


def _window(value: Any) -> tuple[int, int, int, int] | None:
    """Four whole numbers; a CSV file holds them as JSON."""
    found = json.loads(value) if isinstance(value, str) and value else value
    if not found:
        return None
    if not isinstance(found, list) or len(found) != 4:
        raise ValueError(f"{value!r} where a window (x, y, width, height) is expected")
    x, y, width, height = (int(finite(one) or 0) for one in found)
    return x, y, width, height


# Where `extremes.csv` names a picture that could not be scored.
_FAILED = "failed"


def joined(rows: Iterable[VerdictRow], extremes: Iterable[Mapping[str, Any]] = ()) -> tuple[list[VerdictRow], int]:
    """Each picture once for each detector, with what every file knows of it.

    An evaluation knows label and source, a prediction where the strongest patch lies: rows of the same path and the
    same weights are made one. Label and source of a path hold for all detectors.

    Args:
        rows: of all files.
        extremes: rows of `extremes.csv`, which know path, label and source.

    Returns:
        The rows in the order in which their pictures first came, and how many were joined to another.
    """
    everything = list(rows)
    known = {str(row["path"]): (str(row["label"]), str(row["source"] or "")) for row in extremes}
    known |= {row.path: (row.label, row.source) for row in everything if row.label or row.source}
    found: dict[tuple[str, str], VerdictRow] = {}
    for row in everything:
        key = (row.path, row.weights)
        found[key] = _filled(found[key], row) if key in found else row
    labelled = [
        row
        if row.label or row.source or row.path not in known
        else replace(row, label=known[row.path][0], source=known[row.path][1])
        for row in found.values()
    ]
    return labelled, len(everything) - len(labelled)


def _filled(first: VerdictRow, second: VerdictRow) -> VerdictRow:
    """The row that holds a score, the first if both do, with what only the other one knows."""
    kept, other = (second, first) if first.error and not second.error else (first, second)
    return replace(
        kept,
        strongest=other.strongest if kept.strongest is None else kept.strongest,
        window=kept.window or other.window,
        shape=kept.shape or other.shape,
        image_sha256=kept.image_sha256 or other.image_sha256,
        label=kept.label or other.label,
        source=kept.source or other.source,
    )


WHY = ("highest", "lowest", "nearest to 0.5")


def informative(rows: Sequence[VerdictRow], extremes: Iterable[Mapping[str, Any]] = ()) -> list[tuple[int, str]]:
    """The order in which pictures are shown where there is no room for all.

    First those that `extremes.csv` names, if there is one, by rank. Then of each detector, source and label in turn:
    the highest, the lowest, the one nearest to 0.5, then the next of each.

    Returns:
        (place in `rows`, which of `WHY`, or what `extremes.csv` says) of every row with a score, each once; of equals,
        the first path.
    """
    named = {str(row["path"]): row for row in extremes if row["end"] != _FAILED}
    first = [
        (finite(named[row.path]["rank"]) or 0, place, f"{named[row.path]['end']} {named[row.path]['rank']}")
        for place, row in enumerate(rows)
        if row.path in named and row.value is not None
    ]
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row.value is not None and row.path not in named:
            groups.setdefault((row.weights, row.source, row.label), []).append(place)
    turns = zip_longest(*(_within(rows, groups[key]) for key in sorted(groups)))
    rest = [one for turn in turns for one in turn if one is not None]
    return [*((place, spelled(why)) for _, place, why in sorted(first)), *rest]


def _within(rows: Sequence[VerdictRow], places: Sequence[int]) -> Iterator[tuple[int, str]]:
    """One group, the three ends in turn."""
    value = {place: rows[place].value or 0.0 for place in places}
    orders = (
        sorted(places, key=lambda place: (-value[place], rows[place].path)),
        sorted(places, key=lambda place: (value[place], rows[place].path)),
        sorted(places, key=lambda place: (abs(value[place] - 0.5), rows[place].path)),
    )
    taken: set[int] = set()
    for place, why in chain.from_iterable(
        zip((high, low, near), WHY, strict=True) for high, low, near in zip(*orders, strict=True)
    ):
        if place not in taken:
            taken.add(place)
            yield place, why


def kinds(rows: Iterable[VerdictRow]) -> str:
    """What rows are of, in the plural."""
    found = {row.is_video for row in rows}
    return "pictures and videos" if len(found) > 1 else "videos" if True in found else "pictures"


def shared_folder(paths: Sequence[str]) -> str:
    """What every path begins with, up to a slash; "" where that is nothing."""
    if not paths:
        return ""
    low, high = min(paths), max(paths)
    length = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    return low[: low.rfind("/", 0, length) + 1]


def shown(row: VerdictRow, folder: str) -> str:
    """A row's path without the folder that all share."""
    return spelled(row.path.removeprefix(folder))
