"""What scores come to: every figure for each detector, pooling and source, with mean and worst over sources.

A source of fakes is measured against all reals, a source of reals against all fakes. All intervals of a table come from
the same draws of images.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from telltale.evaluate.evaluation_entries import Chosen, Entry, Images, Judge
from telltale.evaluate.measures import measures
from telltale.evaluate.metrics import Estimate, ece_if_calibrated, share
from telltale.evaluate.resampling import FIGURES, Resampling, interval, on_draws

ALL, MEAN, WORST = "(all)", "(mean)", "(worst)"
# Figures of which less is better: there the worst source has the highest.
ERRORS = ("eer", "ece", "brier", "log_loss")
# Higher in the mean where images are drawn twice: recipes/interval_coverage.py says what a correction gives.
BIASED = ("ap_fake", "ap_real", "tpr_at_1_fpr")

Rounds: TypeAlias = Float[np.ndarray, "rounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """One detector, pooling and source.

    Attributes:
        judge: which detector and pooling.
        source: "(all)" for all images; "(mean)" and "(worst)" over the sources of one label.
        label: real or fake; all for all images.
        n: own images with a score.
        n_real, n_fake: images the figures rest on.
        fewest_real: the same as n_real, or of the source that has fewest, for mean and worst.
        failed: own images without a score.
        note: "" or why figures are missing: "too few", "no reals", "no fakes".
        figures: those of `Measures` that there are, with intervals; NaN where there is none: of ECE, and of all where
            images come in so few groups that none can be told.
        ece_if_calibrated: the ECE that its own probabilities would show if they were right; None for mean and worst.
        false_alarm: share of the row's own reals called "likely generated", with its interval, Wilson's, groups taken
            into account; NaN of fewer than five.
        detected: the same of its own fakes.
        inconclusive: share of its own images.
        worst_source: for "(worst)", the source of each figure.
    """

    judge: Judge
    source: str
    label: str
    n: int
    n_real: int
    n_fake: int
    fewest_real: int
    failed: int
    note: str = ""
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    ece_if_calibrated: Estimate | None = None
    false_alarm: Estimate | None = None
    detected: Estimate | None = None
    inconclusive: Estimate | None = None
    worst_source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images of one row: its own, and all that its figures rest on."""

    source: str
    label: str
    mine: Chosen
    measured: Chosen


def parts(images: Images) -> Iterator[Part]:
    """All images together, then each source of reals, then each source of fakes."""
    yield Part(source=ALL, label="all", mine=np.ones_like(images.is_fake), measured=np.ones_like(images.is_fake))
    for is_fake, label in ((False, "real"), (True, "fake")):
        for source in sorted(set(images.source[images.is_fake == is_fake])):
            mine = (images.source == source) & (images.is_fake == is_fake)
            yield Part(source=source, label=label, mine=mine, measured=mine | (images.is_fake != is_fake))


def table(
    images: Images, entries: Sequence[Entry], *, rounds: int = 1000, seed: int = 0, least: int = 10
) -> list[EvaluationRow]:
    """Every row: for each entry all images, every source, then mean and worst over sources of fakes and of reals.

    Args:
        images, entries: as `collect` gives them.
        rounds: resamples behind the intervals.
        seed: of the draws.
        least: a source with fewer images, or fewer of the other label, gets no figures, and counts in no mean.
    """
    each = list(parts(images))
    notes = {key: _note(images, entries[key[0]], each[key[1]], least) for key in np.ndindex(len(entries), len(each))}
    sets = {
        key: (entries[key[0]].prepared(images, places), places)
        for key, note in notes.items()
        if note != "too few" and (places := np.flatnonzero(each[key[1]].measured & entries[key[0]].scored)).size
    }
    how = images.resampling()
    drawn = on_draws(sets, how, rounds=rounds, seed=seed)
    right = _Right(how=how, rounds=rounds, seed=seed)
    found = []
    for number, entry in enumerate(entries):
        rows = [
            _row(images, entry, part, notes[number, place], drawn.get((number, place)), right)
            for place, part in enumerate(each)
        ]
        found += rows
        for label in ("fake", "real"):
            mine = [place for place, part in enumerate(each) if part.label == label and rows[place].figures]
            found += _over_sources([rows[place] for place in mine], [drawn[number, place] for place in mine])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Right:
    """How it is drawn what right probabilities would show: frames of one group are right or wrong together."""

    how: Resampling
    rounds: int
    seed: int

    def __call__(self, images: Images, entry: Entry, measured: Chosen) -> Estimate:
        return ece_if_calibrated(
            images.is_fake[measured],
            entry.judged[measured],
            group=self.how.group[measured],
            rounds=self.rounds,
            seed=self.seed,
        )


