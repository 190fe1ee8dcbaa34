"""Tables of images: CSV, Parquet, JSON lines; also the index of a built data set, and Hugging Face's metadata files."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from telltale.data.sample import Sample
from telltale.data.vocabulary import LABELS, SPLITS, TRUTH, Labels, label_of, split_of
from telltale.errors import InvalidDataset, require

ENDINGS = (".csv", ".parquet", ".jsonl")
Row = Mapping[str, Any]

# The names each column usually has; the first that a table holds is taken.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file_name", "filename"),
    "label": ("is_fake", "label"),
    "source": ("source",),
    "split": ("split",),
    "group": ("group",),
    "face_x": ("face_x",),
    "face_y": ("face_y",),
    "face_w": ("face_w",),
    "face_h": ("face_h",),
}
# pyarrow's errors are ValueErrors and OSErrors.
_DAMAGE = (OSError, ValueError, csv.Error)
_FACE = ("face_x", "face_y", "face_w", "face_h")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A manifest, the names its columns have, and the words its labels may be."""

    file: Path
    columns: Mapping[str, str]
    labels: Labels


def in_manifest(file: Path, columns: Mapping[str, str], labels: Labels, *, in_folders: bool = False) -> list[Sample]:
    """The samples of a table, in its order; relative paths count from the table's own folder.

    A column of labels holds words (real, fake, manipulated, ...); one called `is_fake` may hold truth values too. An
    empty label, source, split or group means that it is not known, and so does a face box with an empty field.

    Args:
        file: ends in .csv, .parquet or .jsonl.
        columns: names of columns that are not the usual ones.
        labels: further label words.
        in_folders: labels and splits may stand in the paths' folders instead of in columns (Hugging Face imagefolder).

    Raises:
        InvalidDataset: not readable, a column missing, an unknown label or split, a face box that is none.
        MissingExtra: Parquet without the `[evaluate]` extra.
    """
    try:
        rows = iter(_READERS[file.suffix.lower()](file))
        first = next(rows, None)
        if first is None:
            return []
        table = _Table(file=file, columns=_found_columns(file, first, columns, in_folders), labels=labels)
        return [_sample(table, row, number) for number, row in enumerate(_chain(first, rows), start=1)]
    except _DAMAGE as error:
        raise InvalidDataset(
            expected=f"a table of images: {file}", found=f"something else ({error})", do="Check the file."
        ) from error


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _found_columns(file: Path, row: Row, wanted: Mapping[str, str], in_folders: bool) -> dict[str, str]:
    strange = sorted(set(wanted) - set(_USUAL))
    if strange:
        raise InvalidDataset(
            expected=f"names for {', '.join(_USUAL)}", found=f"a name for {', '.join(strange)}", do="Correct the key."
        )
    usual = {key: next((name for name in names if name in row), None) for key, names in _USUAL.items()}
    columns = {key: name for key, name in {**usual, **wanted}.items() if name is not None}
    needed = {"path"} if in_folders else {"path", "label"}
    missing = [columns.get(key, f"one for the {key}") for key in _USUAL if key in needed | set(wanted)]
    missing = [name for name in missing if name not in row]
    if missing:
        raise InvalidDataset(
            expected=f"the column {', '.join(missing)} in {file}",
            found=f"the columns {', '.join(map(str, row)) or 'none'}",
            do="Name the columns: --path-column, --label-column and so on.",
        )
    return columns


def _sample(table: _Table, row: Row, number: int) -> Sample:
    def text(key: str) -> str:
        value = row[table.columns[key]] if key in table.columns else None
        return "" if value is None else str(value)

    if not text("path"):
        raise _wrong(table, number, "a path", "none")
    return Sample(
        path=table.file.parent / text("path"),
        is_fake=_label(table, text("label"), number),
        source=text("source"),
        split=_split(table, text("split"), number),
        group=text("group"),
        face=_face(table, [text(key) for key in _FACE], number),
    )


