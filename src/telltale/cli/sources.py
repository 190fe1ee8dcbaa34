"""Which pictures the words of a command line mean."""

import csv
import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

from telltale.data.sample import Sample
from telltale.data.video_file import is_video
from telltale.errors import InvalidConfig, require
from telltale.evaluate.results import utf8

# What `telltale predict FOLDER` looks at; a file named on the command line is tried whatever its ending.
ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
)
LISTS = (".txt", ".csv", ".parquet")


def find(words: list[str], *, videos: bool = False) -> Iterator[Sample]:
    """The pictures behind each word: a file, folder, glob, list, or - for standard input.

    Every word is looked at before the first picture is handed on; lists are then read line by line.

    Args:
        words: as on the command line.
        videos: whether folders are searched for videos, too.

    Raises:
        InvalidConfig: a word that names nothing, or a list that cannot be read or has no paths.
    """
    return chain.from_iterable([_behind(word, videos=videos) for word in words])


def is_one_folder(words: list[str]) -> bool:
    """Whether all pictures come out of one folder, in which no file is twice."""
    return len(words) == 1 and os.path.isdir(words[0])  # noqa: PTH112 (Path.is_dir raises where a name is too long)


@dataclass(slots=True)
class Once:
    """Hands on each file once, under the first of its spellings.

    A link is a file of its own: whoever made it wants a row of that name.

    Attributes:
        done: paths, as results have them, of what is finished and not handed on at all.
        remembers: whether files may come again; where not, as out of one folder, memory does not grow with them.
        again: how many were named again.
        example: the first of them.
    """

    done: set[str]
    remembers: bool = True
    again: int = 0
    example: str = ""
    _seen: set[str] = field(default_factory=set)

    def of(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Read lazily; what came through standard input has no path to be known by."""
        self._seen.update(_place(Path(name)) for name in self.done)
        for sample in samples:
            if sample.data is not None:
                yield sample
            elif utf8(str(sample.path)) not in self.done:
                place = _place(sample.path)
                if place in self._seen:
                    self.again += 1
                    self.example = self.example or str(sample.path)
                else:
                    if self.remembers:
                        self._seen.add(place)
                    yield sample


def _place(path: Path) -> str:
    # Absolute before it is remembered: the working folder may change.
    folder = os.path.join(os.getcwd(), path.parent)  # noqa: PTH109, PTH118 (a null character is left alone)
    return os.path.join(_resolved(folder), path.name)  # noqa: PTH118 (a name may be ..)


@lru_cache(maxsize=1024)
def _resolved(folder: str) -> str:
    # A path with a null character, which no disk knows, becomes a failed row later.
    return folder if "\0" in folder else os.path.realpath(folder)


def _behind(word: str, *, videos: bool) -> Iterator[Sample]:
    if not word:
        raise InvalidConfig(expected="a path", found="an empty word", do="Check the variable it came from.")
    if word == "-":
        return _standard_input(sys.stdin.buffer.read())
    path = Path(word)
    if os.path.isdir(word):  # noqa: PTH112 (Path.is_dir raises where a name is too long or a folder closed)
        return (Sample(path=found) for found in _in_folder(path, videos=videos))
    if path.suffix.lower() in LISTS and path.is_file():
        return (Sample(path=path.parent / found) for found in _in_list(path))
    # A file that is not there becomes a failed row: one wrong name must not stop the others.
    if os.path.lexists(word) or not glob.has_magic(word):
        return iter([Sample(path=path)])
    return _in_glob(word)


def _in_folder(folder: Path, *, videos: bool) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if (path.suffix.lower() in ENDINGS or (videos and is_video(path))) and path.is_file()
    )


def _in_glob(pattern: str) -> Iterator[Sample]:
    found = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207
    if not found:
        raise InvalidConfig(expected="a pattern that matches pictures", found=pattern, do="Check the pattern.")
    return (Sample(path=Path(path)) for path in found)


def _in_list(path: Path) -> Iterator[str]:
    """Paths as the list has them, relative to its own folder; the list's head is read at once, the rest as needed."""
    read: Callable[[Path], Iterator[str]] = {".txt": _in_txt, ".csv": _in_csv, ".parquet": _in_parquet}[
        path.suffix.lower()
    ]
    paths = _readable(read(path), path)
    return chain([first] if (first := next(paths, None)) is not None else [], paths)


def _readable(paths: Iterator[str], path: Path) -> Iterator[str]:
    try:
        yield from paths
    # pyarrow's errors are ValueErrors and OSErrors.
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidConfig(
            expected=f"a list of paths: {path}", found=f"something else ({error})", do="Check the file."
        ) from error


def _in_txt(path: Path) -> Iterator[str]:
    """One path a line, spaces included; a path that is not valid UTF-8 keeps its bytes."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as stream:
        for line in stream:
            if "\0" in line:
                raise ValueError("null characters, as in UTF-16: save it as UTF-8")
            if line.strip():
                yield line.rstrip("\r\n")


def _in_csv(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.DictReader(stream)
        _has_paths(path, reader.fieldnames or [])
        for row in reader:
            yield _named(row["path"], f"line {reader.line_num}")


def _in_parquet(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        table = require("pyarrow.parquet", "evaluate").ParquetFile(stream)
        _has_paths(path, table.schema_arrow.names)
        for batch in table.iter_batches(columns=["path"]):
            for found in batch.to_pydict()["path"]:
                yield _named(found, "a row")


def _named(found: object, where: str) -> str:
    if not isinstance(found, str) or not found:
        raise ValueError(f"{where} without a path")
    return found


def _has_paths(path: Path, columns: Sequence[str]) -> None:
    if "path" not in columns:
        raise InvalidConfig(
            expected="a column named 'path'",
            found=f"{', '.join(columns) or 'no columns'} in {path}",
            do="Rename the column.",
        )


def _standard_input(data: bytes) -> Iterator[Sample]:
    """One picture, or one path a line: paths hold no null character, and hardly a picture goes without one for long."""
    if b"\0" in data[:4096] or data.startswith((b"\xff\xd8", b"\x89PNG", b"P5\n", b"P6\n")):
        return iter([Sample(path=Path("-"), data=data)])
    lines = (os.fsdecode(line.rstrip(b"\r")) for line in data.split(b"\n"))
    return (Sample(path=Path(line)) for line in lines if line.strip())