def _note(images: Images, entry: Entry, part: Part, least: int) -> str:
    is_fake = images.is_fake[part.measured & entry.scored]
    n_fake, own = int(is_fake.sum()), int((part.mine & entry.scored).sum())
    smallest = min(own, *(count for count in (n_fake, is_fake.size - n_fake) if count)) if is_fake.size else 0
    if smallest < least:
        return "too few"
    return "" if 0 < n_fake < is_fake.size else "no reals" if n_fake else "no fakes"


def _row(
    images: Images, entry: Entry, part: Part, note: str, drawn: Mapping[str, Rounds] | None, right: _Right
) -> EvaluationRow:
    measured, own = part.measured & entry.scored, part.mine & entry.scored
    is_fake = images.is_fake[measured]
    figures = {} if drawn is None else _figures(images, entry, measured, drawn)
    return EvaluationRow(
        judge=entry.judge,
        source=part.source,
        label=part.label,
        n=int(own.sum()),
        n_real=int((~is_fake).sum()),
        n_fake=int(is_fake.sum()),
        fewest_real=int((~is_fake).sum()),
        failed=int((part.mine & ~entry.scored).sum()),
        note=note,
        figures=figures,
        ece_if_calibrated=right(images, entry, measured) if "ece" in figures else None,
        false_alarm=_called(entry, own & ~images.is_fake, "likely generated", right.how),
        detected=_called(entry, own & images.is_fake, "likely generated", right.how),
        inconclusive=_called(entry, own, "inconclusive", right.how),
    )


def _called(entry: Entry, chosen: Chosen, verdict: str, how: Resampling) -> Estimate | None:
    hits = (entry.verdict[chosen] == verdict).astype(np.bool_)
    return share(hits, group=how.group[chosen]) if chosen.any() else None


def _figures(images: Images, entry: Entry, measured: Chosen, drawn: Mapping[str, Rounds]) -> dict[str, Estimate]:
    """Values as `measures` has them; accuracies alone where one class is missing."""
    is_fake, judged = images.is_fake[measured], entry.judged[measured]
    if is_fake.any() and not is_fake.all():
        values = measures(is_fake, entry.score[measured], probabilities=judged)
        return {name: _estimate(name, getattr(values, name), drawn[name]) for name in FIGURES}
    right = float(((judged >= 0.5) == is_fake).mean())
    return {
        name: _estimate(name, right, drawn[name])
        for name in ("accuracy", f"accuracy_{'fake' if is_fake.any() else 'real'}")
    }


def _estimate(name: str, value: float, drawn: Rounds, biased: Collection[str] = BIASED) -> Estimate:
    # ECE adds up sizes of gaps, and images held twice make every gap larger: of a calibrated detector not one interval
    # of resamples, corrected or not, holds the truth. `ece_if_calibrated` says what a value means instead.
    return Estimate(value, nan, nan) if name == "ece" else interval(value, drawn, corrected=name in biased)


def _over_sources(rows: Sequence[EvaluationRow], drawn: Sequence[Mapping[str, Rounds]]) -> Iterable[EvaluationRow]:
    """Mean and worst source of one label; nothing where no source has figures."""
    if not rows:
        return
    names = [name for name in FIGURES if all(name in row.figures for row in rows)]
    means, worsts, where = {}, {}, {}
    for name in names:
        values = np.array([row.figures[name].value for row in rows])
        rounds = np.stack([one[name] for one in drawn])
        means[name] = _estimate(name, float(values.mean()), rounds.mean(axis=0))
        place = int(values.argmax() if name in ERRORS else values.argmin())
        extreme = rounds.max(axis=0) if name in ERRORS else rounds.min(axis=0)
        # Not corrected: the lowest of several estimates lies below the lowest truth, and all draws may lie on one side.
        worsts[name] = _estimate(name, float(values[place]), extreme, biased=())
        where[name] = rows[place].source
    for source, figures in ((MEAN, means), (WORST, worsts)):
        yield EvaluationRow(
            judge=rows[0].judge,
            source=source,
            label=rows[0].label,
            n=sum(row.n for row in rows),
            n_real=rows[0].n_real if rows[0].label == "fake" else sum(row.n_real for row in rows),
            n_fake=rows[0].n_fake if rows[0].label == "real" else sum(row.n_fake for row in rows),
            fewest_real=min(row.n_real for row in rows),
            failed=sum(row.failed for row in rows),
            figures=figures,
            worst_source=where if source == WORST else {},
        )
