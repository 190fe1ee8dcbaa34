"""What one detector's scores say of composites and films: figures with their intervals, and chance beside them.

No script: `outside_checks.py` runs it.

An AUC over films compares each swapped half with the originals of all films. A bootstrap that draws a film twice
compares it with itself four times, which is easier than with others, so that its interval lies high; and ten films
drawn again vary too little. Here every film is left out once instead (jackknife), and the interval is Wilson's for as
many independent comparisons as would vary so much, with Student's t for the number of films, as `metrics.share` does
it for groups. That percentiles miss the truth more often, and nearly always on the high side, and this one does not,
is a test (tests/recipes/test_outside_checks.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outside_faces import COMPOSITES, PORTRAITS, REPLACED, VIDEOS, Face
from telltale.errors import require
from telltale.evaluate.metrics import FEWEST_GROUPS, Estimate, auc, share
from telltale.evaluate.resampling import interval, prepared, resampling

Row = dict[str, Any]
Places = NDArray[np.intp]

SEED, ROUNDS = 0, 1000
# What a row calls the films whose halves lie alike on the codec's grid.
EVEN = f"{VIDEOS}, halves alike on the grid"
# Sums of equal numbers in another order differ by this little.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """What is compared in films.

    Attributes:
        names: of the films, which are target groups.
        frames: of each film; each holds an original half and a swapped one.
        won: [i, j]: how often swapped halves of film j score higher than originals of film i; ties count half.
        paired: of each film, in which share of its frames the swapped half scores higher than its own original.
    """

    names: tuple[str, ...]
    frames: Places
    won: NDArray[np.float64]
    paired: NDArray[np.float64]

    def auc(self, chosen: Places) -> float:
        """Over all frames of some films, as `metrics.auc` counts it."""
        return float(self.won[np.ix_(chosen, chosen)].sum() / self.frames[chosen].sum() ** 2)

    def within(self, chosen: Places) -> float:
        """The same over halves of one film."""
        return float(np.diag(self.won)[chosen].sum() / (self.frames[chosen] ** 2).sum())

    def between(self, chosen: Places) -> float:
        """The same over halves of two films."""
        own, same = np.diag(self.won)[chosen].sum(), (self.frames[chosen] ** 2).sum()
        return float((self.won[np.ix_(chosen, chosen)].sum() - own) / (self.frames[chosen].sum() ** 2 - same))

    def pairs(self, chosen: Places) -> float:
        """How often the swapped half scores higher than its own original, every film weighing the same."""
        return float(self.paired[chosen].mean())

    def only(self, names: Sequence[str]) -> "Films":
        """Some of the films."""
        kept = np.array([i for i, name in enumerate(self.names) if name in names], np.intp)
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            frames=self.frames[kept],
            won=self.won[np.ix_(kept, kept)],
            paired=self.paired[kept],
        )


def films_of(found: Sequence[Face], scores: NDArray[np.float64]) -> Films:
    """Every comparison between halves of films."""
    halves: dict[str, dict[str, dict[bool, float]]] = {}
    for one, score in zip(found, scores, strict=True):
        if one.source == VIDEOS:
            halves.setdefault(one.group, {}).setdefault(one.pair, {})[one.is_fake] = float(score)
    both = [np.array([(pair[False], pair[True]) for pair in film.values()]) for film in halves.values()]
    won = [[(np.sign(swapped[:, 1] - own[:, 0, None]) + 1).sum() / 2 for swapped in both] for own in both]
    return Films(
        names=tuple(halves),
        frames=np.array([len(film) for film in both]),
        won=np.array(won, np.float64),
        paired=np.array([((np.sign(film[:, 1] - film[:, 0]) + 1) / 2).mean() for film in both]),
    )


def over_films(figure: Callable[[Places], float], films: int) -> Estimate:
    """A share of comparisons with its interval over films; fewer than five films give none.

    Args:
        figure: of the films with these numbers.
        films: how many there are.
    """
    every = np.arange(films)
    value = figure(every)
    if films < FEWEST_GROUPS:
        return Estimate(value, nan, nan)
    without = np.array([figure(np.delete(every, one)) for one in every])
    variance = float((films - 1) / films * ((without - without.mean()) ** 2).sum())
    # Where all agree a film counts as one comparison.
    count = value * (1 - value) / variance if variance > ROUNDING else float(films)
    z2 = float(require("scipy.stats", "evaluate").t.ppf(0.975, films - 1)) ** 2
    centre = (value + z2 / (2 * count)) / (1 + z2 / count)
    half = sqrt(z2 * value * (1 - value) / count + z2 * z2 / (4 * count * count)) / (1 + z2 / count)
    return Estimate(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)))


def judged(found: Sequence[Face], said: dict[str, Any], uneven: Sequence[str]) -> Iterator[Row]:
    """One detector's rows: composites, each of their parts; films together, and each.

    Args:
        found: the faces.
        said: the detector's cell.
        uneven: films whose halves lie otherwise on the codec's grid.
    """
    scores = np.array(said["scores"], np.float64)
    yield {"set": COMPOSITES, **_composites(found, scores), **_pointing(found, said)}
    if said["parts"]:
        for place, part in enumerate(REPLACED):
            yield {"set": f"{COMPOSITES}, {part}", **_part(found, said, place)}
    films = films_of(found, scores)
    yield {"set": VIDEOS, **_together(films)}
    even = films.only([name for name in films.names if name not in uneven])
    if 1 < len(even.names) < len(films.names):
        yield {"set": EVEN, **_together(even)}
    for place, name in enumerate(films.names):
        here = np.array([place])
        # Frames of one film do not say how another film would differ: no interval.
        yield {
            "set": f"{VIDEOS}, {name}",
            "n": 2 * int(films.frames[place]),
            "auc": Estimate(films.within(here), nan, nan),
            "pairs": Estimate(films.pairs(here), nan, nan),
        }


def _together(films: Films) -> Row:
    count = len(films.names)
    figures = {"auc": films.auc, "between": films.between, "within": films.within, "pairs": films.pairs}
    return {
        "n": 2 * int(films.frames.sum()),
        "films": count,
        **{name: over_films(figure, count) for name, figure in figures.items()},
    }


def _composites(found: Sequence[Face], scores: NDArray[np.float64]) -> Row:
    """AUC of composites against portraits."""
    still = [i for i, one in enumerate(found) if one.source in (COMPOSITES, PORTRAITS)]
    is_fake = np.array([found[i].is_fake for i in still])
    return {"n": len(still), "auc": _drawn(is_fake, scores[still])}


def _drawn(is_fake: NDArray[np.bool_], scores: NDArray[np.float64]) -> Estimate:
    """AUC of pictures that stand alone, those of either label drawn again apart."""
    alone = np.full(is_fake.size, "")
    images = prepared(is_fake, scores)
    each = [images.figures(counts)["auc"] for counts in resampling(is_fake, alone, alone).draws(ROUNDS, SEED)]
    return interval(auc(is_fake, scores), np.concatenate(each))


def _measured(found: Sequence[Face], said: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of composites whose three parts can be judged: mean P(fake) above that of portraits, and which were replaced."""
    still = [one for one in found if one.source != VIDEOS]
    heat = np.array([[np.nan if value is None else value for value in row] for row in said["parts"]], np.float64)
    usual = np.nanmean(heat[[one.source == PORTRAITS for one in still]], axis=0)
    chosen = np.array([one.source == COMPOSITES for one in still]) & np.isfinite(heat).all(1)
    truth = [[part in one.replaced for part in REPLACED] for one, kept in zip(still, chosen, strict=True) if kept]
    return heat[chosen] - usual, np.array(truth)


