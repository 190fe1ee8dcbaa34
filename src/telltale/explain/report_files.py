"""What a run folder holds: files recognised by name and columns, and why others were not."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telltale.errors import InvalidConfig, TelltaleError
from telltale.evaluate.results import read_rows
from telltale.explain.report_audit import AUDIT_KEYS, AuditFacts, audit_of_json, audit_of_page
from telltale.explain.report_rows import PREDICTIONS, SCORES, VerdictRow, predictions, scores

# A file of a person's own may be any size; one of ours that is larger holds no summary.
_LARGEST_TEXT = 64_000_000
_PICTURES = (".png",)
_DATA = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a report.

    Attributes:
        title: its heading.
        files: what it is read from, in words.
        command: what makes that, after `telltale`.
    """

    title: str
    files: str
    command: str


PARTS: Mapping[str, Part] = {
    "verdicts": Part(
        title="Verdicts",
        files=".csv, .jsonl or .parquet with the columns of a prediction, or scores.parquet of an evaluation",
        command="predict PICTURES --out RUN/predictions.parquet",
    ),
    "extremes": Part(
        title="Easiest and hardest",
        files="extremes.csv (source, label, end, rank, path, score, error)",
        command="explain extremes DATA --out RUN/extremes",
    ),
    "averages": Part(
        title="Average maps",
        files="averages.csv (source, label, n, file) and the pictures beside it",
        command="explain average DATA --out RUN/averages",
    ),
    "patches": Part(
        title="Top patches",
        files="patches.parquet (path, row, column, log_odds) and the pictures beside it",
        command="explain patches DATA --out RUN/patches",
    ),
    "regions": Part(
        title="Face parts",
        files="regions.csv (source, label, part, top_count, random_count, low, high)",
        command="explain regions DATA --out RUN/regions",
    ),
    "localisation": Part(
        title="Localisation",
        files="localisation.csv (model, source, pixel_auc, iou, pointing)",
        command="explain localise DATA --masks MASKS --out RUN/localisation",
    ),
    "robustness": Part(
        title="Robustness",
        files="robustness.csv (model, corruption, strength, source, label, auc, flip_share)",
        command="robustness DETECTOR --data DATA --out RUN/robustness",
    ),
    "evaluation": Part(
        title="Evaluation",
        files="table.csv (detector, pooling, source, label, n, auc)",
        command="evaluate DETECTOR --data DATA --out RUN/evaluation",
    ),
    "audit": Part(
        title="Audit of the data",
        files=".json with verdict, headline, probe_auc and cues, or the page of --html",
        command="audit DATA --json > RUN/audit.json",
    ),
    "cards": Part(
        title="Model card",
        files=".md that begins with “# Model card”, beside the weights or in the run folder",
        command="report RUN --detector WEIGHTS, where a card lies beside WEIGHTS",
    ),
}

# Tables with names of their own, and the columns without which they are something else.
TABLES: Mapping[str, tuple[str, frozenset[str]]] = {
    "extremes.csv": ("extremes", frozenset(("source", "label", "end", "rank", "path", "score", "error"))),
    "averages.csv": ("averages", frozenset(("source", "label", "n", "file"))),
    "patches.parquet": ("patches", frozenset(("path", "row", "column", "log_odds"))),
    "regions.csv": (
        "regions",
        frozenset(("source", "label", "part", "top_count", "random_count", "low", "high")),
    ),
    "localisation.csv": ("localisation", frozenset(("model", "source", "pixel_auc", "iou", "pointing"))),
    "robustness.csv": (
        "robustness",
        frozenset(("model", "corruption", "strength", "source", "label", "auc", "auc_low", "auc_high", "flip_share")),
    ),
    "table.csv": (
        "evaluation",
        frozenset(("detector", "pooling", "source", "label", "n", "n_real", "n_fake", "auc", "auc_low", "auc_high")),
    ),
}

# Beside a table: pictures that did not go into it.
OMISSIONS = ("failures.csv", "omissions.csv")
# How a report's own page begins, below its head.
MARK = "<main data-page=telltale-report>"
_HEAD = 100_000
# Numbers as a picture, to be read by programs.
_RAW = ".raw-png.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as its file has it: text or values by column."""

    path: Path
    rows: tuple[Mapping[str, Any], ...]


@dataclass(slots=True, kw_only=True)
class RunFolder:
    """What was found, in the order of the paths.

    Attributes:
        folder: the run folder.
        rows: of every file of predictions or scores.
        tables: under the keys of `PARTS`.
        summaries: what `summary.json` says of the run that made a table, by folder.
        omitted: how many pictures did not go into the tables of a folder, by the file that names them.
        audits, cards: likewise; a card is Markdown.
        pictures: PNG files.
        used: files that went into the report, with the part they went into.
        unread: files that could not be read or are not what their name says, and why.
        others: files that are nothing this report knows.
    """

    folder: Path
    rows: list[VerdictRow] = field(default_factory=list)
    tables: dict[str, list[Table]] = field(default_factory=dict)
    summaries: dict[Path, Mapping[str, Any]] = field(default_factory=dict)
    omitted: dict[Path, int] = field(default_factory=dict)
    audits: list[AuditFacts] = field(default_factory=list)
    cards: list[tuple[Path, str]] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    used: list[tuple[Path, str]] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def extremes(self) -> list[Mapping[str, Any]]:
        """The rows of every choice of the easiest and the hardest pictures."""
        return [row for one in self.tables.get("extremes", ()) for row in one.rows]

    def weights(self) -> set[str]:
        """Hashes of the detectors that any verdict or table is of."""
        every = (row.get("weights_sha256") for tables in self.tables.values() for one in tables for row in one.rows)
        return {row.weights for row in self.rows} | {str(found) for found in every if found}

    def missing(self) -> list[str]:
        """Keys of the parts that nothing was found for; a model card may still come with a detector."""
        there = {part for _, part in self.used}
        return [part for part in PARTS if part not in there]


