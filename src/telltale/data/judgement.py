"""The rule by which an audit calls a data set clean, suspicious or leaking.

- leaking: a cue of the container, or the probe on all of them, is above chance with an AUC of 0.6 or more; or the probe
  on traces in the pixels is more than 0.1 above the furthest two sources of reals.
- suspicious: a cue of the container or of the file's name, or the container probe, is above chance at all; or a probe
  with traces in it is above the mean of two sources of reals; or one picture is there under both labels, or in two
  splits.
- clean: none of these.

With one source of reals there is no floor, and nobody can tell a generator's own traces from a leak. Then a trace, the
file's size, or a probe with traces in it is suspicious as soon as it is above chance, and one trace that separates real
from fake with an AUC of 0.9 all by itself is taken for a leak.

Above: the whole interval is. Intervals of cues hold for all cues at once (99 %, Bonferroni over those that vary), so
that of a hundred data sets without a leak about one is called otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from telltale.data.association import Association, Bootstrap, area, target_encoded
from telltale.data.cue_table import CueTable
from telltale.data.cues import CUES, Cue, Family
from telltale.data.probe import Floor, floors, probe, real_pairs

Verdict = Literal["clean", "suspicious", "leaking"]
VERDICTS: tuple[Verdict, ...] = ("clean", "suspicious", "leaking")

LEVEL = 0.99
LEAKING_AUC = 0.6
OVER_FLOOR = 0.1
WITHOUT_FLOOR = 0.9
# What follows from the content too comes after what does not, and what no detector sees comes last.
FAMILIES: tuple[Family, ...] = ("container", "pixels", "size", "name")
PROBES: Mapping[str, tuple[Family, ...]] = {
    "container": ("container",),
    "pixels": ("pixels",),
    "all": ("container", "pixels", "size"),
    "with_names": FAMILIES,
}
# What names prove is where files came from, and no detector reads them: there is nothing to compare with a floor.
_WITHOUT_NAMES = ("container", "pixels", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class CueReport:
    """One cue.

    Attributes:
        cue: which.
        auc: with which the cue alone tells fake from real. A number may do so in either direction, so its AUC is 0.5 or
            more; a word whose meaning was learned on one half of the files may fall below 0.5 on the other, by chance.
        low, high: the interval, turned round with the AUC: `low` is above 0.5 only if the interval excludes 0.5.
        higher: which label has the higher values; "" where neither has, and for words.
        real, fake: files it was measured on.
        floor: the cue's AUC between sources of reals; None with fewer than two.
        verdict: what this cue alone would make of the data set.
    """

    cue: Cue
    auc: float
    low: float
    high: float
    higher: Literal["real", "fake", ""]
    real: int
    fake: int
    floor: Floor | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """The probe on some cues.

    Attributes:
        auc: on files it was not fitted to.
        low, high: 99 % interval.
        real, fake: files it saw.
        floor: the same probe between sources of reals; None with fewer than two.
        verdict: what this probe alone would make of the data set.
    """

    auc: float
    low: float
    high: float
    real: int
    fake: int
    floor: Floor | None
    verdict: Verdict


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of some verdicts; clean where there are none."""
    return max(verdicts, key=VERDICTS.index, default="clean")


def judge_probes(table: CueTable, *, seed: int = 0, workers: int = 1) -> dict[str, ProbeReport]:
    """Each probe of `PROBES`; empty where there are too few files to fit one.

    Raises:
        InvalidConfig: a worker process died.
        MissingExtra: without the `[evaluate]` extra.
    """
    varying = [cue for cue in CUES if np.unique(table.columns[cue.name]).size > 1]
    sets = {name: tuple(cue.name for cue in varying if cue.family in families) for name, families in PROBES.items()}
    # Where names do not vary, the probe with them is the probe without.
    fitted = {cues: probe(table, cues, seed=seed) for cues in dict.fromkeys(sets.values())}
    found = {name: fitted[cues] for name, cues in sets.items()}
    under = floors(table, {name: sets[name] for name in _WITHOUT_NAMES}, seed=seed, workers=workers)
    return {name: _probe_report(name, one, under.get(name)) for name, one in found.items() if one is not None}


