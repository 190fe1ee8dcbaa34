"""Files of results that survive interruption: JSON lines, CSV or Parquet.

While a run is going its rows are appended to a journal of JSON lines beside the file. When the run ends, also by
Ctrl-C, the journal becomes the file, under a temporary name first. After a kill the journal remains, and a resumed run
reads it.
"""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from telltale.errors import InvalidConfig, require

Row = dict[str, Any]
Kind = Literal["jsonl", "csv", "parquet"]

# What a field of a CSV file holds as JSON.
_NESTED = (list, dict, bool)
# Rows of a Parquet file held in memory at a time.
_GROUP = 50_000

# The columns of a file of predictions, in order, with their type.
COLUMNS = {
    "path": "string",
    "score": "float64",
    "probability": "float64",
    "verdict": "string",
    "patch_logits_shape": "list",
    "strongest_patch": "float64",
    "strongest_window": "list",
    "width": "int64",
    "height": "int64",
    "seconds": "float64",
    "detector": "string",
    "weights_sha256": "string",
    "telltale_version": "string",
    "error": "string",
}
# What `telltale predict` adds, whose rows may be videos'; None for a picture. How the frames of a video were chosen:
CHOICE = {"every_seconds": "float64", "looked_at": "string"}
# What its moments come to besides the mean; `video` is all of it, nested, which CSV and Parquet hold as text.
FILM = {"top_tenth": "float64", "max": "float64", "most_fake_at": "float64", "face": "int64", "video": "json"}
PREDICTED = {**COLUMNS, **CHOICE, **FILM}


class ResultFile:
    """Rows of predictions, as `telltale.evaluate.scoring.row` makes them, on their way into a file.

    Use it as a context manager.

    Args:
        path: ends in .jsonl, .csv or .parquet.
        resume: keep the rows of an earlier run; without it an existing file or journal is refused, never overwritten.
        columns: of the rows, in order, with their types; one of them is `error`.
        added: those that files of earlier versions may lack; they are None there.

    Raises:
        InvalidConfig: another ending, the file exists and `resume` is False, what is to be resumed is damaged, or a
            file stands where its folder should be.
        MissingExtra: Parquet without the `[evaluate]` extra, said before anything is scored.
    """

    def __init__(
        self,
        path: Path,
        *,
        resume: bool = False,
        columns: Mapping[str, str] = COLUMNS,
        added: Collection[str] = (),
    ) -> None:
        self.path = path
        self.columns = columns
        self.added = added
        self.kind = _kind(path)
        self.journal = path.with_name(path.name + ".partial")
        if self.kind == "parquet":
            require("pyarrow", "evaluate")
        if not resume and (path.exists() or self.journal.exists()):
            raise InvalidConfig(
                expected=f"a new file, so that no earlier result is lost: {path}",
                found=f"results there already ({path.name if path.exists() else self.journal.name})",
                do="Add --resume to go on with it, or choose another name.",
            )
        make_folder(path.parent)
        self._begun = self.journal.with_name(self.journal.name + ".new")

    def check_writable(self) -> None:
        """For a run with several files: what cannot be written is said before any of them is begun, and left empty.

        Raises:
            OSError: no file can be written there.
        """
        self._begun.touch()
        self._begun.unlink()

    def kept(self) -> Iterator[Row]:
        """Rows of an earlier run that stand, read from the disk; its failures are tried again.

        Raises:
            InvalidConfig: the earlier results are damaged, or not rows of predictions.
        """
        return (row for row in self.earlier() if row["error"] is None)

    def earlier(self) -> Iterator[Row]:
        """All rows of an earlier run, its failures, too.

        Raises:
            InvalidConfig: as for `kept`.
        """
        # The journal of a killed run holds everything its run knew, so it outranks the file.
        earlier = self.journal if self.journal.exists() else self.path
        kind: Kind = "jsonl" if earlier is self.journal else self.kind
        for row in _read(earlier, kind, self.columns) if earlier.exists() else ():
            if not self.columns.keys() - self.added <= row.keys() <= self.columns.keys():
                raise _unreadable(earlier, f"columns {', '.join(map(str, row))} instead of {', '.join(self.columns)}")
            yield {name: row.get(name) for name in self.columns}

    def __enter__(self) -> "ResultFile":
        """Start the journal with the rows that are kept."""
        _write_jsonl(self._begun, self.kept(), self.columns)
        self._begun.replace(self.journal)
        self._stream = self.journal.open("a", encoding="utf-8")
        return self

    def add(self, row: Row) -> None:
        """Append one row; it is on its way to the disk before this returns.

        Raises:
            ValueError: other columns than the file's, which it could not hold.
        """
        if row.keys() != self.columns.keys():
            raise ValueError(f"expected the columns {list(self.columns)}, found {list(row)}")
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn the journal into the file, whatever ended the run."""
        self._stream.close()
        write_rows(self.path, _read_jsonl(self.journal, self.columns), columns=self.columns)
        self.journal.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it; one that is there already stays as it is.

    Raises:
        InvalidConfig: a file has the name of the folder, or of one above it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidConfig(
            expected=f"a folder, new or there already: {folder}",
            found="a file of this name, or of one of the folders above it",
            do="Name another place, or move the file.",
        ) from error


def read_rows(path: Path, *, columns: Mapping[str, str] = COLUMNS) -> Iterator[Row]:
    """Rows of a results file of any of the three kinds.

    Args:
        path: of the file.
        columns: their types, which a CSV file does not say.

    Raises:
        InvalidConfig: another ending, a missing file, or one that is damaged or holds something else.
    """
    yield from _read(path, _kind(path), columns)


def write_rows(path: Path, rows: Iterable[Row], *, columns: Mapping[str, str] = COLUMNS) -> None:
    """Write all rows at once, under a temporary name first; what was there is replaced.

    Raises:
        InvalidConfig: another ending.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        _WRITERS[_kind(path)](temporary, rows, columns)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def utf8(text: str) -> str:
    """The text with the bytes of a path that is not valid UTF-8 spelled out, as Parquet and terminals need it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _read(path: Path, kind: Kind, columns: Mapping[str, str]) -> Iterator[Row]:
    try:
        yield from _READERS[kind](path, columns)
    # pyarrow's errors are ValueErrors and OSErrors.
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> InvalidConfig:
    return InvalidConfig(
        expected=f"a file of results: {path}", found=f"something else ({why})", do="Name another file, or delete it."
    )


def _kind(path: Path) -> Kind:
    kind = path.suffix.lstrip(".").lower()
    for known in get_args(Kind):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise InvalidConfig(
        expected=f"a file ending in {', '.join('.' + known for known in get_args(Kind))}",
        found=str(path),
        do="Rename it.",
    )


def _read_jsonl(path: Path, _columns: Mapping[str, str]) -> Iterator[Row]:
    """A line without its end is what a kill left of the last row: it is not a row."""
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n") and line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"a line that is not an object: {row!r}")
                yield row


def _read_csv(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    """CSV holds text only, so the columns' types say what is a number: a path may be `1.0` or `null`."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        for row in csv.DictReader(stream, strict=True):
            if None in row or None in row.values():
                raise ValueError(f"a line with more or fewer fields than the header: {list(row.values())}")
            yield {name: _value(text, columns.get(name, "string")) for name, text in row.items()}


