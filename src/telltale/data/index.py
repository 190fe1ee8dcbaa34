"""The files of a built data set: `index.parquet`, `dataset.json`, and the journal of a build that is under way."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import __version__ as pillow_version

from telltale.data.formats import FormatFacts
from telltale.data.making import Row
from telltale.data.settings import BuildSettings
from telltale.errors import InvalidConfig, require

INDEX, ABOUT, JOURNAL = "index.parquet", "dataset.json", "build.partial.jsonl"

# What a built picture is, then what is known of its file and original. The second part knows no label.
_SAMPLE = {
    "path": "string",
    "is_fake": "bool_",
    "source": "string",
    "split": "string",
    "group": "string",
    "original_path": "string",
    "original_group": "string",
    "twin_of": "string",
}
_KINDS: Mapping[Any, str] = {str: "string", int: "int64", int | None: "int64", bool: "bool_"}
FACTS = {
    "sha256": "string",
    "built_sha256": "string",
    **{f"original_{fact.name}": _KINDS[fact.type] for fact in fields(FormatFacts)},
    "crop_x": "int64",
    "crop_y": "int64",
    "crop_width": "int64",
    "crop_height": "int64",
    "face": "string",
    "quality": "int64",
    "seed": "int64",
    "perceptual_hash": "string",
    "notes": "string",
}
COLUMNS = {**_SAMPLE, "key": "string", **FACTS}


class Journal:
    """Facts of the files built so far, on disk line by line, so that a killed build loses nothing.

    Use it as a context manager while files are built.

    Args:
        out: the data set's folder, made where it is not there.
        settings: must be those of whatever the folder holds.

    Raises:
        InvalidConfig: the folder holds something else, or a data set of other settings or versions.
    """

    def __init__(self, out: Path, settings: BuildSettings) -> None:
        self._path = out / JOURNAL
        _check_folder(out, settings)
        self.rows: dict[str, Row] = _index_facts(out / INDEX) | _journal_facts(self._path)
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob("images/*/.*"):
            left.unlink()
        head = json.dumps(made_by(settings))
        lines = (json.dumps([key, row]) for key, row in self.rows.items())
        write_whole(self._path, "".join(line + "\n" for line in (head, *lines)).encode())
        self._stream = self._path.open("a", encoding="utf-8")

    def add(self, key: str, row: Row) -> None:
        """Keep the facts of one more file; they are on their way to the disk before this returns."""
        self.rows[key] = row
        self._stream.write(json.dumps([key, row]) + "\n")
        self._stream.flush()

    def __enter__(self) -> "Journal":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop writing; the journal stays until the index holds what it knows."""
        self._stream.close()

    def remove(self) -> None:
        """The index is written."""
        self._path.unlink()


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Make the folder `out` and hold it: two builds into one folder would take each other's files for strays.

    By the system's lock on the folder itself, so that a killed build leaves nothing behind. Where folders cannot be
    locked (Windows, some network drives), nothing is held.

    Raises:
        InvalidConfig: another process builds into it.
        OSError: the folder cannot be made.
    """
    out.mkdir(parents=True, exist_ok=True)
    handle = _locked(out)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    if sys.platform == "win32":
        return None
    from fcntl import LOCK_EX, LOCK_NB, flock

    handle = os.open(folder, os.O_RDONLY)
    try:
        flock(handle, LOCK_EX | LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise InvalidConfig(
                expected=f"a folder that no other process builds into: {folder}",
                found="one that does",
                do="Wait for it to end, or give another --out.",
            ) from error
        return None
    return handle


def write_index(out: Path, rows: Sequence[Row]) -> None:
    """`index.parquet`: one row for each built picture, sorted by its neutral path."""
    arrow, parquet = require("pyarrow", "evaluate"), require("pyarrow.parquet", "evaluate")
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])
    temporary = out / f".{INDEX}.new"
    parquet.write_table(arrow.Table.from_pylist(list(rows), schema=schema), temporary)
    temporary.replace(out / INDEX)


def write_about(out: Path, about: Mapping[str, Any]) -> None:
    """`dataset.json`: settings, counts, fingerprint."""
    write_whole(out / ABOUT, (json.dumps(about, indent=1) + "\n").encode())


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Under its name only when it is whole; of several processes that write it at once, one's stays.

    Args:
        path: of the file.
        data: its bytes.
        durable: wait until they are on the disk, as for what a machine that stops must not lose.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def made_by(settings: BuildSettings) -> dict[str, Any]:
    """What decides a picture's bytes: the settings, and the versions whose code makes them."""
    from telltale import __version__

    return {"settings": settings.json(), "telltale_version": __version__, "pillow_version": pillow_version}


def fingerprint(settings: BuildSettings, rows: Iterable[Row]) -> str:
    """sha256 over the settings and every picture's name, label, source, split, group and content.

    Where the data set lies, what its originals were called, and how it was built (order, processes, resumed or not) do
    not count.
    """
    digest = sha256(json.dumps(settings.json(), sort_keys=True).encode())
    for row in rows:
        said = [row[name] for name in ("path", "is_fake", "source", "split", "group", "built_sha256")]
        digest.update(json.dumps(said).encode())
    return digest.hexdigest()


def _check_folder(out: Path, settings: BuildSettings) -> None:
    """Pictures of two settings or versions in one data set would be a leak of their own."""
    there = sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) if out.exists() else []
    if not there:
        return
    earlier = next((found for name in (JOURNAL, ABOUT) if (found := _made_by(out / name)) is not None), None)
    if earlier is None:
        raise InvalidConfig(
            expected=f"a new or empty folder, or a data set built before: {out}",
            found=f"other files ({', '.join(there[:5])})",
            do="Choose another --out.",
        )
    changed = [name for name, value in _flat(made_by(settings)).items() if earlier.get(name) != value]
    if changed:
        raise InvalidConfig(
            expected=f"the settings and versions that {out} was built with",
            found=f"another {', '.join(changed)}",
            do="Choose another --out, or delete that folder.",
        )


def _made_by(path: Path) -> dict[str, Any] | None:
    """The settings and versions that a journal or `dataset.json` names."""
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        return _flat(json.loads(text.partition("\n")[0] if path.name == JOURNAL else text))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(
            expected=f"a file of telltale: {path}", found=f"something else ({error})", do="Choose another --out."
        ) from error


def _flat(made: Mapping[str, Any]) -> dict[str, Any]:
    return {**made["settings"], "telltale_version": made["telltale_version"], "pillow_version": made["pillow_version"]}


def _journal_facts(path: Path) -> dict[str, Row]:
    """Up to the first line that is not whole: what a kill or a power cut left behind it is made again."""
    facts: dict[str, Row] = {}
    if not path.is_file():
        return facts
    with path.open("rb") as stream:
        next(stream, b"")
        for line in stream:
            try:
                key, row = json.loads(line)
            except ValueError:
                break
            facts[key] = row
    return facts


def _index_facts(path: Path) -> dict[str, Row]:
    if not path.is_file():
        return {}
    return {row["key"]: {name: row[name] for name in FACTS} for row in _index_rows(path)}


def _index_rows(path: Path) -> Iterator[Row]:
    parquet = require("pyarrow.parquet", "evaluate")
    with path.open("rb") as stream:
        for batch in parquet.ParquetFile(stream).iter_batches():
            yield from batch.to_pylist()
