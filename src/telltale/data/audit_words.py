"""An audit in words and as plain values."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.data.audit import Audit
from telltale.data.judgement import LEVEL, CueReport, ProbeReport
from telltale.data.probe import Floor

NAMED = 3
_LISTED = 20
_LONGEST = 60


def headline(found: Audit) -> str:
    """The verdict in one sentence."""
    return {
        "leaking": "Leaking: a detector can tell real from fake by how the files were made.",
        "suspicious": "Suspicious: something besides the picture goes with the label.",
        "clean": "Clean: nothing besides the picture was found to go with the label.",
    }[found.verdict]


def worst_cues(found: Audit) -> list[CueReport]:
    """Up to three cues that give the label away, the worst first."""
    return [report for report in found.cues if report.verdict != "clean"][:NAMED]


def in_words(report: CueReport, found: Audit) -> str:
    """What a cue shows, such as "file format: PNG in 100 % of fakes and 0 % of reals (AUC 1.00, at least 1.00)"."""
    column = found.table.columns[report.cue.name]
    fake, real = column[found.table.is_fake], column[~found.table.is_fake]
    say: dict[str, Callable[[Any, Any], str]] = {"category": _category, "flag": _flag, "number": _number}
    meaning = f"; {report.cue.meaning}" if report.cue.family == "pixels" else ""
    said = say[report.cue.kind](fake, real)
    return f"{report.cue.title}: {said}{meaning} (AUC {report.auc:.2f}, {report.low:.2f} to {report.high:.2f})"


def reasons(found: Audit) -> list[str]:
    """Everything the verdict rests on, besides cues."""
    said = [_of_probe(name, probe) for name, probe in found.probes.items() if probe.verdict != "clean"]
    repeats = found.repeats
    for count, what in (
        (len(repeats.same_across_labels), "under both labels"),
        (len(repeats.same_across_splits), "in more than one split"),
    ):
        if count:
            said.append(f"{count} picture{'s' if count > 1 else ''} {what}")
    return said


def as_values(found: Audit) -> dict[str, Any]:
    """The report as plain values for JSON; `docs/audit.md` says what each means."""
    whole = found.probes["all"]
    sources = Counter((bool(sample.is_fake), sample.source) for sample in found.samples)
    return {
        "verdict": found.verdict,
        "headline": headline(found),
        "probe_auc": whole.auc,
        **_floor_values(whole.floor),
        "worst": [in_words(report, found) for report in worst_cues(found)],
        "reasons": reasons(found),
        "cues": [_cue_values(report, found) for report in found.cues],
        "not_measured": list(found.not_measured),
        "probes": {name: _probe_values(probe) for name, probe in found.probes.items()},
        "counts": {
            "real": int((~found.table.is_fake).sum()),
            "fake": int(found.table.is_fake.sum()),
            "failed": len(found.failures),
            "unlabelled": found.unlabelled,
            "left_out": found.left_out,
            "sources": [
                {"source": source, "label": "fake" if is_fake else "real", "images": count}
                for (is_fake, source), count in sorted(sources.items())
            ],
        },
        "duplicates": _repeat_values(found),
        "failures": [{"path": path, "reason": reason} for path, reason in found.failures.items()],
        "interval_level": LEVEL,
    }


def _cue_values(report: CueReport, found: Audit) -> dict[str, Any]:
    return {
        "name": report.cue.name,
        "family": report.cue.family,
        "title": report.cue.title,
        "auc": report.auc,
        "low": report.low,
        "high": report.high,
        "higher_in": report.higher or None,
        **_floor_values(report.floor),
        "real": report.real,
        "fake": report.fake,
        "verdict": report.verdict,
        "words": in_words(report, found),
    }


def _probe_values(probe: ProbeReport) -> dict[str, Any]:
    under = probe.floor
    pairs = [] if under is None else [{"sources": list(pair), "auc": auc} for pair, auc in sorted(under.pairs.items())]
    return {
        "auc": probe.auc,
        "low": probe.low,
        "high": probe.high,
        "real": probe.real,
        "fake": probe.fake,
        **_floor_values(under),
        "floor_pairs": pairs,
        "verdict": probe.verdict,
    }


def _floor_values(under: Floor | None) -> dict[str, float | None]:
    return {
        "floor_auc": None if under is None else under.mean,
        "floor_highest": None if under is None else under.highest,
    }


def _repeat_values(found: Audit) -> dict[str, Any]:
    repeats = found.repeats
    lists = {
        "same_across_labels": repeats.same_across_labels,
        "same_across_splits": repeats.same_across_splits,
        "alike_across_labels": repeats.alike_across_labels,
        "alike_across_splits": repeats.alike_across_splits,
    }
    counts = {name: len(paths) for name, paths in lists.items()}
    return {**counts, "same": repeats.same, "examples": {name: paths[:_LISTED] for name, paths in lists.items()}}


def _of_probe(name: str, probe: ProbeReport) -> str:
    what = {
        "container": "what file headers say",
        "pixels": "traces in the pixels",
        "all": "headers, traces and file size",
    }[name]
    under = probe.floor
    beside = (
        "; there is no second source of reals to compare with"
        if under is None
        else f"; two sources of reals: {under.mean:.2f} on average, at most {under.highest:.2f}"
    )
    return f"{what} together: AUC {probe.auc:.2f} ({probe.low:.2f} to {probe.high:.2f}){beside}"


def _category(fake: NDArray[Any], real: NDArray[Any]) -> str:
    """The word whose shares differ most; of several, one that fakes have more often."""
    fake, real = fake[fake != ""], real[real != ""]
    words = np.unique(np.concatenate([fake, real]))
    gaps = np.array([(fake == word).mean() - (real == word).mean() for word in words])
    word = words[int(np.argmax(gaps if gaps.max() >= -gaps.min() else -gaps))]
    shown = word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
    return f"{shown} in {percent((fake == word).mean())} of fakes and {percent((real == word).mean())} of reals"


def _flag(fake: NDArray[np.float64], real: NDArray[np.float64]) -> str:
    return f"in {percent(np.nanmean(fake))} of fakes and {percent(np.nanmean(real))} of reals"


def _number(fake: NDArray[np.float64], real: NDArray[np.float64]) -> str:
    """By medians, or by means where the medians are equal."""
    name, of_fake, of_real = "median", float(np.nanmedian(fake)), float(np.nanmedian(real))
    if of_fake == of_real:
        name, of_fake, of_real = "mean", float(np.nanmean(fake)), float(np.nanmean(real))
    relation = "higher" if of_fake > of_real else "lower" if of_fake < of_real else "another spread"
    return f"{relation} in fakes ({name} {of_fake:.4g} against {of_real:.4g})"


def percent(share: float | np.floating[Any]) -> str:
    """Whole percents, but never 0 or 100 for what is not quite."""
    if 0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"
