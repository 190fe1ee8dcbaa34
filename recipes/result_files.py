"""Files of results, each under its name only when it is whole: a run that is killed leaves the old one or the new one.

No script: the recipes write what they found through it.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale.data.index import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


def keep(path: Path, found: Any) -> None:
    """One cell of a table, as JSON on one line."""
    write_bytes(path, (json.dumps(found) + "\n").encode())


def write_facts(path: Path, about: Any) -> None:
    """What a table was made of, as JSON for people."""
    write_bytes(path, (json.dumps(about, indent=1) + "\n").encode())


def write_page(path: Path, lines: Iterable[str]) -> None:
    """What people read."""
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """A CSV; its columns are those of the first row where none are named.

    Raises:
        ValueError: neither columns nor a row.
    """
    ready = iter(rows)
    if columns is None:
        first = next(ready, None)
        if first is None:
            raise ValueError(f"expected rows for {path}; found none")
        columns, ready = list(first), chain([first], ready)
    stream = io.StringIO()
    table = csv.DictWriter(stream, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(ready)
    write_bytes(path, stream.getvalue().encode())


def write_figure(path: Path, drawing: "Figure", dpi: int) -> None:
    """A PNG of curves or bars; without the version of what drew it, so that the same figure is the same file."""
    stream = io.BytesIO()
    drawing.savefig(stream, dpi=dpi, format="png", metadata={"Software": None})
    write_bytes(path, stream.getvalue())


def write_image(path: Path, image: "Image.Image") -> None:
    """A PNG of pixels."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    write_bytes(path, stream.getvalue())


def write_bytes(path: Path, data: bytes) -> None:
    """Bytes; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
