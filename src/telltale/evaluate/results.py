"""Files of results that survive interruption: JSON lines, CSV or Parquet.

While a run is going its rows are appended to a journal of JSON lines beside the file. When the run ends, also by
Ctrl-C, the journal becomes the file, under a temporary name first. After a kill the journal remains, and a resumed run
reads it.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from telltale.errors import InvalidConfig, require

Row = dict[str, Any]
Kind = Literal["jsonl", "csv", "parquet"]


class ResultFile:
    """Rows on their way into a file; use it as a context manager.

    Args:
        path: ends in .jsonl, .csv or .parquet.
        resume: keep the rows of an earlier run; without it an existing file or journal is refused, never overwritten.

    Raises:
        InvalidConfig: another ending, or the file exists and `resume` is False.
        MissingExtra: Parquet without the `[evaluate]` extra, said before anything is scored.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
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
        path.parent.mkdir(parents=True, exist_ok=True)
        self._kept = [row for row in self._earlier() if row.get("error") is None]

    @property
    def kept(self) -> list[Row]:
        """Rows of an earlier run that stand; its failures are tried again."""
        return list(self._kept)

    def __enter__(self) -> "ResultFile":
        """Start the journal with the rows that are kept."""
        temporary = self.journal.with_name(self.journal.name + ".new")
        _write_jsonl(temporary, self._kept)
        temporary.replace(self.journal)
        self._stream = self.journal.open("a", encoding="utf-8")
        return self

    def add(self, row: Row) -> None:
        """Append one row; it is on its way to the disk before this returns."""
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn the journal into the file, whatever ended the run."""
        self._stream.close()
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        _WRITERS[self.kind](temporary, _read_jsonl(self.journal))
        temporary.replace(self.path)
        self.journal.unlink()

    def _earlier(self) -> Iterator[Row]:
        """The journal of a killed run holds everything its run knew, so it outranks the file."""
        if self.journal.exists():
            yield from _read_jsonl(self.journal)
        elif self.path.exists():
            yield from read_rows(self.path)


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a results file of any of the three kinds.

    Raises:
        InvalidConfig: another ending.
    """
    kind = _kind(path)
    if kind == "jsonl":
        yield from _read_jsonl(path)
    elif kind == "csv":
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                yield {key: _value(text) for key, text in row.items()}
    else:
        for batch in require("pyarrow.parquet", "evaluate").ParquetFile(path).iter_batches():
            yield from batch.to_pylist()


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


def _value(text: str | None) -> Any:
    """CSV holds text only: what reads as JSON is the value, anything else is the text itself."""
    if text is None or text == "":
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read_jsonl(path: Path) -> Iterator[Row]:
    """A line without its end is what a kill left of the last row: it is not a row."""
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n") and line.strip():
                yield json.loads(line)


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(stream, fieldnames=list(row))
                writer.writeheader()
            writer.writerow(
                {key: json.dumps(value) if isinstance(value, list) else value for key, value in row.items()}
            )


def _write_parquet(path: Path, rows: Iterable[Row]) -> None:
    """Row groups of bounded size, one schema; a column that is empty throughout a group keeps its type."""
    arrow, parquet = require("pyarrow", "evaluate"), require("pyarrow.parquet", "evaluate")
    schema = arrow.schema([(name, _arrow_type(arrow, name)) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[Row] = []
        for row in rows:
            group.append(row)
            if len(group) == 50_000:
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
                group = []
        writer.write_table(arrow.Table.from_pylist(group, schema=schema))


_WRITERS = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}

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


def _arrow_type(arrow: Any, name: str) -> Any:
    kind = COLUMNS[name]
    return arrow.list_(arrow.int64()) if kind == "list" else getattr(arrow, kind)()
