"""Does anything but the picture tell real from fake? Reads each file once, and judges by the rule of `judgement`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from telltale.data.cue_table import CueTable, Record, cue_table, read_records
from telltale.data.cues import CUES
from telltale.data.judgement import CueReport, ProbeReport, Verdict, judge_cues, judge_probes, worst
from telltale.data.repeats import Repeats, find_repeats
from telltale.data.sample import Sample
from telltale.errors import InvalidDataset

# Fewer files of a label support no verdict.
LEAST = 20
MAX_IMAGES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        verdict: "clean", "suspicious" or "leaking".
        cues: the worst first.
        not_measured: cues that fewer than ten files of one label have.
        probes: "container", "pixels", "all" and "with_names" (all and the files' names).
        repeats: pictures that are there more than once.
        failures: path -> why it could not be read.
        samples: the files that were read, in the order of `table`.
        table: their cues.
        unlabelled: samples without a label, left out.
        left_out: samples beyond the limit for each source.
    """

    verdict: Verdict
    cues: tuple[CueReport, ...]
    not_measured: tuple[str, ...]
    probes: dict[str, ProbeReport]
    repeats: Repeats
    failures: dict[str, str]
    samples: tuple[Sample, ...]
    table: CueTable
    unlabelled: int = 0
    left_out: int = 0


def audit(
    samples: Sequence[Sample],
    *,
    max_images: int = MAX_IMAGES,
    seed: int = 0,
    workers: int = 1,
    visit: Callable[[], None] | None = None,
) -> Audit:
    """Audit a data set.

    Args:
        samples: those without a label are counted and left out.
        max_images: files of each label and source to look at, drawn at random; 0 for all.
        seed: of every draw; the same seed and files give the same report.
        workers: processes.
        visit: called after each file.

    Raises:
        InvalidDataset: fewer than 20 readable files of a label.
        InvalidConfig: a worker process died.
        MissingExtra: without the `[evaluate]` extra, which fits the probe.
    """
    labelled = [sample for sample in samples if sample.is_fake is not None]
    chosen = _drawn(labelled, max_images, seed)
    found = judge(chosen, read_records(chosen, workers=workers, visit=visit), seed=seed, workers=workers)
    return replace(found, unlabelled=len(samples) - len(labelled), left_out=len(labelled) - len(chosen))


def judge(samples: Sequence[Sample], records: Sequence[Record], *, seed: int = 0, workers: int = 1) -> Audit:
    """Judge files that have been read; raises what `audit` raises.

    Args:
        samples: with labels.
        records: what each file gave, as `read_records` returns it.
        seed: of every draw.
        workers: processes.
    """
    both = list(zip(samples, records, strict=True))
    failures = {str(sample.path): record.failure for sample, record in both if record.failure}
    read = [sample for sample, record in both if not record.failure]
    _check(read, failures)
    known = [record for record in records if not record.failure]
    table = cue_table(read, known)
    probes = judge_probes(table, seed=seed, workers=workers)
    cues = judge_cues(table, probes, seed=seed)
    repeats = find_repeats(read, known)
    return Audit(
        verdict=worst(
            [*(cue.verdict for cue in cues), *(one.verdict for one in probes.values()), _of_repeats(repeats)]
        ),
        cues=tuple(cues),
        not_measured=tuple(cue.name for cue in CUES if cue not in [report.cue for report in cues]),
        probes=probes,
        repeats=repeats,
        failures=failures,
        samples=tuple(read),
        table=table,
    )


def _drawn(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """At most `most` of each label and source, in the order they came."""
    draw = np.random.default_rng(seed)
    kinds: dict[tuple[bool | None, str], list[int]] = {}
    for number, sample in enumerate(samples):
        kinds.setdefault((sample.is_fake, sample.source), []).append(number)
    kept = [number for kind in kinds.values() for number in draw.permutation(kind)[: most or None]]
    return [samples[number] for number in sorted(kept)]


def _check(read: Sequence[Sample], failures: dict[str, str]) -> None:
    for is_fake, name in ((False, "real"), (True, "fake")):
        count = sum(sample.is_fake is is_fake for sample in read)
        if count < LEAST:
            first = "".join(f"; the first failure: {why}" for why in list(failures.values())[:1])
            raise InvalidDataset(
                expected=f"at least {LEAST} readable files of each label",
                found=f"{count} {name}, {len(failures)} that cannot be read{first}",
                do="Add files, or check the labels.",
            )


def _of_repeats(repeats: Repeats) -> Verdict:
    return "suspicious" if repeats.same_across_labels or repeats.same_across_splits else "clean"
