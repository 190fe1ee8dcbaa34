"""Every figure of `measures` on a thousand resamples at once.

A resample is how often each image was drawn. Scores are sorted once; whatever a resample says of them is then a
cumulative sum over its numbers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from telltale.evaluate.measures import Measures
from telltale.evaluate.metrics import FEWEST_GROUPS, Estimate, bias_corrected

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]
Counts = Float[np.ndarray, "rounds n"]
Rounds = Float[np.ndarray, "rounds"]

# Numbers held at a time: resamples times images.
_AT_ONCE = 2_000_000
# Groups of a kind that has fewer are drawn together with those of other rare kinds of the same labels: one group alone
# would never vary.
_RARE = FEWEST_GROUPS
_BINS = 10
FIGURES: Sequence[str] = tuple(name for name in Measures.__dataclass_fields__ if not name.startswith("n_"))
# These need no image of the other class.
_OF_ONE_CLASS = ("accuracy", "accuracy_real", "accuracy_fake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How images are drawn again: whole groups, and each kind of group apart.

    A group's kind is the labels and sources of its images. So reals, fakes and every source keep their numbers where
    each image stands alone, and nearly so where groups differ in size.

    Attributes:
        kind: of each group.
        group: number of each image's group, from 0.
    """

    kind: Int[np.ndarray, "groups"]
    group: Int[np.ndarray, "n"]

    def says_little(self, is_fake: Labels, places: Int[np.ndarray, "n"]) -> bool:
        """Whether these images come in so few groups, of reals or of fakes, that draws of them give no interval.

        Args:
            is_fake: their labels.
            places: of each of them, among all images.
        """
        for label in (False, True):
            mine = self.group[places[is_fake == label]]
            groups = np.unique(mine).size
            if groups < mine.size and groups < FEWEST_GROUPS:
                return True
        return False

    def draws(self, rounds: int, seed: int) -> Iterator[Counts]:
        """How often each image is drawn, in parts of some rounds each, so that memory stays bounded.

        Args:
            rounds: resamples in all.
            seed: the same seed draws the same images, whatever is measured on them.
        """
        draw = np.random.default_rng(seed)
        kinds = [np.flatnonzero(self.kind == kind) for kind in np.unique(self.kind)]
        step = max(1, _AT_ONCE // max(1, self.group.size))
        for first in range(0, rounds, step):
            part = min(step, rounds - first)
            times = np.empty((part, self.kind.size))
            for index in range(part):
                for members in kinds:
                    drawn = draw.integers(members.size, size=members.size)
                    times[index, members] = np.bincount(drawn, minlength=members.size)
            yield times[:, self.group]


def resampling(is_fake: Labels, source: Shaped[np.ndarray, "n"], group: Shaped[np.ndarray, "n"]) -> Resampling:
    """How to resample these images.

    Args:
        is_fake: labels.
        source: of each image.
        group: identity, video or twins of each image; "" for an image that stands alone.
    """
    alone = np.array([f"\0{index}" if not name else str(name) for index, name in enumerate(group)])
    numbers = np.unique(alone, return_inverse=True)[1]
    cells = [f"{label:d}{name}" for label, name in zip(is_fake, source, strict=True)]
    members: list[set[str]] = [set() for _ in range(numbers.max(initial=-1) + 1)]
    for number, cell in zip(numbers, cells, strict=True):
        members[number].add(cell)
    known: dict[frozenset[str], int] = {}
    kinds = np.array([known.setdefault(frozenset(found), len(known)) for found in members], np.int64)
    several = np.zeros(len(known), np.bool_)
    several[kinds[np.bincount(numbers, minlength=kinds.size) > 1]] = True
    rare = (np.bincount(kinds, minlength=len(known)) < _RARE) & several
    # Of reals, of fakes, of both: pooled apart, so that no resample loses a class.
    labels = [{cell[0] for cell in found} for found in known]
    pools = np.array([("0" in found) * -1 + ("1" in found) * -2 for found in labels], np.int64)
    return Resampling(kind=np.where(rare[kinds], pools[kinds], kinds), group=numbers.astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """Images of one set, sorted by falling score, ready for many resamples.

    Attributes:
        order: places of the images in the order of their scores.
        is_fake, probability: labels and probabilities, in that order.
        ends: the last image of each run of equal scores.
    """

    order: Int[np.ndarray, "n"]
    is_fake: Labels
    probability: Scores
    ends: Int[np.ndarray, "levels"]

    def figures(self, counts: Counts) -> dict[str, Rounds]:
        """Every figure of `Measures` for each resample; NaN where a resample lacks one class.

        Args:
            counts: how often each image of this set is drawn, in its own order.
        """
        sorted_counts = counts[:, self.order]
        fakes, reals = sorted_counts * self.is_fake, sorted_counts * ~self.is_fake
        with np.errstate(invalid="ignore", divide="ignore"):
            found = _ranking(fakes, reals, self.ends) | _judging(fakes, reals, self.is_fake, self.probability)
        whole = fakes.any(1) & reals.any(1)
        return {
            name: values if name in _OF_ONE_CLASS else np.where(whole, values, np.nan) for name, values in found.items()
        }


def prepared(is_fake: Labels, scores: Scores, *, probabilities: Scores | None = None) -> Resampled:
    """Sort once what many resamples need; arguments as for `measures`."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)
    said = scores if probabilities is None else probabilities
    return Resampled(order=order, is_fake=is_fake[order], probability=said[order], ends=ends)


Key = TypeVar("Key")


def on_draws(
    parts: Mapping[Key, tuple[Resampled, Int[np.ndarray, "_"]]], how: Resampling, *, rounds: int, seed: int
) -> dict[Key, dict[str, Rounds]]:
    """Every figure of several sets of images, all on the same draws, so that their differences are paired.

    Of a set that comes in too few groups all draws are NaN: they would be too much alike.

    Args:
        parts: for each set its images as `prepared` gives them, and their places among all images.
        how: how all images are drawn again.
        rounds: resamples.
        seed: of the draws.
    """
    found: dict[Key, dict[str, list[Rounds]]] = {key: {name: [] for name in FIGURES} for key in parts}
    for counts in how.draws(rounds, seed):
        for key, (images, places) in parts.items():
            silent = how.says_little(images.is_fake, places[images.order])
            for name, values in images.figures(counts[:, places]).items():
                found[key][name].append(np.full_like(values, np.nan) if silent else values)
    return {
        key: {name: np.concatenate([np.zeros(0), *values]) for name, values in figures.items()}
        for key, figures in found.items()
    }


def interval(value: float, drawn: Rounds, *, corrected: bool = False) -> Estimate:
    """A value with the percentile interval of its resamples, 95 %; those without a value do not count.

    Args:
        value: of the images themselves.
        drawn: of the resamples.
        corrected: for their bias, as `metrics.bias_corrected` does it. Not for a difference with a p that counts
            resamples beyond 0, nor for an extreme over sources, whose draws all may lie on one side of it.
    """
    known = drawn[np.isfinite(drawn)]
    if known.size == 0:
        return Estimate(value, math.nan, math.nan)
    if corrected:
        return bias_corrected(value, known)
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _ranking(fakes: Counts, reals: Counts, ends: Int[np.ndarray, "levels"]) -> dict[str, Rounds]:
    """Figures that only the order decides: from the counts found down to each level of the score."""
    found, false = (np.cumsum(part, axis=1)[:, ends] for part in (fakes, reals))
    all_found, all_false = found[:, -1:], false[:, -1:]
    gained, lost = np.diff(found, prepend=0, axis=1), np.diff(false, prepend=0, axis=1)
    tpr, fpr = found / all_found, false / all_false
    kept, missed = all_false - false + lost, all_found - found + gained
    return {
        "auc": (lost * (2 * found - gained)).sum(1) / 2 / (all_found * all_false)[:, 0],
        "ap_fake": (gained * _ratio(found, found + false)).sum(1) / all_found[:, 0],
        "ap_real": (lost * _ratio(kept, kept + missed)).sum(1) / all_false[:, 0],
        "tpr_at_1_fpr": np.where(fpr <= 0.01, tpr, 0).max(1),
        "tpr_at_5_fpr": np.where(fpr <= 0.05, tpr, 0).max(1),
        "eer": _equal_errors(fpr, tpr),
    }


def _ratio(part: Counts, whole: Counts) -> Counts:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _equal_errors(fpr: Counts, tpr: Counts) -> Rounds:
    """As `measures.equal_error_rate`, the point (0, 0) included."""
    gaps, means = np.abs(fpr - (1 - tpr)), (fpr + 1 - tpr) / 2
    least = np.minimum(gaps.min(1), 1.0)
    best = np.where(gaps <= least[:, None] + 1e-9, means, np.inf).min(1)
    # From (0, 0), where every image is called real, the gap is 1 and the mean 0.5.
    return np.asarray(np.where(least >= 1 - 1e-9, np.minimum(best, 0.5), best))


def _judging(fakes: Counts, reals: Counts, is_fake: Labels, probability: Scores) -> dict[str, Rounds]:
    """Figures that the probabilities decide: sums over images of each class."""
    n_fake, n_real = fakes.sum(1), reals.sum(1)
    right = ((probability >= 0.5) == is_fake).astype(np.float64)
    accuracy_fake, accuracy_real = fakes @ right / n_fake, reals @ right / n_real
    wide = np.finfo(np.float64).eps
    surprise = -np.log(np.clip(np.where(is_fake, probability, 1 - probability), wide, 1 - wide))
    squared = (is_fake - probability) ** 2
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)[:, None] == np.arange(_BINS)
    gaps = (fakes @ (bins * (1 - probability)[:, None])) / n_fake[:, None]
    gaps -= (reals @ (bins * probability[:, None])) / n_real[:, None]
    return {
        "accuracy": (fakes @ right + reals @ right) / (n_fake + n_real),
        "accuracy_real": accuracy_real,
        "accuracy_fake": accuracy_fake,
        "balanced_accuracy": (accuracy_real + accuracy_fake) / 2,
        "ece": np.abs(gaps).sum(1) / 2,
        "brier": (fakes @ squared / n_fake + reals @ squared / n_real) / 2,
        "log_loss": (fakes @ surprise / n_fake + reals @ surprise / n_real) / 2,
    }