def _label(table: _Table, word: str, number: int) -> bool | None:
    if not word.strip():
        return None
    found = label_of(word, table.labels)
    if found is None and table.columns["label"] == "is_fake":
        found = TRUTH.get(word.strip().casefold())
    if found is None:
        raise _wrong(
            table,
            number,
            f"a label out of {', '.join((*LABELS, *table.labels))}",
            repr(word),
            do="Say what the word means: --real-label or --fake-label.",
        )
    return found


def _split(table: _Table, word: str, number: int) -> str:
    found = split_of(word) if word.strip() else ""
    if found is None:
        raise _wrong(table, number, f"a split out of {', '.join(SPLITS)}", repr(word))
    return found


def _face(table: _Table, texts: list[str], number: int) -> tuple[float, float, float, float] | None:
    if not all(texts):
        return None
    try:
        x, y, width, height = map(float, texts)
    except ValueError as error:
        raise _wrong(table, number, "a face box of four numbers", ", ".join(map(repr, texts))) from error
    if any(map(math.isnan, (x, y, width, height))):
        return None
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        raise _wrong(table, number, "a face box with a width and height above 0", ", ".join(texts))
    return x, y, width, height


def _wrong(table: _Table, number: int, expected: str, found: str, *, do: str = "Correct the table.") -> InvalidDataset:
    return InvalidDataset(expected=expected, found=f"{found} in row {number} of {table.file}", do=do)


def _read_csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        for row in csv.DictReader(stream, strict=True):
            if None in row or None in row.values():
                raise ValueError(f"a line with more or fewer fields than the header: {list(row.values())}")
            yield row


def _read_jsonl(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"a line that is not an object: {line.strip()}")
            yield row


def _read_parquet(file: Path) -> Iterator[Row]:
    with file.open("rb") as stream:
        for batch in require("pyarrow.parquet", "evaluate").ParquetFile(stream).iter_batches():
            yield from batch.to_pylist()


_READERS = {".csv": _read_csv, ".parquet": _read_parquet, ".jsonl": _read_jsonl}


def table_rows(file: Path) -> Iterator[tuple[Path, Row]]:
    """Every row of a table with the path of its image, as `in_manifest` gives it; a table without paths has none.

    Args:
        file: ends in .csv, .parquet or .jsonl.

    Raises:
        InvalidDataset: not readable.
    """
    try:
        for row in _READERS[file.suffix.lower()](file):
            name = next((name for name in _USUAL["path"] if row.get(name)), None)
            if name is not None:
                yield file.parent / str(row[name]), row
    except _DAMAGE as error:
        raise InvalidDataset(
            expected=f"a table of images: {file}", found=f"something else ({error})", do="Check the file."
        ) from error


def is_metadata(file: Path) -> bool:
    """Whether this is a Hugging Face metadata file: a table with a column `file_name`, or one too damaged to tell."""
    if not file.is_file():
        return False
    try:
        return "file_name" in next(iter(_READERS[file.suffix.lower()](file)), ())
    except _DAMAGE:
        return True


def in_imagefolder(file: Path, root: Path, columns: Mapping[str, str], labels: Labels) -> list[Sample]:
    """The samples of a Hugging Face metadata file; what it does not say, the folders between it and `root` may.

    Raises:
        InvalidDataset: as `in_manifest`, or no label at all.
    """
    samples = [_from_folders(sample, root, labels) for sample in in_manifest(file, columns, labels, in_folders=True)]
    if samples and all(sample.is_fake is None for sample in samples):
        raise InvalidDataset(
            expected="labels in a column `label` or `is_fake`, or in the names of folders",
            found=f"none in {file}",
            do="Name the column with --label-column.",
        )
    return samples


def _from_folders(sample: Sample, root: Path, labels: Labels) -> Sample:
    words = sample.path.relative_to(root).parts[:-1]
    split = next((split for word in words if (split := split_of(word)) is not None), "")
    is_fake = next((label for word in words if (label := label_of(word, labels)) is not None), None)
    return replace(
        sample,
        split=sample.split or split,
        is_fake=is_fake if sample.is_fake is None else sample.is_fake,
    )
