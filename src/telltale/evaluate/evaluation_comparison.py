"""Every pair of detectors of an evaluation, compared on the images that both have scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

import numpy as np

from telltale.evaluate.comparison import Difference, delong, paired
from telltale.evaluate.evaluation_entries import Chosen, Entry, Images, Judge
from telltale.evaluate.evaluation_table import ALL, MEAN, Part, Rounds, parts
from telltale.evaluate.resampling import on_draws

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

    Pairs are of different detectors: both with their own pooling, or both with the same. One of whole images has
    nothing to pool, and meets the others with every pooling.

    Args:
        images, entries: as `collect` gives them.
        rounds, seed, least: as for `table`.
    """
    pairs = [_Pair(images, one, other, least) for one, other in combinations(entries, 2) if _belong(one, other)]
    # The same images of the same detector are resampled once, however many pairs they are in.
    sets = {
        (id(entry), places.tobytes()): (entry.prepared(images, places), places)
        for pair in pairs
        for entry in (pair.one, pair.other)
        for _, places in pair.parts
    }
    drawn = on_draws(sets, images.resampling(), rounds=rounds, seed=seed)
    values = {
        key: {name: float(found[0]) for name, found in prepared.figures(np.ones((1, places.size))).items()}
        for key, (prepared, places) in sets.items()
    }
    for pair in pairs:
        yield from pair.rows(values, drawn)


def _belong(one: Entry, other: Entry) -> bool:
    first, second = one.judge, other.judge
    alike = (first.own and second.own) or first.pooling == second.pooling
    return first.detector != second.detector and (alike or one.whole or other.whole)


_Key: TypeAlias = tuple[int, bytes]
_Places: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]


class _Pair:
    """Two entries and the parts of the images that both have scored, where there are enough."""

    def __init__(self, images: Images, one: Entry, other: Entry, least: int) -> None:
        self.images, self.one, self.other = images, one, other
        both = one.scored & other.scored
        self.parts = [
            (part, np.flatnonzero(part.measured & both)) for part in parts(images) if _usable(images, part, both, least)
        ]

    def rows(
        self, values: Mapping[_Key, Mapping[str, float]], drawn: Mapping[_Key, Mapping[str, Rounds]]
    ) -> Iterator[ComparisonRow]:
        """Each part by DeLong and by the bootstrap, then the mean over sources of fakes."""

        def over(places: Sequence[_Places], figure: str) -> Difference:
            keys = [[(id(entry), each.tobytes()) for each in places] for entry in (self.one, self.other)]
            first, second = (float(np.mean([values[key][figure] for key in side])) for side in keys)
            rounds = [np.mean([drawn[key][figure] for key in side], axis=0) for side in keys]
            return paired(first, second, rounds[0], rounds[1])

        for part, places in self.parts:
            is_fake = self.images.is_fake[places]
            yield self._row(part, places, "auc", delong(is_fake, self.one.score[places], self.other.score[places]))
            for figure in COMPARED:
                yield self._row(part, places, figure, over([places], figure))
        fakes = [(part, places) for part, places in self.parts if part.label == "fake"]
        if len(fakes) > 1:
            mean = replace(fakes[0][0], source=MEAN)
            every = np.unique(np.concatenate([places for _, places in fakes]))
            for figure in COMPARED:
                yield self._row(mean, every, figure, over([places for _, places in fakes], figure))

    def _row(self, part: Part, places: _Places, figure: str, found: Difference) -> ComparisonRow:
        n_fake = int(self.images.is_fake[places].sum())
        return ComparisonRow(
            first=self.one.judge,
            second=self.other.judge,
            source=part.source,
            label=part.label,
            n_real=places.size - n_fake,
            n_fake=n_fake,
            figure=figure,
            found=found,
        )


def _usable(images: Images, part: Part, both: Chosen, least: int) -> bool:
    is_fake, own = images.is_fake[part.measured & both], int((part.mine & both).sum())
    return min(own, int(is_fake.sum()), int((~is_fake).sum())) >= max(1, least)


def headline(rows: Sequence[ComparisonRow], *, grouped: bool) -> list[ComparisonRow]:
    """The rows that answer "which is better": AUC on all images, and its mean over sources of fakes.

    Args:
        rows: of `compare`.
        grouped: whether images come in groups. DeLong's test takes them for independent: then the bootstrap, which
            draws whole groups, says it of all images.
    """
    test = "bootstrap" if grouped else "delong"
    return [
        row
        for row in rows
        if row.figure == "auc" and ((row.source == ALL and row.found.test == test) or row.source == MEAN)
    ]
