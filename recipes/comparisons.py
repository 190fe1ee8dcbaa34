"""Runs of networks compared over seeds, pictures and sources: what differs, on how many sources, and how sure that is.

Used by the recipes whose tables ask whether something transfers. All intervals are 95 %, percentiles of a bootstrap.
Of n seeds (and of n sources, where they are drawn too) every round draws n - 1 with replacement: drawing n would make
intervals too narrow, by 29 % with two seeds and by 11 % with five (Rao and Wu 1988).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from telltale.evaluate.metrics import auc

Scores = NDArray[np.float64]
Places = NDArray[np.intp]
ROUNDS = 500
# Sums of equal numbers in another order differ by this little.
ROUNDING = 1e-9
LASTING = "†"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its bootstrap draws."""

    value: float
    draws: Scores

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Round by round, so that what both share cancels."""
        return Estimate(self.value - other.value, self.draws - other.draws)

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        low, high = np.quantile(self.draws, (0.025, 0.975))
        return float(low), float(high)

    @property
    def side(self) -> int:
        """1 where the interval lies above 0, -1 where below, 0 where it holds 0."""
        low, high = self.interval
        return int(low > ROUNDING) - int(high < -ROUNDING)

    @property
    def p(self) -> float:
        """Two-sided, of no difference, by the normal distribution: the draws are too few for small shares."""
        spread = float(np.std(self.draws, ddof=1))
        return erfc(abs(self.value) / spread / sqrt(2)) if spread else float(self.value == 0)

    def rounded(self) -> list[float]:
        """Value, lower and upper end, for a file."""
        return [round(one, 4) for one in (self.value, *self.interval)]

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
    """

    seeds: int
    values: Scores
    draws: Scores
    sources: tuple[str, ...]

    def of(self, names: Sequence[str]) -> "Runs":
        """Only these sources."""
        places = [self.sources.index(name) for name in names]
        return Runs(self.seeds, self.values[places], self.draws[:, places], tuple(names))

    def on(self, source: str) -> Estimate:
        """AUC on one source."""
        place = self.sources.index(source)
        return Estimate(float(self.values[place]), self.draws[:, place])

    @property
    def mean(self) -> Estimate:
        """Over sources, taken as they are."""
        return Estimate(float(self.values.mean()), self.draws.mean(1))

    @property
    def mean_elsewhere(self) -> Estimate:
        """Over sources, which are drawn too: what others like them would give."""
        rounds, count = self.draws.shape
        chosen = np.random.default_rng(2).integers(count, size=(rounds, max(1, count - 1)))
        return Estimate(float(self.values.mean()), np.take_along_axis(self.draws, chosen, 1).mean(1))

    @property
    def worst(self) -> Estimate:
        """The lowest source, in every round anew."""
        return Estimate(float(self.values.min()), self.draws.min(1))


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
        seeds=len(scores), values=plain.mean(0), draws=np.einsum("sr,spr->rp", share, each), sources=tuple(pools)
    )


def over_seeds(values: Scores, sources: Sequence[str], rounds: int = ROUNDS) -> Runs:
    """Runs of which only figures are known, not the pictures' scores: every round draws seeds.

    Args:
        values: (seeds, sources).
        sources: their names.
        rounds: of the bootstrap.
    """
    share = _share_of_seeds(len(values), rounds, int(np.abs(values).sum() * 1e6) % 2**32)
    return Runs(seeds=len(values), values=values.mean(0), draws=share.T @ values, sources=tuple(sources))


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


@dataclass(frozen=True, slots=True)
class Question:
    """A contrast: each network's weight; weights add up to 0.

    Attributes:
        topic: under which heading it stands.
        asked: in words, "A against B": positive means that A is better.
        weights: by network.
    """

    topic: str
    asked: str
    weights: Mapping[tuple[str, str], float]


