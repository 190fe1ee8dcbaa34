"""Whether all cues together tell two groups of files apart: gradient boosting, judged on files it was not fitted to.

The same probe between two sources of reals gives the floor: as far apart as two cameras are anyway.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

from telltale.data.association import Association, Bootstrap, group_numbers
from telltale.data.cue_table import CueTable
from telltale.data.pool import in_processes
from telltale.errors import require

FOLDS = 5
# Files of a label that a probe looks at: more fit better, and the floor's sources are often no larger.
MOST = 500
# Fewer of a label cannot be learned from and judged on.
LEAST = 20
_WIDER = 1.5
# Steps into which the trees cut each number; a category has no more words than that, rare ones counting as one.
_BINS = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """How well the probe tells sources of reals from each other.

    Attributes:
        pairs: (one source, the other) -> AUC.
    """

    pairs: dict[tuple[str, str], float]

    @property
    def highest(self) -> float:
        """The pair that is furthest apart: no worse than two cameras means no worse than this."""
        return max(self.pairs.values())

    @property
    def mean(self) -> float:
        """Over all pairs."""
        return float(np.mean(list(self.pairs.values())))


def probe(table: CueTable, names: Sequence[str], *, seed: int = 0) -> Association | None:
    """Fit and judge the probe on some cues.

    At most `MOST` files of each label, the same number from each source as far as there are enough. Folds keep groups
    whole.

    Args:
        table: labels and cues.
        names: which cues.
        seed: draws files, folds and resamples.

    Returns:
        Of files judged by the fit of the other folds; None where a label has fewer than `LEAST` files. Both errors are
        1.5 times those of a fixed score: between fits to labels that mean nothing, the AUC was found to scatter 1.2 to
        1.5 times as much.

    Raises:
        MissingExtra: without the `[evaluate]` extra.
    """
    some = table.only(_drawn(table, seed))
    if min(some.is_fake.sum(), (~some.is_fake).sum()) < LEAST:
        return None
    scores = _judged(_features(some, names), _categories(some, names), some, seed)
    found = Bootstrap(some.is_fake, some.group, seed=seed).association(scores)
    if found is None:
        return None
    return replace(found, error=found.error * _WIDER, chance=found.chance * _WIDER)


def floors(table: CueTable, sets: Mapping[str, Sequence[str]], *, seed: int = 0, workers: int = 1) -> dict[str, Floor]:
    """The probe between every two sources of reals that have `LEAST` files, for several sets of cues.

    Returns:
        name of the set -> floor; empty with fewer than two such sources.

    Raises:
        InvalidConfig: a worker process died.
        MissingExtra: without the `[evaluate]` extra.
    """
    reals = table.only(~table.is_fake)
    tasks = [(name, pair) for pair in real_pairs(reals) for name in sets]
    found: dict[str, dict[tuple[str, str], float]] = {}
    start = partial(_Between, reals, sets, seed)
    for (name, pair), auc in in_processes(start, tasks, workers if len(tasks) > 8 else 1):
        found.setdefault(name, {})[pair] = auc
    # In a fixed order, whichever process was first.
    return {name: Floor(pairs=dict(sorted(found[name].items()))) for name in sets if name in found}


def real_pairs(table: CueTable) -> list[tuple[str, str]]:
    """Every two sources of reals with enough files for a probe."""
    sources, count = np.unique(table.source[~table.is_fake], return_counts=True)
    return list(combinations([str(source) for source in sources[count >= LEAST]], 2))


class _Between:
    """The probe between two sources of reals; made once in every worker process."""

    def __init__(self, reals: CueTable, sets: Mapping[str, Sequence[str]], seed: int) -> None:
        self._reals, self._sets, self._seed = reals, sets, seed

    def __call__(self, task: tuple[str, tuple[str, str]]) -> tuple[tuple[str, tuple[str, str]], float]:
        name, (one, other) = task
        both = self._reals.only(np.isin(self._reals.source, (one, other)))
        found = probe(both.relabelled(both.source == other), self._sets[name], seed=self._seed)
        # Which of the two is called fake is arbitrary, and below chance is chance.
        return task, 0.5 if found is None else max(found.auc, 1 - found.auc)


def _drawn(table: CueTable, seed: int) -> NDArray[np.intp]:
    """Rows to look at, in order."""
    draw = np.random.default_rng(seed)
    kept: list[NDArray[np.intp]] = []
    for label in (False, True):
        rows = draw.permutation(np.flatnonzero(table.is_fake == label))
        # The first of each source, then the second of each, and so on.
        turn = np.empty(rows.size, np.intp)
        for source in np.unique(table.source[rows]):
            mine = table.source[rows] == source
            turn[mine] = np.arange(int(mine.sum()))
        kept.append(rows[np.argsort(turn, kind="stable")][:MOST])
    return np.sort(np.concatenate(kept))


def _features(table: CueTable, names: Sequence[str]) -> Float[np.ndarray, "n cues"]:
    return (
        np.stack([_numbers(table.columns[name]) for name in names], axis=1)
        if names
        else np.empty((len(table.is_fake), 0))
    )


def _categories(table: CueTable, names: Sequence[str]) -> Bool[np.ndarray, " cues"]:
    return np.array([table.columns[name].dtype.kind == "U" for name in names], dtype=bool)


def _numbers(column: Shaped[np.ndarray, " n"]) -> NDArray[np.float64]:
    """Words as numbers: the most frequent are 0, 1, 2 and so on, the rare ones share the last."""
    if column.dtype.kind != "U":
        return np.asarray(column, np.float64)
    _, code, count = np.unique(column, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-count, kind="stable"), kind="stable")
    return np.minimum(rank, _BINS - 1)[code].astype(np.float64)


def _judged(
    features: Float[np.ndarray, "n cues"], categories: Bool[np.ndarray, " cues"], table: CueTable, seed: int
) -> NDArray[np.float64]:
    """Each file's probability of being fake, from a fit to the other folds."""
    varies = np.array([np.unique(column).size > 1 for column in features.T], dtype=bool)
    scores = np.full(table.is_fake.size, 0.5)
    if not varies.any():
        return scores
    ensemble, limit = require("sklearn.ensemble", "evaluate"), require("threadpoolctl", "evaluate").threadpool_limits
    kept, kinds = features[:, varies], categories[varies]
    # On so few rows, threads cost more than they bring.
    with limit(limits=1):
        for fit, judge in _folds(table, seed):
            trees = ensemble.HistGradientBoostingClassifier(
                max_iter=60,
                learning_rate=0.1,
                max_leaf_nodes=8,
                max_bins=_BINS,
                min_samples_leaf=10,
                l2_regularization=1.0,
                categorical_features=kinds if kinds.any() else None,
                early_stopping=False,
                random_state=seed,
            ).fit(kept[fit], table.is_fake[fit])
            scores[judge] = trees.predict_proba(kept[judge])[:, 1]
    return scores


def _folds(table: CueTable, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(rows to fit, rows to judge), with the same share of fakes; groups stay whole."""
    selection = require("sklearn.model_selection", "evaluate")
    labels = table.is_fake
    if np.all(table.group == ""):
        yield from selection.StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels)
        return
    groups = group_numbers(table.group)
    count = min(FOLDS, int(groups.max()) + 1)
    if count < 2:
        return
    split = selection.StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fit, judge in split.split(labels, labels, groups):
        # A few large groups may leave a fit without fakes or without reals: its files keep the score 0.5.
        if judge.size and 0 < labels[fit].sum() < fit.size:
            yield fit, judge
