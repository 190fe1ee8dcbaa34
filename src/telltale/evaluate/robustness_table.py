"""What a sweep's scores come to: AUC, verdicts that change, and false alarms, for each cell and source."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from telltale.data.copies import together
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.evaluation_words import named, of_both, percent_ends, with_interval
from telltale.evaluate.kept_scores import kept_rows
from telltale.evaluate.metrics import Estimate, auc, share
from telltale.evaluate.resampling import Resampling, resampling
from telltale.evaluate.results import utf8
from telltale.evaluate.robustness_cells import CLEAN, Cell
from telltale.evaluate.robustness_folder import cell_file

# The name under which all sources together have their row.
ALL = "(all)"


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessRow:
    """One detector, cell and source.

    Attributes:
        model, weights_sha256: the detector.
        where: of the corruption, before or after the preparation.
        corruption, strength: the cell; "none" is the clean one.
        source: whose images these are; "(all)" for every source together.
        label: "real" or "fake"; "all" for every source together.
        n_real, n_fake: images the AUC rests on: a source of fakes against all reals, a source of reals against all
            fakes.
        auc: with its bootstrap interval; None where one class is missing.
        flip: share of the source's own images whose verdict differs from that of the clean image, with Wilson's
            interval; a change to or from "inconclusive" counts.
        false_alarm: share of the source's reals called "likely generated"; None for a source of fakes.
        failed: of the source's own images, those without a score here or in the clean cell; they count nowhere.
        grouped: whether images come in groups or are copies of others: intervals are then of groups, not of images, and
            NaN where there are fewer than five.
        verdict_by: what makes a verdict: "thresholds" (three verdicts), or "score 0.5" (two) where a detector has none.
    """

    model: str
    weights_sha256: str
    where: str
    corruption: str
    strength: float
    source: str
    label: str
    n_real: int
    n_fake: int
    auc: Estimate | None
    flip: Estimate | None
    false_alarm: Estimate | None
    failed: int
    verdict_by: str
    grouped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    """The images of one cell; arrays of the same length n; verdicts as in `_VERDICTS`."""

    is_fake: Bool[np.ndarray, "n"]
    source: Shaped[np.ndarray, "n"]
    scored: Bool[np.ndarray, "n"]
    score: Float[np.ndarray, "n"]
    verdict: Shaped[np.ndarray, "n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draws:
    """How images are drawn again; `how` is None where each stands alone."""

    how: Resampling | None
    rounds: int
    seed: int

    def auc(self, images: _Images, places: Int[np.ndarray, "m"]) -> Estimate:
        is_fake, score = images.is_fake[places], images.score[places]
        if self.how is None:
            return bootstrap_auc(is_fake, score, seed=self.seed, rounds=self.rounds)
        if self.how.says_little(is_fake, places):
            return Estimate(auc(is_fake, score), nan, nan)
        return bootstrap_auc(is_fake, score, draws=(part[:, places] for part in self.how.draws(self.rounds, self.seed)))

    def share(self, hits: Bool[np.ndarray, "n"], mine: Bool[np.ndarray, "n"]) -> Estimate | None:
        if not mine.any():
            return None
        return share(hits[mine], group=None if self.how is None else self.how.group[mine])


def table(
    detectors: Mapping[str, Detector],
    samples: Sequence[Sample],
    out: Path,
    *,
    where: str,
    over: Sequence[Cell],
    rounds: int = 1000,
    seed: int = 0,
) -> Iterator[RobustnessRow]:
    """Every row of a finished sweep: for each detector and cell all sources together, then reals, then fakes.

    Args:
        detectors, samples, out, over: as the sweep had them; `over` holds the clean cell.
        where: as the setup had it.
        rounds: of the bootstrap.
        seed: of the bootstrap.
    """
    for model, detector in detectors.items():
        clean = _read(cell_file(out, model, CLEAN), samples)
        draws = _draws(cell_file(out, model, CLEAN), samples, clean, rounds, seed)
        for cell in over:
            found = clean if cell == CLEAN else _read(cell_file(out, model, cell), samples)
            about: dict[str, str | float | bool] = {
                "model": model,
                "weights_sha256": detector.sha256,
                "where": where,
                "corruption": cell.corruption,
                "strength": cell.strength,
                "verdict_by": "score 0.5" if detector.spec.thresholds is None else "thresholds",
                "grouped": draws.how is not None,
            }
            for source, label, mine in _parts(found):
                yield _row(about, source, label, found, clean, mine, draws)


def _draws(path: Path, samples: Sequence[Sample], clean: _Images, rounds: int, seed: int) -> _Draws:
    """Whole groups, and copies of a picture together, where there are any."""
    hashes = [None if row is None else row["image_sha256"] for row in kept_rows(path, samples)]
    group = together([utf8(sample.group) for sample in samples], hashes)
    named = [one for one in group if one]
    if len(set(named)) == len(named):
        return _Draws(how=None, rounds=rounds, seed=seed)
    return _Draws(how=resampling(clean.is_fake, clean.source, np.array(group, object)), rounds=rounds, seed=seed)


def _parts(images: _Images) -> Iterator[tuple[str, str, Bool[np.ndarray, "n"]]]:
    """Name, label and own images of every row of a cell."""
    yield ALL, "all", np.ones(images.is_fake.size, np.bool_)
    for is_fake, label in ((False, "real"), (True, "fake")):
        for source in sorted(set(images.source[images.is_fake == is_fake])):
            yield str(source), label, (images.source == source) & (images.is_fake == is_fake)


def _row(
    about: Mapping[str, str | float | bool],
    source: str,
    label: str,
    found: _Images,
    clean: _Images,
    mine: Bool[np.ndarray, "n"],
    draws: _Draws,
) -> RobustnessRow:
    usable = found.scored & clean.scored
    others = np.zeros_like(mine) if label == "all" else found.is_fake != (label == "fake")
    measured, own = usable & (mine | others), usable & mine
    is_fake, reals = found.is_fake[measured], own & ~found.is_fake
    both = is_fake.any() and not is_fake.all()
    return RobustnessRow(
        **about,  # type: ignore[arg-type]
        source=source,
        label=label,
        n_real=int((~is_fake).sum()),
        n_fake=int(is_fake.sum()),
        auc=draws.auc(found, np.flatnonzero(measured)) if both else None,
        flip=draws.share(found.verdict != clean.verdict, own),
        false_alarm=draws.share(found.verdict == "likely generated", reals),
        failed=int((mine & ~usable).sum()),
    )


def _read(path: Path, samples: Sequence[Sample]) -> _Images:
    """One cell's scores, in the order of the samples."""
    rows = kept_rows(path, samples)
    return _Images(
        is_fake=np.array([bool(sample.is_fake) for sample in samples]),
        source=np.array([sample.source or "(unnamed)" for sample in samples]),
        scored=np.array([found is not None for found in rows]),
        score=np.array([np.nan if found is None else found["score"] for found in rows]),
        verdict=np.array(["" if found is None else found["verdict"] or _halves(found["score"]) for found in rows]),
    )