def find(folder: Path) -> RunFolder:
    """Look at every file of a run folder and of its sub-folders.

    Hidden files and links to folders are passed over, and so are the folders `name=value` of a robustness sweep, whose
    scores are in its table.

    Raises:
        InvalidConfig: no such folder, or nothing in it that a report is made of.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing there"
        raise InvalidConfig(expected=f"a run folder: {folder}", found=what, do="Name the folder of a run.")
    found = RunFolder(folder=folder)
    for path in _files(folder, closed=found.unread):
        try:
            _look(path, found)
        # What a stranger's file holds is no reason to lose the report of all others.
        except (TelltaleError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            found.unread.append((path, _why(error)))
    if not found.used:
        raise InvalidConfig(
            expected=f"a run folder with the outputs of predict, evaluate, robustness, audit or explain: {folder}",
            found=_nothing(found),
            do="Write some there first, such as: telltale predict PICTURES --out RUN/predictions.csv",
        )
    return found


def _files(folder: Path, closed: list[tuple[Path, str]]) -> Iterator[Path]:
    """Regular files only: reading a pipe would wait for ever. Folders that may not be read go into `closed`."""

    def note(error: OSError) -> None:
        closed.append((Path(str(error.filename)), str(error.strerror)))

    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and "=" not in name)
        paths = (Path(place, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]} in it"
    return str(error)


def _nothing(found: RunFolder) -> str:
    named = [f"{path.name} ({why})" for path, why in found.unread[:3]]
    files = len(found.others) + len(found.unread) + len(found.pictures)
    return f"{files} other files{': ' * bool(named)}{'; '.join(named)}" if files else "no files"


def _look(path: Path, found: RunFolder) -> None:
    """Put one file where it belongs."""
    ending = path.suffix.lower()
    if path.name in TABLES:
        _table(path, found)
    elif path.name.endswith(".partial"):
        found.unread.append((path, "the journal of a run that was stopped; finish it with --resume"))
    elif path.name in OMISSIONS and (part := _part_beside(path)):
        found.omitted[path] = sum(1 for _ in read_rows(path, columns={}))
        found.used.append((path, part))
    elif ending in _DATA:
        _rows(path, found)
    elif ending in _PICTURES and not path.name.endswith(_RAW):
        found.pictures.append(path)
    elif ending in _TEXTS and _TEXTS[ending](path, found):
        return
    else:
        found.others.append(path)


def _table(path: Path, found: RunFolder) -> None:
    part, needed = TABLES[path.name]
    rows = tuple(read_rows(path, columns={}))
    if not rows:
        raise ValueError("no rows")
    absent = sorted(needed - rows[0].keys())
    if absent:
        raise ValueError(f"its name is that of a table of telltale, but there is no column {', '.join(absent)}")
    found.tables.setdefault(part, []).append(Table(path=path, rows=rows))
    found.used.append((path, part))


def _rows(path: Path, found: RunFolder) -> None:
    """Predictions have whatever name their user gave them: columns decide."""
    columns = next((row.keys() for row in read_rows(path, columns={})), None)
    read = None if columns is None else predictions if columns >= PREDICTIONS else scores if columns >= SCORES else None
    if read is None:
        if path.name == "scores.parquet":
            raise ValueError("its name is that of an evaluation's scores, but its columns are others, or it is empty")
        found.others.append(path)
        return
    found.rows += read(path)
    found.used.append((path, "verdicts"))


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_TEXT:
        raise ValueError(f"larger than {_LARGEST_TEXT // 1_000_000} MB")
    return path.read_text(encoding="utf-8", errors="replace")


def _json(path: Path, found: RunFolder) -> bool:
    values = json.loads(_text(path))
    if not isinstance(values, dict):
        return False
    if values.keys() >= AUDIT_KEYS:
        found.audits.append(audit_of_json(path, values))
        found.used.append((path, "audit"))
        return True
    part = _part_beside(path)
    if path.name == "summary.json" and part and isinstance(values.get("command"), str):
        found.summaries[path.parent] = values
        found.used.append((path, part))
        return True
    return False


def _part_beside(path: Path) -> str | None:
    """The part of the table in the same folder, which this file is about."""
    return next((part for name, (part, _) in TABLES.items() if path.with_name(name).is_file()), None)


def _markdown(path: Path, found: RunFolder) -> bool:
    text = _text(path)
    if not text.lstrip().startswith("# Model card"):
        return False
    found.cards.append((path, text))
    found.used.append((path, "cards"))
    return True


def is_report(path: Path) -> bool:
    """Whether a file is the page of an earlier report, which is no part of a new one and may be made anew."""
    with path.open("rb") as stream:
        return MARK.encode() in stream.read(_HEAD)


def _page(path: Path, found: RunFolder) -> bool:
    if is_report(path):
        return True
    audit = audit_of_page(path, _text(path))
    if audit is None:
        return False
    found.audits.append(audit)
    found.used.append((path, "audit"))
    return True


_TEXTS: Mapping[str, Callable[[Path, RunFolder], bool]] = {".json": _json, ".md": _markdown, ".html": _page}
