"""Runs of networks compared over seeds, pictures and sources: what differs, on how many sources, and how sure that is.

Used by the recipes whose tables ask whether something transfers. All intervals are 95 %, of a bootstrap. Of n seeds
(and of n sources, where they are drawn too) every round draws n - 1 with replacement: drawing n would make intervals
too narrow, by 29 % with two seeds and by 11 % with five (Rao and Wu 1988). And a few seeds do not tell well how much
seeds differ: what the draws say is widened by Student's t over the normal distribution, with the degrees of freedom
that seeds leave (Welch, Satterthwaite 1946).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from telltale.errors import require
from telltale.evaluate.metrics import auc

stats = require("scipy.stats", "evaluate")

Scores = NDArray[np.float64]
Places = NDArray[np.intp]
ROUNDS = 500
# Sums of equal numbers in another order differ by this little.
ROUNDING = 1e-9
# An AUC, or an AP, lies between these.
AREA = (0.0, 1.0)


# Variances that a few seeds, or sources, tell of, each with its degrees of freedom: one less than they are.
Few = tuple[tuple[float, int], ...]


def few(values: Sequence[float] | Scores, weight: float = 1.0) -> Few:
    """What a mean of these values varies by, times a weight; nothing of one value, which does not tell."""
    return ((weight**2 * float(np.var(values, ddof=1)) / len(values), len(values) - 1),) if len(values) > 1 else ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its bootstrap draws.

    Attributes:
        value: of all that is there.
        draws: (rounds,).
        few: the part of the draws' variance that a few seeds, or sources, tell of.
        limits: between which the value lies by its nature.
    """

    value: float
    draws: Scores
    few: Few = ()
    limits: tuple[float, float] = (-inf, inf)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Round by round, so that what both share cancels."""
        return Estimate(self.value - other.value, self.draws - other.draws, (*self.few, *other.few))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the draws' variance: infinite where nothing but many pictures is drawn."""
        told = sum(part**2 / freedom for part, freedom in self.few)
        if not told:
            return inf
        # Parts that both sides of a difference share count twice in it; fewer than the fewest there are never.
        return max(float(np.var(self.draws, ddof=1)) ** 2 / told, min(freedom for _, freedom in self.few))

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        low, high = np.quantile(self.draws, (0.025, 0.975))
        middle, wider = self.draws.mean(), stats.t.ppf(0.975, self.freedom) / stats.norm.ppf(0.975)
        ends = np.clip([middle + wider * (low - middle), middle + wider * (high - middle)], *self.limits)
        return float(ends[0]), float(ends[1])

    @property
    def side(self) -> int:
        """1 where the interval lies above 0, -1 where below, 0 where it holds 0."""
        low, high = self.interval
        return int(low > ROUNDING) - int(high < -ROUNDING)

    @property
    def p(self) -> float:
        """Two-sided, of no difference, by Student's t: the draws are too few for small shares."""
        spread = float(np.std(self.draws, ddof=1))
        return float(2 * stats.t.sf(abs(self.value) / spread, self.freedom)) if spread else float(self.value == 0)

    def rounded(self) -> list[float]:
        """Value, lower and upper end, for a file."""
        # Six places: three are shown, and rounding twice could move the last of them.
        return [round(one, 6) for one in (self.value, *self.interval)]

    def __str__(self) -> str:
        """As a table shows a value."""
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]"

    @property
    def signed(self) -> str:
        """As a table shows a difference."""
        low, high = self.interval
        return f"{self.value:+.3f} [{low:+.3f}, {high:+.3f}]"


