"""What the cells of `table_generators_controlled.py` say together: words, the answers behind them, tables.

No script: the recipe writes its results with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparisons import Estimate, Runs, areas
from contrasts import Answer, Question, answers, chance, conclusions, table, versus
from table_seeds import questions

Network = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which sources the table has, and what its networks learned.

    Attributes:
        trained_on: the generator whose samples were learned.
        inverted: photographs sent through it.
        kinds: what is trained on, by name: the sources of its fakes.
        reals: every source of photographs, that trained on first.
        generators: all of them, `inverted` left out.
    """

    trained_on: str
    inverted: str
    kinds: Mapping[str, Sequence[str]]
    reals: Sequence[str]
    generators: Sequence[str]

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """What is asked about together: other seeds, generators of other families, other reals; none left empty."""
        own, others = self.trained_on.rsplit("-", 1)[0], [one for one in self.generators if one != self.trained_on]
        seeds = tuple(one for one in others if one.rsplit("-", 1)[0] == own)
        found = {
            "other seeds": seeds,
            "other families": tuple(one for one in others if one not in seeds),
            "other reals": tuple(self.reals[1:]),
        }
        return {name: members for name, members in found.items() if members}


def pools(layout: Layout, kind: str, source: NDArray[np.str_]) -> dict[str, NDArray[np.intp]]:
    """By row of the table, the places of its pictures and of those it is measured against."""
    reals = np.flatnonzero(source == layout.reals[0])
    fakes = np.flatnonzero(np.isin(source, layout.kinds[kind]))
    mine = {name: np.flatnonzero(source == name) for name in dict.fromkeys(source.tolist())}
    return {
        name: np.concatenate([places, fakes]) if name in layout.reals else np.concatenate([reals, places])
        for name, places in mine.items()
    }


def together(layout: Layout, cells: Sequence[dict[str, Any]], rounds: int) -> Runs:
    """AUC of one network on each source; every round draws the pictures of every source and the runs anew."""
    names = list(cells[0]["sources"])
    source = np.repeat(names, [len(cells[0]["sources"][name]["scores"]) for name in names])
    scores = np.array([np.concatenate([one["sources"][name]["scores"] for name in names]) for one in cells])
    return areas(~np.isin(source, layout.reals), source, scores, pools(layout, cells[0]["trained_on"], source), rounds)


def ablation(layout: Layout, models: Sequence[str]) -> Iterator[Question]:
    """What photographs sent through the generator teach, alone or beside samples; a network is (model, kind)."""
    samples, inverted, both = layout.kinds
    for kind, words in ((both, "both kinds of fakes"), (inverted, "inverted photographs alone")):
        topic = f"{words[0].upper()}{words[1:]} or samples alone"
        first, second = [(one, kind) for one in models], [(one, samples) for one in models]
        yield versus(topic, f"{words} against samples, {' and '.join(models)}", first, second)
        for one, other in zip(first, second, strict=True) if len(models) > 1 else ():
            yield versus(topic, f"{words} against samples, {one[0]}", [one], [other])


def answered(layout: Layout, runs: Mapping[tuple[str, str, str], Runs]) -> list[Answer]:
    """Every question on every group of sources; a question whose networks are not all there is left out."""
    plain: dict[Network, Runs] = {key[1:]: one for key, one in runs.items() if key[0] == layout.trained_on}
    kinds: dict[Network, Runs] = {(key[1], key[0]): one for key, one in runs.items() if key[2] == "none"}
    ablated = list(dict.fromkeys(model for model, kind in kinds if kind != layout.trained_on))
    places = {**layout.groups, "the generator trained on": (layout.trained_on,)}
    found: list[Answer] = []
    for place, sources in places.items():
        word = "sources" if place == "other reals" else "generators"
        asked = [replace(one, topic=f"{one.topic}, on {place}") for one in questions()]
        found += answers(asked, {key: one.of(sources) for key, one in plain.items()}, word)
    for place, sources in {**layout.groups, "inverted photographs": (layout.inverted,)}.items():
        word = "sources" if place == "other reals" else "generators"
        asked = [replace(one, topic=f"{one.topic}, on {place}") for one in ablation(layout, ablated)] if ablated else []
        found += answers(asked, {key: one.of(sources) for key, one in kinds.items()}, word)
    return found