def _pointing(found: Sequence[Face], said: dict[str, Any]) -> Row:
    """How often the warmest part was replaced, over composites that could prove it wrong; and by habit alone."""
    if not said["parts"]:
        return {}
    heat, truth = _measured(found, said)
    mixed = truth.any(1) & ~truth.all(1)
    pointed, truth = heat[mixed].argmax(1), truth[mixed]
    hits = truth[np.arange(len(truth)), pointed]
    chances = dealt(truth, pointed)
    return {
        "pointing": share(hits),
        "n_pointing": int(hits.size),
        "habit": float(chances @ np.arange(chances.size) / hits.size),
        "pointing_p": two_sided(chances, int(hits.sum())),
    }


def dealt(truth: NDArray[np.bool_], pointed: Places) -> NDArray[np.float64]:
    """How likely each number of hits is where the truths are dealt anew to the composites, all deals alike; exact.

    Args:
        truth: which of the three parts were replaced, a row for each composite.
        pointed: to which of them the detector points.
    """
    room = np.bincount(pointed, minlength=3)
    # Number of deals by how many composites that point to the first and to the second part are served, and by hits.
    ways = np.zeros((room[0] + 1, room[1] + 1, len(truth) + 1))
    ways[0, 0, 0] = 1
    for kind, count in zip(*np.unique(truth, axis=0, return_counts=True), strict=True):
        further = np.zeros_like(ways)
        for first in range(min(count, room[0]) + 1):
            for second in range(min(count - first, room[1]) + 1):
                hits = int(kind @ (first, second, count - first - second))
                gained = ways[: room[0] + 1 - first, : room[1] + 1 - second, : len(truth) + 1 - hits]
                further[first:, second:, hits:] += comb(count, first) * comb(count - first, second) * gained
        ways = further
    # Where those two are served, the third part has what is left.
    each = ways[room[0], room[1]]
    return np.asarray(each / each.sum())


def two_sided(chances: NDArray[np.float64], hits: int) -> float:
    """Twice the smaller tail."""
    return float(min(1.0, 2 * min(chances[: hits + 1].sum(), chances[hits:].sum())))


def _part(found: Sequence[Face], said: dict[str, Any], place: int) -> Row:
    """Does a part look more fake where it was replaced; and was it, where the detector points to it?"""
    heat, truth = _measured(found, said)
    mixed = truth.any(1) & ~truth.all(1) & (heat.argmax(1) == place)
    hits, replaced, values = truth[mixed, place], truth[:, place], heat[:, place]
    # Mann and Whitney's test: what AUC is when who had the part replaced says nothing of its heat.
    test = require("scipy.stats", "evaluate").mannwhitneyu(values[replaced], values[~replaced], method="asymptotic")
    return {
        "n": len(truth),
        "n_replaced": int(replaced.sum()),
        "auc": _drawn(replaced, values),
        "auc_p": float(test.pvalue),
        "n_pointing": int(hits.size),
        **({"pointing": share(hits)} if hits.size else {}),
    }