def versus(topic: str, asked: str, first: Sequence[tuple[str, str]], second: Sequence[tuple[str, str]]) -> Question:
    """The mean of some networks against the mean of others."""
    weights: dict[tuple[str, str], float] = {}
    for side, sign in ((first, 1.0), (second, -1.0)):
        for one in side:
            weights[one] = weights.get(one, 0.0) + sign / len(side)
    return Question(topic, asked, weights)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contrast came to.

    Attributes:
        question: which.
        here: of the mean over sources, these sources.
        elsewhere: the same with sources drawn too.
        worst: of the minimum over sources.
        better: on how many sources the first is better.
        sources: of how many.
        fewest_seeds: of the network that has fewest.
        word: what sources are here, in the plural.
    """

    question: Question
    here: Estimate
    elsewhere: Estimate
    worst: Estimate
    better: int
    sources: int
    fewest_seeds: int
    word: str

    @property
    def verdict(self) -> str:
        """In words, and how sure."""
        if self.here.side == 0:
            return f"not shown: more than {max(map(abs, self.here.interval)):.3f} either way is unlikely"
        said = "better" if self.here.side > 0 else "worse"
        if self.sources == 1:
            return said
        if self.elsewhere.side == self.here.side:
            return f"{said}, and beyond the spread between {self.word}"
        return f"{said} on these {self.word}, open for others"

    def json(self) -> dict[str, object]:
        """For a file."""
        return {
            "topic": self.question.topic,
            "asked": self.question.asked,
            "difference": self.here.rounded(),
            "measured_on": self.word,
            "sources_drawn_too": self.elsewhere.rounded(),
            "minimum": self.worst.rounded(),
            "better_on": f"{self.better} of {self.sources}",
            "p": round(self.here.p, 5),
            "verdict": self.verdict,
        }


def answers(
    questions: Sequence[Question], found: Mapping[tuple[str, str], Runs], word: str = "sources"
) -> list[Answer]:
    """The questions whose networks are all there; `word` says what sources are, such as generators."""
    return [_answer(one, found, word) for one in questions if all(key in found for key in one.weights)]


def _answer(question: Question, found: Mapping[tuple[str, str], Runs], word: str) -> Answer:
    def contrast(of: Callable[[Runs], Estimate]) -> Estimate:
        parts = [(weight, of(found[key])) for key, weight in question.weights.items()]
        value = sum(weight * one.value for weight, one in parts)
        return Estimate(float(value), np.sum([weight * one.draws for weight, one in parts], axis=0))

    gaps = np.sum([weight * found[key].values for key, weight in question.weights.items()], axis=0)
    return Answer(
        question=question,
        here=contrast(lambda runs: runs.mean),
        elsewhere=contrast(lambda runs: runs.mean_elsewhere),
        worst=contrast(lambda runs: runs.worst),
        better=int((gaps > 0).sum()),
        sources=gaps.size,
        fewest_seeds=min(found[key].seeds for key in question.weights),
        word=word,
    )


def table(found: Sequence[Answer]) -> Iterator[str]:
    """A row for each answer; those that last through Holm's correction are marked."""
    lasting = {id(one) for one in holm(found)}
    yield "| topic | first against second | mean | mean, drawn too | minimum | better on | so |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        cells = (one.here.signed, one.elsewhere.signed, one.worst.signed, f"{one.better} of {one.sources}", one.verdict)
        mark = f" {LASTING}" if id(one) in lasting else ""
        yield f"| {one.question.topic} | {one.question.asked} | {' | '.join(cells)}{mark} |"


def conclusions(found: Sequence[Answer]) -> Iterator[str]:
    """A line for each topic: its first answer with its interval, and which of the others come out how."""
    for topic in dict.fromkeys(one.question.topic for one in found):
        first, *others = [one for one in found if one.question.topic == topic]
        words = [f"- **{topic}.** {first.question.asked}: {first.here.signed}, {first.verdict}."]
        if first.sources > 1:
            said = {1: "better", -1: "worse", 0: "not shown"}[first.worst.side]
            words.append(f"Of the worst of the {first.word}: {first.worst.signed}, {said}.")
        for side, said in ((1, "better"), (-1, "worse"), (0, "not shown")):
            named = [one.question.asked for one in others if one.here.side == side]
            if named:
                words.append(f"{said.capitalize()} ({len(named)} of {len(others)}): {'; '.join(named)}.")
        yield " ".join(words)
    yield f"- **How sure.** {caution(found)}"


def caution(found: Sequence[Answer]) -> str:
    """What so many rows give by chance alone, and which survive Holm's correction for it."""
    if not found:
        return "No question has all its networks yet."
    clear = sum(one.here.side != 0 for one in found)
    lasting = [f"{one.question.topic}, {one.question.asked}" for one in holm(found)]
    # A sentence holds a few of them.
    listed = f": {'; '.join(lasting)}" if 0 < len(lasting) <= 3 else f", marked {LASTING} below" if lasting else ""
    fewest = min(one.fewest_seeds for one in found)
    return (
        f"{clear} of {len(found)} intervals of the mean do not hold 0; by chance alone about {len(found) / 20:.0f} "
        f"would not. After Holm's correction for all rows {len(lasting)} "
        f"{'remains' if len(lasting) == 1 else 'remain'}{listed}. "
        f"The network with fewest seeds has {fewest}."
    )


def holm(found: Sequence[Answer], level: float = 0.05) -> list[Answer]:
    """The answers whose p stays below the level when all rows are accounted for (Holm 1979)."""
    kept = []
    for rank, one in enumerate(sorted(found, key=lambda answer: answer.here.p)):
        if one.here.p > level / (len(found) - rank):
            break
        kept.append(one)
    return kept


def chance(found: Mapping[tuple[str, str], Runs], sources: Sequence[str]) -> Iterator[str]:
    """For each source, on how many networks the interval of AUC lies above, around or below 0.5."""
    yield "| source | networks above chance | at chance | below chance | lowest AUC | highest AUC |"
    yield "|---|---|---|---|---|---|"
    for name in sources:
        each = [(runs.on(name).value, *runs.on(name).interval) for runs in found.values()]
        above, below = sum(low > 0.5 for _, low, _ in each), sum(high < 0.5 for *_, high in each)
        values = [value for value, *_ in each]
        yield (f"| {name} | {above} | {len(each) - above - below} | {below} | {min(values):.3f} | {max(values):.3f} |")
