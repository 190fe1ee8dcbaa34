"""What differs between networks, in words: questions, their answers, which of them are sure, and the tables of them.

No script: used with `comparisons.py` by the recipes whose tables ask whether something transfers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from comparisons import Estimate, Runs, few

LASTING = "†"
# A minimum over sources leans to the low side, in each draw of runs by another amount while runs are very few.
LEAST_FOR_A_MINIMUM = 3


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
        levels: the minimum over sources of the first, and of the second.
        fewest_seeds: of the network that has fewest.
        word: what sources are here, in the plural.
        guessing: what the figure is for a network that guesses; None where that is not one number.
    """

    question: Question
    here: Estimate
    elsewhere: Estimate
    worst: Estimate
    better: int
    sources: int
    levels: tuple[float, float]
    fewest_seeds: int
    word: str
    guessing: float | None

    @property
    def judged(self) -> bool:
        """Whether every network has runs enough to say how much another run would differ."""
        return self.fewest_seeds > 1

    @property
    def verdict(self) -> str:
        """In words, and how sure."""
        if not self.judged:
            return "not judged: one run of a network"
        if self.here.side == 0:
            return f"not shown: more than {max(map(abs, self.here.interval)):.3f} either way is unlikely"
        said = "better" if self.here.side > 0 else "worse"
        if self.sources == 1:
            return said
        if self.elsewhere.side == self.here.side:
            return f"{said}, and beyond the spread between {self.word}"
        return f"{said} on these {self.word}, open for others"

    @property
    def of_the_worst(self) -> str:
        """The minimum over sources in words: a lead among networks that guess there is none."""
        if self.fewest_seeds < LEAST_FOR_A_MINIMUM:
            return f"{self.worst.value:+.3f}, too few runs to judge a minimum"
        said = {1: "better", -1: "worse", 0: "not shown"}[self.worst.side]
        if self.worst.side and self.guessing is not None and max(self.levels) <= self.guessing:
            first, second = (f"{one:.2f}" for one in self.levels)
            said += f", though neither is above guessing there ({first} and {second})"
        return f"{self.worst.signed}, {said}"

    def json(self) -> dict[str, object]:
        """For a file."""
        return {
            "topic": self.question.topic,
            "asked": self.question.asked,
            "difference": self.here.rounded(),
            "measured_on": self.word,
            "sources_drawn_too": self.elsewhere.rounded(),
            "minimum": self.worst.rounded(),
            "minimum_levels": [round(one, 6) for one in self.levels],
            "fewest_runs": self.fewest_seeds,
            "better_on": f"{self.better} of {self.sources}",
            "p": round(self.here.p, 5),
            "verdict": self.verdict,
        }


def answers(
    questions: Sequence[Question],
    found: Mapping[tuple[str, str], Runs],
    word: str = "sources",
    *,
    guessing: float | None = 0.5,
) -> list[Answer]:
    """The questions whose networks are all there.

    Args:
        questions: which.
        found: of each network.
        word: what sources are, such as generators.
        guessing: the figure of a network that guesses: 0.5 of AUC; None where a figure has no such level.
    """
    return [_answer(one, found, word, guessing) for one in questions if all(key in found for key in one.weights)]


def _answer(question: Question, found: Mapping[tuple[str, str], Runs], word: str, guessing: float | None) -> Answer:
    def contrast(of: Callable[[Runs], Estimate]) -> Estimate:
        parts = [(weight, of(found[key])) for key, weight in question.weights.items()]
        value = sum(weight * one.value for weight, one in parts)
        told = tuple((weight**2 * part, freedom) for weight, one in parts for part, freedom in one.few)
        return Estimate(float(value), np.sum([weight * one.draws for weight, one in parts], axis=0), told)

    elsewhere = contrast(lambda runs: runs.mean_elsewhere)
    gaps = np.sum([weight * found[key].values for key, weight in question.weights.items()], axis=0)
    first, second = (
        sum(abs(weight) * found[key].worst.value for key, weight in question.weights.items() if weight * sign > 0)
        for sign in (1, -1)
    )
    return Answer(
        question=question,
        here=contrast(lambda runs: runs.mean),
        elsewhere=replace(elsewhere, few=(*elsewhere.few, *few(gaps))),
        worst=contrast(lambda runs: runs.worst),
        better=int((gaps > 0).sum()),
        sources=gaps.size,
        levels=(first, second),
        fewest_seeds=min(found[key].seeds for key in question.weights),
        word=word,
        guessing=guessing,
    )


def table(found: Sequence[Answer]) -> Iterator[str]:
    """A row for each answer; those that last through Holm's correction are marked."""
    lasting = {id(one) for one in holm(found)}
    yield "| topic | first against second | mean | mean, drawn too | minimum | better on | so |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        worst = one.worst.signed if one.fewest_seeds >= LEAST_FOR_A_MINIMUM else f"{one.worst.value:+.3f}"
        cells = (one.here.signed, one.elsewhere.signed, worst, f"{one.better} of {one.sources}", one.verdict)
        mark = f" {LASTING}" if id(one) in lasting else ""
        yield f"| {one.question.topic} | {one.question.asked} | {' | '.join(cells)}{mark} |"


def conclusions(found: Sequence[Answer]) -> Iterator[str]:
    """A line for each topic: its first answer with its interval, and which of the others come out how."""
    for topic in dict.fromkeys(one.question.topic for one in found):
        first, *others = [one for one in found if one.question.topic == topic]
        words = [f"- **{topic}.** {first.question.asked}: {first.here.signed}, {first.verdict}."]
        if first.sources > 1:
            words.append(f"Of the worst of the {first.word}: {first.of_the_worst}.")
        for side, said in ((1, "better"), (-1, "worse"), (0, "not shown"), (None, "not judged")):
            named = [one.question.asked for one in others if (one.here.side if one.judged else None) == side]
            if named:
                words.append(f"{said.capitalize()} ({len(named)} of {len(others)}): {'; '.join(named)}.")
        yield " ".join(words)
    yield f"- **How sure.** {caution(found)}"


def caution(found: Sequence[Answer]) -> str:
    """What so many rows give by chance alone, and which survive Holm's correction for it."""
    if not found:
        return "No question has all its networks yet."
    judged = [one for one in found if one.judged]
    clear = sum(one.here.side != 0 for one in judged)
    lasting = [f"{one.question.topic}, {one.question.asked}" for one in holm(found)]
    # A sentence holds a few of them.
    listed = f": {'; '.join(lasting)}" if 0 < len(lasting) <= 3 else f", marked {LASTING} below" if lasting else ""
    fewest = min(one.fewest_seeds for one in found)
    return (
        f"{clear} of {len(judged)} intervals of the mean do not hold 0; by chance alone about {len(judged) / 20:.0f} "
        f"would not. After Holm's correction for all rows {len(lasting)} "
        f"{'remains' if len(lasting) == 1 else 'remain'}{listed}. "
        f"The network with fewest seeds has {fewest}."
    )


def holm(found: Sequence[Answer], level: float = 0.05) -> list[Answer]:
    """The judged answers whose p stays below the level when all of them are accounted for (Holm 1979)."""
    kept = []
    judged = [one for one in found if one.judged]
    for rank, one in enumerate(sorted(judged, key=lambda answer: answer.here.p)):
        if one.here.p > level / (len(judged) - rank):
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
