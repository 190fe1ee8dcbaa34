"""From scores to every table of an evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from telltale.data.columns import Value
from telltale.errors import InvalidDataset
from telltale.evaluate.evaluation import Contender
from telltale.evaluate.evaluation_comparison import ComparisonRow, compare
from telltale.evaluate.evaluation_entries import OWN, Entry, Images, collect
from telltale.evaluate.evaluation_table import ALL, MEAN, WORST, EvaluationRow, table
from telltale.evaluate.results import Row
from telltale.evaluate.slices import SliceRow, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        images: which images, once.
        entries: each detector's scores of them by each pooling.
        rows: figures by source.
        comparisons: detectors against each other.
        slices: figures by column.
    """

    images: Images
    entries: Sequence[Entry]
    rows: Sequence[EvaluationRow]
    comparisons: Sequence[ComparisonRow]
    slices: Sequence[SliceRow]


_RESERVED = (ALL, MEAN, WORST)


def check_sources(sources: Iterable[str]) -> None:
    """Refuse a source by a name that a row over several sources has, before anything is scored.

    Raises:
        InvalidDataset: naming those there are.
    """
    taken = sorted(set(sources) & set(_RESERVED))
    if taken:
        raise InvalidDataset(
            expected=f"sources by names other than {', '.join(_RESERVED)}, which tables give to rows over all sources",
            found=f"sources called {', '.join(taken)}",
            do="Rename them in the manifest, or rename their folders.",
        )


def tabulate(
    entrants: Sequence[Contender],
    scores: Sequence[Row],
    *,
    poolings: Sequence[str] = (OWN,),
    columns: Mapping[str, Sequence[Value]] | None = None,
    rounds: int = 1000,
    seed: int = 0,
    least: int = 10,
) -> Evaluation:
    """Every table of an evaluation; nothing here is random but the seed's draws, and nothing depends on workers.

    Args:
        entrants: the detectors.
        scores: as `evaluate` gives them.
        poolings: "own", or names.
        columns: for slices, a value for each image.
        rounds, seed: of the bootstrap.
        least: a source or slice with fewer images gets no figures.

    Raises:
        InvalidConfig: an unknown pooling.
        InvalidDataset: not one score, or a source by a name that the tables need.
    """
    images, entries = collect(scores, entrants, poolings)
    check_sources(images.source)
    return Evaluation(
        images=images,
        entries=entries,
        rows=table(images, entries, rounds=rounds, seed=seed, least=least),
        comparisons=list(compare(images, entries, rounds=rounds, seed=seed, least=least)),
        slices=list(slices(images, entries, columns or {}, rounds=rounds, seed=seed, least=least)),
    )
