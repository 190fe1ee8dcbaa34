"""Every pair of detectors of an evaluation, compared on the images that both have scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from telltale.evaluate.comparison import Difference, delong, paired
from telltale.evaluate.evaluation_entries import Entry, Images, Judge
from telltale.evaluate.evaluation_table import ALL, MEAN, Part, Rounds, parts
from telltale.evaluate.resampling import Resampled, on_draws

# What is compared by the paired bootstrap; AUC also by DeLong's test.
COMPARED = ("auc", "ap_fake", "accuracy", "balanced_accuracy", "tpr_at_5_fpr")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One figure of two detectors on the same images.

    Attributes:
        first, second: which.
        source: "(all)", a source against all of the other label, or "(mean)" over the sources of fakes.
        label: real, fake, or all.
        n_real, n_fake: images that both have scored.
        figure: a field of `Measures`.
        found: both figures, their difference, interval and p.
    """

    first: Judge
    second: Judge
    source: str
    label: str
    n_real: int
    n_fake: int
    figure: str
    found: Difference


def compare(
    images: Images, entries: Sequence[Entry], *, rounds: int = 1000, seed: int = 0, least: int = 10
) -> Iterator[ComparisonRow]:
    """A row for each pair of detectors, source and figure; sources with too few images are left out.

    Pairs are of different detectors: both with their own pooling, or both with the same.

    Args:
        images, entries: as `collect` gives them.
        rounds, seed, least: as for `table`.
    """
    for one, other in combinations(entries, 2):
        first, second = one.judge, other.judge
        if first.detector != second.detector and ((first.own and second.own) or first.pooling == second.pooling):
            yield from _pair(images, one, other, rounds, seed, least)


def _pair(images: Images, one: Entry, other: Entry, rounds: int, seed: int, least: int) -> Iterator[ComparisonRow]:
    both = one.scored & other.scored
    usable = [part for part in parts(images) if _usable(images, part, both, least)]
    places = [np.flatnonzero(part.measured & both) for part in usable]
    sets: dict[tuple[int, int], tuple[Resampled, np.ndarray[tuple[int], np.dtype[np.int64]]]] = {
        (side, number): (entry.prepared(images, chosen), chosen)
        for number, chosen in enumerate(places)
        for side, entry in enumerate((one, other))
    }
    drawn = on_draws(sets, images.resampling(), rounds=rounds, seed=seed)
    values = {
        key: {name: float(found[0]) for name, found in prepared.figures(np.ones((1, chosen.size))).items()}
        for key, (prepared, chosen) in sets.items()
    }

    def row(
        source: str, label: str, chosen: np.ndarray[tuple[int], np.dtype[np.int64]], figure: str, found: Difference
    ) -> ComparisonRow:
        is_fake = images.is_fake[chosen]
        return ComparisonRow(
            first=one.judge,
            second=other.judge,
            source=source,
            label=label,
            n_real=int((~is_fake).sum()),
            n_fake=int(is_fake.sum()),
            figure=figure,
            found=found,
        )

    for number, (part, chosen) in enumerate(zip(usable, places, strict=True)):
        yield row(
            part.source,
            part.label,
            chosen,
            "auc",
            delong(images.is_fake[chosen], one.score[chosen], other.score[chosen]),
        )
        for figure in COMPARED:
            found = _paired(values, drawn, [number], figure)
            yield row(part.source, part.label, chosen, figure, found)
    fakes = [number for number, part in enumerate(usable) if part.label == "fake"]
    if len(fakes) > 1:
        every = np.unique(np.concatenate([places[number] for number in fakes]))
        for figure in COMPARED:
            yield row(MEAN, "fake", every, figure, _paired(values, drawn, fakes, figure))


def _paired(
    values: Mapping[tuple[int, int], Mapping[str, float]],
    drawn: Mapping[tuple[int, int], Mapping[str, Rounds]],
    numbers: Sequence[int],
    figure: str,
) -> Difference:
    """The mean of some sets of images on both sides."""
    first, second = (float(np.mean([values[side, number][figure] for number in numbers])) for side in (0, 1))
    rounds = [np.mean([drawn[side, number][figure] for number in numbers], axis=0) for side in (0, 1)]
    return paired(first, second, rounds[0], rounds[1])


def _usable(images: Images, part: Part, both: np.ndarray[tuple[int], np.dtype[np.bool_]], least: int) -> bool:
    is_fake, own = images.is_fake[part.measured & both], int((part.mine & both).sum())
    return min(own, int(is_fake.sum()), int((~is_fake).sum())) >= max(1, least)


def headline(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """The rows that answer "which is better": AUC by DeLong on all images, and its mean over sources of fakes."""
    return [
        row
        for row in rows
        if row.figure == "auc" and ((row.source == ALL and row.found.test == "delong") or row.source == MEAN)
    ]
