"""Which pictures the words of a command line mean."""

import csv
import glob
import sys
from collections.abc import Iterator
from pathlib import Path

from telltale.data.samples import Sample
from telltale.errors import InvalidConfig, require

# What `telltale predict FOLDER` looks at; a file named on the command line is tried whatever its ending.
ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
)
LISTS = (".txt", ".csv", ".parquet")
# First bytes of the formats `decode` reads; no path begins like this.
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")


def find(words: list[str]) -> Iterator[Sample]:
    """The pictures behind each word: a file, folder, glob, list, or - for standard input.

    Raises:
        InvalidConfig: a word that names nothing, or a list without paths.
    """
    for word in words:
        if word == "-":
            yield from _standard_input(sys.stdin.buffer.read())
        elif (path := Path(word)).is_dir():
            yield from (Sample(path=found) for found in _in_folder(path))
        elif path.suffix.lower() in LISTS and path.is_file():
            yield from (Sample(path=found) for found in _in_list(path))
        elif path.exists() or not glob.has_magic(word):
            # A file that is not there becomes a failed row: one wrong name must not stop the others.
            yield Sample(path=path)
        else:
            yield from _in_glob(word)


def _in_folder(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def _in_glob(pattern: str) -> Iterator[Sample]:
    found = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207
    if not found:
        raise InvalidConfig(expected="a pattern that matches pictures", found=pattern, do="Check the pattern.")
    yield from (Sample(path=Path(path)) for path in found)


def _in_list(path: Path) -> Iterator[Path]:
    """Relative paths are relative to the list's own folder."""
    if path.suffix.lower() == ".txt":
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from (path.parent / line.strip() for line in lines if line.strip())
        return
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            _has_paths(path, reader.fieldnames or [])
            yield from (path.parent / row["path"] for row in reader)
        return
    table = require("pyarrow.parquet", "evaluate").ParquetFile(path)
    _has_paths(path, table.schema_arrow.names)
    for batch in table.iter_batches(columns=["path"]):
        yield from (path.parent / found for found in batch.to_pydict()["path"])


def _has_paths(path: Path, columns: object) -> None:
    if "path" not in list(columns):  # type: ignore[call-overload]
        raise InvalidConfig(expected="a column named 'path'", found=f"{columns} in {path}", do="Rename the column.")


def _standard_input(data: bytes) -> Iterator[Sample]:
    if data.startswith(_PICTURES) or data[4:8] == b"ftyp":
        yield Sample(path=Path("-"), data=data)
        return
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidConfig(
            expected="one picture, or one path a line, on standard input",
            found=f"{len(data):,} bytes that are neither ({error})",
            do="Write the data to a file and name it.",
        ) from error
    yield from (Sample(path=Path(line.strip())) for line in lines if line.strip())