def _value(text: str, kind: str) -> Any:
    """An empty field is None; a nested one is JSON, as a number is."""
    return (text or None) if kind == "string" or not text else json.loads(text)


def _read_parquet(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    nested = {name for name, kind in columns.items() if kind == "json"}
    with path.open("rb") as stream:
        for batch in require("pyarrow.parquet", "evaluate").ParquetFile(stream).iter_batches():
            for row in batch.to_pylist():
                yield {name: json.loads(value) if value and name in nested else value for name, value in row.items()}


def _write_jsonl(path: Path, rows: Iterable[Row], _columns: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[Row], columns: Mapping[str, str]) -> None:
    """A path that is not valid UTF-8 keeps its bytes."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(columns))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: json.dumps(one) if isinstance(one, _NESTED) else one for name, one in row.items()})


def _write_parquet(path: Path, rows: Iterable[Row], columns: Mapping[str, str]) -> None:
    """Row groups of bounded size, one schema; a column that is empty throughout a group keeps its type."""
    arrow, parquet = require("pyarrow", "evaluate"), require("pyarrow.parquet", "evaluate")
    schema = arrow.schema([(name, _arrow_type(arrow, kind)) for name, kind in columns.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[Row] = []
        for row in rows:
            group.append({name: _storable(value) for name, value in row.items()})
            if len(group) == _GROUP:
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
                group = []
        writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value)
    return utf8(value) if isinstance(value, str) else value


_READERS = {"jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet}
_WRITERS = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}


def _arrow_type(arrow: Any, kind: str) -> Any:
    if kind == "list":
        return arrow.list_(arrow.int64())
    return arrow.string() if kind == "json" else getattr(arrow, kind)()
