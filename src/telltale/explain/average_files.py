"""The files of average heatmaps: a picture and the numbers for each source and label, a table, a summary."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from telltale.data.index import write_whole
from telltale.errors import InvalidConfig
from telltale.evaluate.results import utf8
from telltale.evaluate.scoring import Failure
from telltale.explain.average import PARTS, Average, Averages
from telltale.explain.average_pictures import average_picture, sheet
from telltale.explain.heatmap_files import save_png

TABLE, SUMMARY, SHEET, FAILURES = "averages.csv", "summary.json", "averages.png", "failures.csv"


def open_folder(out: Path) -> None:
    """Make the folder.

    Raises:
        InvalidConfig: it holds average heatmaps already.
    """
    if (out / TABLE).exists():
        raise InvalidConfig(
            expected=f"a new folder, so that no earlier result is lost: {out}",
            found=f"{TABLE} there already",
            do="Choose another --out.",
        )
    out.mkdir(parents=True, exist_ok=True)


def write_averages(out: Path, found: Averages, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write `SOURCE-LABEL.png` and `.npz` for each, `averages.png`, `averages.csv`, `failures.csv`, `summary.json`.

    The `.npz` holds `mean` and `standard_error`, float32 (height, width), and `count`; NaN where no patch looks.

    Args:
        out: the folder, which exists.
        found: the averages.
        about: how they were made: command, commit, detector, data.

    Returns:
        What `summary.json` holds.
    """
    names = file_names(found.each)
    for average, name in zip(found.each, names, strict=True):
        save_png(out / f"{name}.png", average_picture(average))
        stream = io.BytesIO()
        np.savez(stream, mean=average.mean, standard_error=average.standard_error, count=np.int64(average.count))
        write_whole(out / f"{name}.npz", stream.getvalue())
    save_png(out / SHEET, sheet(found.each))
    rows = [flat(average) | {"file": name} for average, name in zip(found.each, names, strict=True)]
    write_whole(out / FAILURES, as_csv([_reason(one) for one in found.failures], ("path", "source", "error")))
    values = dict(about) | {
        "canvas": {"height": found.canvas[0], "width": found.canvas[1]},
        "scaled_to_canvas": found.scaled,
        "failed": len(found.failures),
        "averages": rows,
    }
    write_whole(out / SUMMARY, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
    write_whole(out / TABLE, as_csv(rows, tuple(rows[0])))
    return values


def flat(average: Average) -> dict[str, str | int | float | None]:
    """One row: who, how many, mean score, mean P(fake) of each part with its interval, to four places."""
    found: dict[str, str | int | float | None] = {
        "source": utf8(average.source),
        "label": average.label,
        "n": average.count,
        "score": _number(average.score),
    }
    for part in PARTS:
        name = part.replace(" - ", "_minus_")
        for ending, value in asdict(average.parts[part]).items():
            found[name if ending == "value" else f"{name}_{ending}"] = _number(value)
    return found


def file_names(averages: Sequence[Average]) -> list[str]:
    """`SOURCE-LABEL` for each, in letters that every file system takes; a hash where that changed the source."""
    return [f"{_plain(average.source)}-{average.label}" for average in averages]


def _plain(source: str) -> str:
    plain = re.sub(r"[^a-z0-9_.-]+", "_", source)[:60].strip(".") or "unknown"
    digest = sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return plain if plain == source else f"{plain}.{digest}"


def _number(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def _reason(failure: Failure) -> dict[str, str | int | float | None]:
    sample = failure.sample
    return {"path": utf8(str(sample.path)), "source": utf8(sample.source), "error": utf8(failure.error)}


def as_csv(rows: Sequence[Mapping[str, str | int | float | None]], columns: Sequence[str]) -> bytes:
    """Rows under their heading; the heading alone where there are none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