def lost(layout: Layout, runs: Mapping[tuple[str, str, str], Runs]) -> str:
    """How networks that learned samples alone do on other generators, beside their own."""
    plain = [one for key, one in runs.items() if key[0] == layout.trained_on]
    words = []
    for place, sources in layout.groups.items():
        gaps = [one.of(sources).mean - one.on(layout.trained_on) for one in plain]
        values, lose = [one.value for one in gaps], sum(one.side < 0 for one in gaps)
        guess = sum(one.of(sources).worst.interval[0] <= 0.5 for one in plain)
        words.append(
            f"On {place} ({len(sources)}) mean AUC differs by {min(values):+.3f} to {max(values):+.3f}: {lose} of "
            f"{len(plain)} networks lose beyond their interval; on the worst of them {guess} cannot be told from "
            "guessing."
        )
    return " ".join(words)


def hardest(layout: Layout, runs: Mapping[tuple[str, str, str], Runs]) -> str:
    """Generators by the mean AUC of all networks that learned samples alone, the hardest first."""
    plain = [one for key, one in runs.items() if key[0] == layout.trained_on]
    means = {name: float(np.mean([one.on(name).value for one in plain])) for name in layout.generators}
    return "; ".join(f"{name} {value:.3f}" for name, value in sorted(means.items(), key=lambda item: item[1]))


def columns(layout: Layout, runs: Runs) -> dict[str, Estimate]:
    """What the short table shows of one network."""
    found = {name: runs.on(name) for name in (layout.trained_on, layout.inverted)}
    for name, members in layout.groups.items():
        found[f"mean of {name}"], found[f"worst of {name}"] = runs.of(members).mean, runs.of(members).worst
    return found


def markdown(
    layout: Layout,
    about: Mapping[str, Any],
    found: Mapping[tuple[str, str, str], Sequence[dict[str, Any]]],
    runs: Mapping[tuple[str, str, str], Runs],
    formats: str,
) -> Iterator[str]:
    """Words first, then the answers behind them, AUC in short and by generator, and what is called fake."""
    said = answered(layout, runs)
    yield f"# Trained on {layout.trained_on}, tested on generators that learned the same pictures"
    yield ""
    missing = len(about["missing_or_partly_so"])
    yield f"{about['cells']} runs, {missing} missing; commit {about['commit']}, {about['date']}."
    yield "Differences of ROC AUC, first minus second [95 % bootstrap over runs and pictures, widened by"
    yield "Student's t since runs are few]; “not shown” where that interval holds 0."
    yield ""
    yield f"- **Beside the generator learned.** {lost(layout, runs)}"
    yield f"- **Which generators are hard.** Mean AUC over networks, the hardest first: {hardest(layout, runs)}."
    yield from conclusions(said)
    yield f"- **{formats.replace(': ', '.** ', 1)}"
    yield ""
    yield "On how many networks that learned samples alone the interval of AUC lies above, around or below 0.5:"
    yield ""
    plain = {key[1:]: one for key, one in runs.items() if key[0] == layout.trained_on}
    yield from chance(plain, (*layout.generators, layout.inverted, *layout.reals[1:]))
    yield ""
    yield "All answers. “Drawn too” says what other sources like these would give; “minimum” compares worst sources."
    yield ""
    yield from table(said)
    yield ""
    yield "AUC, fake positive: mean over runs [95 %]. Chance is 0.5. “Worst” is the lowest of the sources' means, in"
    yield "every round of the bootstrap anew."
    short = {key: columns(layout, one) for key, one in runs.items()}
    names = [one for one in next(iter(runs.values())).sources if one not in (layout.trained_on, layout.inverted)]
    long = {key: {name: one.on(name) for name in names} for key, one in runs.items()}
    for part in (short, long):
        titles = list(next(iter(part.values())))
        yield from ("", "| trained on | model | augmentation | runs | " + " | ".join(titles) + " |")
        yield "|---|---|---|---|" + "---|" * len(titles)
        for key, values in part.items():
            yield f"| {' | '.join(key)} | {len(found[key])} | " + " | ".join(map(str, values.values())) + " |"
    yield ""
    yield from called_fake(layout, found)


def called_fake(layout: Layout, found: Mapping[tuple[str, str, str], Sequence[dict[str, Any]]]) -> Iterator[str]:
    """What a threshold that nobody tuned makes of every source."""
    yield "Share of pictures called fake at a score of 0.5, mean over runs (lowest to highest run). Photographs last."
    yield ""
    sources = [*layout.generators, layout.inverted, *layout.reals]
    yield "| trained on | model | augmentation | " + " | ".join(sources) + " |"
    yield "|---|---|---|" + "---|" * len(sources)
    for key, cells in found.items():
        shares = [np.array([np.mean(np.array(c["sources"][one]["scores"]) >= 0.5) for c in cells]) for one in sources]
        said = [f"{100 * one.mean():.0f} % ({100 * one.min():.0f} to {100 * one.max():.0f})" for one in shares]
        yield f"| {' | '.join(key)} | " + " | ".join(said) + " |"