def judge_cues(table: CueTable, probes: Mapping[str, ProbeReport], *, seed: int = 0) -> list[CueReport]:
    """Each cue that enough files of both labels have, the worst first.

    Traces and sizes differ between cameras too. Where there is a floor they are judged together, by the probe, and one
    of them alone is never graver than the probes that see it.
    """
    columns = {cue.name: _ranks(table, cue, seed) for cue in CUES}
    bootstrap = Bootstrap(table.is_fake, table.group, seed=seed)
    found = {name: bootstrap.association(column) for name, column in columns.items()}
    width = _quantile(sum(one is not None and one.varies for one in found.values()))
    pairs = {pair: _pair(table, *pair) for pair in real_pairs(table)}
    reports = [
        _cue_report(cue, one, width, _cue_floor(cue, pairs, seed))
        for cue in CUES
        if (one := found[cue.name]) is not None
    ]
    return sorted((_capped(report, probes) for report in reports), key=_rank)


def _rank(report: CueReport) -> tuple[int, int, float]:
    """Gravest first; of equally grave ones the family that explains most; then the strongest, in steps of 0.01.

    Sorting keeps the order of `CUES` among equals, in which causes come before what follows from them.
    """
    return -VERDICTS.index(report.verdict), FAMILIES.index(report.cue.family), -round(report.auc, 2)


def _quantile(tests: int) -> float:
    """Standard errors on either side of an interval that holds for all of `tests` at once."""
    return NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / max(tests, 1))


def _ranks(table: CueTable, cue: Cue, seed: int) -> NDArray[np.float64]:
    column = table.columns[cue.name]
    if cue.kind == "category":
        return target_encoded(table.is_fake, table.group, np.asarray(column, np.str_), seed=seed)
    return np.asarray(column, np.float64)


def _cue_report(cue: Cue, one: Association, width: float, under: Floor | None) -> CueReport:
    # The meaning of words was learned, so they point upward or nowhere; numbers may point either way.
    turned = one.auc < 0.5 and cue.kind != "category"
    auc = 1 - one.auc if turned else one.auc
    low, high = one.interval(width)
    low, high = (1 - high, 1 - low) if turned else (low, high)
    higher: Literal["real", "fake", ""] = "" if cue.kind == "category" or auc == 0.5 else "real" if turned else "fake"
    return CueReport(
        cue=cue,
        auc=auc,
        low=low,
        high=high,
        higher=higher,
        real=one.real,
        fake=one.fake,
        floor=under,
        verdict=_of_cue(cue.family, auc, low, under),
    )


def _of_cue(family: Family, auc: float, low: float, under: Floor | None) -> Verdict:
    if family == "pixels":
        return _of_traces(auc, low, under)
    if family == "container" and low > 0.5 and auc >= LEAKING_AUC:
        return "leaking"
    return "suspicious" if low > (under.mean if under is not None and family == "size" else 0.5) else "clean"


def _of_traces(auc: float, low: float, under: Floor | None) -> Verdict:
    if under is None:
        return "clean" if low <= 0.5 else "leaking" if auc >= WITHOUT_FLOOR else "suspicious"
    return "leaking" if low > under.highest + OVER_FLOOR else "suspicious" if low > under.mean else "clean"


def _probe_report(name: str, one: Association, under: Floor | None) -> ProbeReport:
    low, high = one.interval(_quantile(1))
    verdict: Verdict = "clean"
    if name == "container":
        verdict = _of_cue("container", one.auc, low, None)
    elif name == "pixels" and under is not None:
        verdict = _of_traces(one.auc, low, under)
    elif name in ("pixels", "all"):
        verdict = _of_cue("size", one.auc, low, under)
    return ProbeReport(auc=one.auc, low=low, high=high, real=one.real, fake=one.fake, floor=under, verdict=verdict)


def _capped(report: CueReport, probes: Mapping[str, ProbeReport]) -> CueReport:
    """A trace or a size alone is no graver than the probes, where these have a floor to be judged against."""
    if report.floor is None or report.cue.family not in ("pixels", "size"):
        return report
    limit = worst(found.verdict for name, found in probes.items() if name in ("pixels", "all"))
    return replace(report, verdict=min(report.verdict, limit, key=VERDICTS.index))


def _pair(table: CueTable, one: str, other: str) -> CueTable:
    """Two sources of reals, one called fake."""
    both = table.only(~table.is_fake & np.isin(table.source, (one, other)))
    return both.relabelled(both.source == other)


def _cue_floor(cue: Cue, pairs: Mapping[tuple[str, str], CueTable], seed: int) -> Floor | None:
    areas = {names: area(pair.is_fake, _ranks(pair, cue, seed)) for names, pair in pairs.items()}
    return Floor(pairs={names: max(one, 1 - one) for names, one in areas.items()}) if areas else None