@dataclass(frozen=True, slots=True)
class Runs:
    """What all seeds of one network came to on each source; draws are paired between networks.

    Attributes:
        seeds: how many.
        values: (sources,), the mean over seeds.
        draws: (rounds, sources), of seeds and pictures.
        sources: their names.
        each: (seeds, sources).
        limits: between which figures of this kind lie.
    """

    seeds: int
    values: Scores
    draws: Scores
    sources: tuple[str, ...]
    each: Scores
    limits: tuple[float, float] = (-inf, inf)

    def of(self, names: Sequence[str]) -> "Runs":
        """Only these sources."""
        places = [self.sources.index(name) for name in names]
        return Runs(
            self.seeds, self.values[places], self.draws[:, places], tuple(names), self.each[:, places], self.limits
        )

    def on(self, source: str) -> Estimate:
        """AUC on one source."""
        place = self.sources.index(source)
        return Estimate(float(self.values[place]), self.draws[:, place], few(self.each[:, place]), self.limits)

    @property
    def mean(self) -> Estimate:
        """Over sources, taken as they are."""
        return Estimate(float(self.values.mean()), self.draws.mean(1), few(self.each.mean(1)), self.limits)

    @property
    def mean_elsewhere(self) -> Estimate:
        """Over sources, which are drawn too: what others like them would give. A contrast adds how few they are."""
        rounds, count = self.draws.shape
        chosen = np.random.default_rng(2).integers(count, size=(rounds, max(1, count - 1)))
        draws = np.take_along_axis(self.draws, chosen, 1).mean(1)
        return Estimate(float(self.values.mean()), draws, few(self.each.mean(1)), self.limits)

    @property
    def worst(self) -> Estimate:
        """The lowest source, in every round anew."""
        return Estimate(float(self.values.min()), self.draws.min(1), few(self.each.min(1)), self.limits)


def areas(
    is_fake: NDArray[np.bool_],
    source: NDArray[np.str_],
    scores: Scores,
    pools: Mapping[str, Places],
    rounds: int = ROUNDS,
) -> Runs:
    """AUC of one network's seeds on each source.

    Every round draws the pictures of each source anew, the same for every network, and seeds, for each network its own.
    Pools that share pictures share their draws.

    Args:
        is_fake: (n,).
        source: (n,), from which pictures are drawn apart.
        scores: (seeds, n).
        pools: by row of the table, the places of its pictures and of those it is measured against.
        rounds: of the bootstrap.
    """
    times = _times_drawn(is_fake, source, rounds)
    each = np.array([[_area(is_fake, one, places, times) for places in pools.values()] for one in scores])
    plain = np.array([[auc(is_fake[places], one[places]) for places in pools.values()] for one in scores])
    share = _share_of_seeds(len(scores), rounds, int(scores.sum() * 1e6) % 2**32)
    return Runs(
        seeds=len(scores),
        values=plain.mean(0),
        draws=np.einsum("sr,spr->rp", share, each),
        sources=tuple(pools),
        each=plain,
        limits=AREA,
    )


def over_seeds(values: Scores, sources: Sequence[str], rounds: int = ROUNDS) -> Runs:
    """Runs of which only figures are known, not the pictures' scores: every round draws seeds.

    Args:
        values: (seeds, sources).
        sources: their names.
        rounds: of the bootstrap.
    """
    share = _share_of_seeds(len(values), rounds, int(np.abs(values).sum() * 1e6) % 2**32)
    return Runs(seeds=len(values), values=values.mean(0), draws=share.T @ values, sources=tuple(sources), each=values)


def _share_of_seeds(count: int, rounds: int, seed: int) -> Scores:
    """(seeds, rounds): how large a part each seed has of each round."""
    chosen = np.random.default_rng(seed).integers(count, size=(rounds, max(1, count - 1)))
    return np.stack([(chosen == one).mean(1) for one in range(count)])


def _times_drawn(is_fake: NDArray[np.bool_], source: NDArray[np.str_], rounds: int) -> Scores:
    """(rounds, n): how often each picture is drawn; of each source and label as many as there are."""
    random = np.random.default_rng(0)
    times = np.zeros((rounds, is_fake.size))
    for name in sorted(set(source.tolist())):
        for label in (False, True):
            places = np.flatnonzero((source == name) & (is_fake == label))
            if places.size:
                times[:, places] = random.multinomial(places.size, np.full(places.size, 1 / places.size), rounds)
    return times


def _area(is_fake: NDArray[np.bool_], scores: Scores, places: Places, times: Scores) -> Scores:
    """(rounds,): AUC of pictures drawn so often, from all pairs of a fake and a real at once."""
    fakes, reals = places[is_fake[places]], places[~is_fake[places]]
    wins = np.sign(scores[fakes][:, None] - scores[reals]) / 2 + 0.5
    return np.asarray(((times[:, fakes] @ wins) * times[:, reals]).sum(1) / (fakes.size * reals.size))