def _halves(score: float) -> str:
    return "likely generated" if score >= 0.5 else "likely real"


def flat(row: RobustnessRow) -> dict[str, str | int | float | None]:
    """One record for a CSV file."""
    found: dict[str, str | int | float | None] = {}
    for name, value in asdict(row).items():
        if name not in _ESTIMATES:
            found[name] = value
            continue
        for part, column in zip(("value", "low", "high"), _ESTIMATES[name], strict=True):
            found[column] = None if value is None or isnan(value[part]) else round(value[part], 4)
    return found


_ESTIMATES = {
    "auc": ("auc", "auc_low", "auc_high"),
    "flip": ("flip_share", "flip_low", "flip_high"),
    "false_alarm": ("false_alarm_rate", "false_alarm_low", "false_alarm_high"),
}


def as_csv(rows: Iterable[RobustnessRow]) -> str:
    """The rows with a header; numbers to four places."""
    stream, records = io.StringIO(), [flat(row) for row in rows]
    writer = csv.DictWriter(stream, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def as_json_lines(rows: Iterable[RobustnessRow]) -> str:
    """The same records as JSON lines."""
    return "".join(json.dumps(flat(row)) + "\n" for row in rows)


def as_markdown(rows: Sequence[RobustnessRow]) -> str:
    """A table for each detector: one line a cell, with the worst source beside all sources together."""
    lines = ["# Robustness", ""]
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        lines += [f"## {model}", "", _about(mine), "", _HEADER, "|---|---|---|---|---|---|---|---|"]
        lines += [_line(mine, cell) for cell in dict.fromkeys(Cell(row.corruption, row.strength) for row in mine)]
        lines += [""]
    return "\n".join(lines)


_HEADER = (
    "| corruption | strength | AUC, all sources | lowest AUC of a source of fakes | verdicts that change "
    "| most in a source | false alarms, all reals | most in a source |"
)


def _about(rows: Sequence[RobustnessRow]) -> str:
    first = rows[0]
    verdicts = {
        "thresholds": "Verdicts by the thresholds in its spec",
        "score 0.5": "It has no thresholds: verdicts by score 0.5",
    }
    failed = f" {first.failed} images without a score." if first.failed else ""
    return (
        f"Weights `{first.weights_sha256[:16]}`, corrupted {first.where} its preparation. "
        f"{first.n_real} reals, {first.n_fake} fakes.{failed} {verdicts[first.verdict_by]}. 95 % intervals in brackets"
        f"{', of groups of images drawn together' if first.grouped else ''}."
    )


def _line(rows: Sequence[RobustnessRow], cell: Cell) -> str:
    mine = [row for row in rows if (row.corruption, row.strength) == (cell.corruption, cell.strength)]
    whole = next(row for row in mine if row.source == ALL)
    strength = "" if cell == CLEAN else f"{cell.strength:g}"
    lowest, flips, alarms = worst(mine, "auc"), worst(mine, "flip"), worst(mine, "false_alarm")
    both = of_both((row.source, row.label) for row in mine)
    columns = (
        cell.corruption,
        strength,
        with_interval(whole.auc),
        "" if lowest is None else f"{with_interval(lowest.auc)} {named(lowest.source, lowest.label, both)}",
        _share(whole.flip),
        "" if flips is None else f"{_share(flips.flip)} {named(flips.source, flips.label, both)}",
        _share(whole.false_alarm),
        "" if alarms is None else f"{_share(alarms.false_alarm)} {named(alarms.source, alarms.label, both)}",
    )
    return f"| {' | '.join(text.replace('|', '/') for text in columns)} |"


def worst(rows: Iterable[RobustnessRow], name: str) -> RobustnessRow | None:
    """The source with the lowest AUC of fakes, or the most flips or false alarms; None where no source has any.

    Args:
        rows: of one cell.
        name: auc, flip or false_alarm.
    """
    only = {"auc": ("fake",), "flip": ("real", "fake"), "false_alarm": ("real",)}[name]
    found = [row for row in rows if row.label in only and getattr(row, name) is not None]
    sign = 1 if name == "auc" else -1
    return min(found, key=lambda row: sign * float(getattr(row, name).value), default=None)


def _share(found: Estimate | None) -> str:
    return "" if found is None else f"{100 * found.value:.0f} % ({percent_ends(found)})"
