"""Build a data set in which nothing but the picture can tell real from fake.

Every original goes through one path (`equalise`), in worker processes that are not told what it is (`making`). What
comes back is joined with the labels (`assembly`) and written (`index`).
"""

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from telltale.data.assembly import Assembly, Original, assemble, failure_row, printable
from telltale.data.index import Journal, fingerprint, made_by, only_writer, write_about, write_index, write_whole
from telltale.data.making import Job, Made, Maker, Row, Tools, blind, built_name
from telltale.data.pool import in_processes
from telltale.data.sample import Sample
from telltale.data.settings import BuildSettings
from telltale.data.splits import Shares
from telltale.errors import InvalidConfig, InvalidDataset, require

_EACH = ("path", "label", "source", "split", "group")
DUPLICATES = ("kind", "bits", "action", *(f"{which}_{what}" for which in ("first", "second") for what in _EACH))
FAILURES = ("original_path", "is_fake", "source", "split", "reason")
NO_TOOLS, DEFAULT_SHARES = Tools(), Shares()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build came to.

    Attributes:
        real: built pictures that are real.
        fake: built pictures that are fake, re-syntheses included.
        unlabelled: built pictures without a label.
        kept: files that an earlier run had built already.
        failed: rows of `failures.csv`.
        same: originals left out because another has the same bytes.
        alike: pairs that look alike.
        torn: pairs that belong together and came with different splits.
        drawn: originals whose split was drawn, since none was given.
        fingerprint: of settings and contents.
    """

    real: int
    fake: int
    unlabelled: int
    kept: int
    failed: int
    same: int
    alike: int
    torn: int
    drawn: int
    fingerprint: str


def build(
    samples: Sequence[Sample],
    out: Path,
    settings: BuildSettings,
    *,
    tools: Tools = NO_TOOLS,
    workers: int = 1,
    shares: Shares = DEFAULT_SHARES,
    bits: int = 30,
    move: bool = False,
    visit: Callable[[], None] | None = None,
) -> BuildReport:
    """Build `samples` into the folder `out`, or go on with a build that was interrupted there.

    Writes `images/`, `index.parquet`, `dataset.json`, `duplicates.csv` and `failures.csv`. The same samples and
    settings give the same bytes, whatever the order, the number of processes, or how often the build was interrupted.

    Args:
        samples: what to build from; see `telltale.data.samples.scan`.
        out: a new or empty folder, or one built with the same settings.
        settings: what built pictures look like.
        tools: face detector and re-syntheses, where the settings ask for them.
        workers: processes.
        shares: of the splits, for samples that come without one.
        bits: pictures whose perceptual hashes differ in no more than this many of 256 bits look alike.
        move: put pictures that belong together on one side even where their splits were given.
        visit: called after each original.

    Raises:
        InvalidConfig: `out` holds something else, a re-synthesis without its tool, a worker process that died, another
            process that builds into `out`.
        InvalidDataset: no samples, or none that could be built.
        MissingExtra: without the `[evaluate]` extra, which writes the index.
        OSError: the disk is full, or a file may not be written.
    """
    require("pyarrow", "evaluate")
    _check(samples, settings, tools)
    with only_writer(out):
        with Journal(out, settings) as journal:
            made, kept = _make(samples, out, settings, tools, workers, journal, visit)
        originals = [_original(samples[one.number], one, journal.rows) for one in made if "" in one.rows]
        assembly = assemble(originals, settings, shares=shares, bits=bits, move=move)
        failures = [failure_row(samples[one.number], name, why) for one in made for name, why in one.failures.items()]
        failures = sorted((*failures, *assembly.failures), key=lambda row: (row["original_path"], row["source"]))
        _remove_strays(out, settings, made, assembly)
        report = _report(assembly, failures, kept, fingerprint(settings, assembly.rows))
        write_whole(out / "duplicates.csv", _csv(DUPLICATES, assembly.duplicates))
        write_whole(out / "failures.csv", _csv(FAILURES, failures))
        if not assembly.rows:
            raise _nothing(out, failures)
        write_index(out, assembly.rows)
        # Last, since it says that the data set is whole.
        write_about(out, _about(settings, assembly, report))
        journal.remove()
    return report


def _check(samples: Sequence[Sample], settings: BuildSettings, tools: Tools) -> None:
    if not samples:
        raise InvalidDataset(expected="samples to build from", found="none", do="Check the sources.")
    missing = [name for name in settings.resynthesise if name not in tools.resynthesisers]
    if missing:
        raise InvalidConfig(
            expected=f"a generator for the re-synthesis {', '.join(missing)}",
            found=f"{', '.join(tools.resynthesisers) or 'none'}",
            do="Give its weights: --generators DIR.",
        )


def _make(
    samples: Sequence[Sample],
    out: Path,
    settings: BuildSettings,
    tools: Tools,
    workers: int,
    journal: Journal,
    visit: Callable[[], None] | None,
) -> tuple[list[Made], int]:
    """Build every picture that is not there yet; returns what became of each, and how many files were there."""
    known = {key: str(row["built_sha256"]) for key, row in journal.rows.items()}
    start = partial(Maker, out, settings, tools, known)
    made: list[Made] = []
    kept = 0
    for one in in_processes(start, _jobs(samples, settings), workers):
        for key, row in one.rows.values():
            if row is None:
                kept += 1
            else:
                journal.add(key, row)
        made.append(one)
        if visit is not None:
            visit()
    return sorted(made, key=lambda one: one.number), kept


def _jobs(samples: Sequence[Sample], settings: BuildSettings) -> list[Job]:
    """In an order that mixes sources, so that not even the time a file was made tells them apart."""
    jobs = [
        Job(number=number, sample=blind(sample), twins=settings.resynthesise if sample.is_fake is False else ())
        for number, sample in enumerate(samples)
    ]
    return sorted(jobs, key=lambda job: sha256(printable(str(job.sample.path)).encode()).digest())


def _original(sample: Sample, made: Made, facts: Mapping[str, Row]) -> Original:
    key = made.rows[""][0]
    twins = {name: (twin, facts[twin]) for name, (twin, _) in made.rows.items() if name}
    return Original(sample=sample, key=key, facts=facts[key], twins=twins)


def _remove_strays(out: Path, settings: BuildSettings, made: Sequence[Made], assembly: Assembly) -> None:
    """Files that were built and turned out to be nobody knows what."""
    listed = {row["key"] for row in assembly.rows}
    for one in made:
        for key, _ in one.rows.values():
            if key not in listed:
                (out / built_name(key, settings)).unlink(missing_ok=True)


def _report(assembly: Assembly, failures: Sequence[Row], kept: int, mark: str) -> BuildReport:
    labels = Counter(row["is_fake"] for row in assembly.rows)
    kinds = Counter(row["kind"] for row in assembly.duplicates)
    return BuildReport(
        real=labels[False],
        fake=labels[True],
        unlabelled=labels[None],
        kept=kept,
        failed=len(failures),
        same=kinds["same bytes"],
        alike=kinds["look alike"],
        torn=kinds["belong together"],
        drawn=assembly.drawn,
        fingerprint=mark,
    )


def _nothing(out: Path, failures: Sequence[Row]) -> InvalidDataset:
    first = f"{failures[0]['original_path']}: {failures[0]['reason']}"
    return InvalidDataset(
        expected="at least one picture that can be built",
        found=f"{len(failures)} failures, such as {first.removesuffix('.')}",
        do=f"See {out / 'failures.csv'}.",
    )


def _about(settings: BuildSettings, assembly: Assembly, report: BuildReport) -> dict[str, Any]:
    """What `dataset.json` says; nothing that differs between two runs of one build."""
    return {
        "fingerprint": report.fingerprint,
        **made_by(settings),
        "images": _counts(assembly.rows),
        "failures": report.failed,
        "duplicates": {"same_bytes": report.same, "look_alike": report.alike, "belong_together": report.torn},
    }


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, int]]]:
    """Images by split, label and source."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        label = {True: "fake", False: "real", None: "unlabelled"}[row["is_fake"]]
        sources = found.setdefault(row["split"], {}).setdefault(label, {})
        sources[row["source"]] = sources.get(row["source"], 0) + 1
    return {
        split: {label: dict(sorted(sources.items())) for label, sources in sorted(labels.items())}
        for split, labels in sorted(found.items())
    }


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    stream = StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: printable(str(value)) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    )
    return stream.getvalue().encode()
