"""How well one number or word tells two groups apart: the area under the ROC curve, with an honest interval."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

Labels = Bool[np.ndarray, " n"]

ROUNDS = 400
# Fewer of a label say nothing.
LEAST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How well a cue separates fake from real.

    Attributes:
        auc: how often a fake ranks above a real, ties counted half: 0.5 is chance, below 0.5 the reals rank higher.
        error: its standard error, by bootstrap.
        chance: the standard error it would have if the cue said nothing (Mann-Whitney, corrected for ties).
        real, fake: how many files of each label it was measured on.
        varies: False where all have the same value.
    """

    auc: float
    error: float
    chance: float
    real: int
    fake: int
    varies: bool

    def interval(self, width: float) -> tuple[float, float]:
        """Values of the AUC that agree with what was found.

        Wilson's interval, whose error shrinks towards 0 and 1 as that of a proportion does, for the larger of both
        standard errors. Few files that happen to separate perfectly, which no bootstrap doubts, get their due width.

        Args:
            width: in standard errors to either side.
        """
        if not self.varies:
            return self.auc, self.auc
        spread = self.auc * (1 - self.auc)
        files = 1 / (4 * self.chance**2)
        if self.error > 0 and spread > 0:
            files = min(files, spread / self.error**2)
        square = width**2 / files
        middle = (self.auc + square / 2) / (1 + square)
        half = math.sqrt(square * (spread + square / 4)) / (1 + square)
        return max(0.0, middle - half), min(1.0, middle + half)


class Bootstrap:
    """One set of resamples, shared by all cues of a table.

    Groups are drawn whole, since images of one group are no independent witnesses; without groups, each label is drawn
    by itself, so that the numbers of reals and fakes stay as they are.

    Args:
        is_fake: labels.
        group: what belongs together; "" is a group of its own.
        seed: of the draw.
        rounds: how many resamples.
    """

    def __init__(
        self, is_fake: Labels, group: Shaped[np.ndarray, " n"], *, seed: int = 0, rounds: int = ROUNDS
    ) -> None:
        self.is_fake = is_fake
        draw = np.random.default_rng(seed)
        self._weights = np.empty((rounds, is_fake.size), np.float32)
        if np.any(group != ""):
            member = group_numbers(group)
            self._weights[:] = _counts(draw, int(member.max()) + 1, rounds)[:, member]
            return
        for label in (False, True):
            self._weights[:, is_fake == label] = _counts(draw, int((is_fake == label).sum()), rounds)

    def association(self, values: Float[np.ndarray, " n"]) -> Association | None:
        """The association of a numeric cue; None where fewer than `LEAST` files of a label have a value (not NaN)."""
        known = ~np.isnan(values)
        real, fake = int((known & ~self.is_fake).sum()), int((known & self.is_fake).sum())
        if min(real, fake) < LEAST:
            return None
        order, starts = _ranked(values)
        fakes = self.is_fake[order].astype(np.float32)
        auc = _areas(np.ones((1, order.size), np.float32), fakes, starts)[0]
        # A cue that never varies needs no resampling.
        rounds = _areas(self._weights[:, order], fakes, starts) if starts.size > 1 else np.array([0.5])
        return Association(
            auc=float(auc),
            error=float(np.nanstd(rounds)),
            chance=_chance(real, fake, np.diff(starts, append=order.size)),
            real=real,
            fake=fake,
            varies=starts.size > 1,
        )


def _chance(real: int, fake: int, tied: NDArray[np.intp]) -> float:
    """Standard error of the AUC of a cue that says nothing; `tied` is how many files have each value."""
    files = real + fake
    ties = float(np.sum(tied.astype(np.float64) ** 3 - tied)) / (files * (files - 1))
    return math.sqrt(max(files + 1 - ties, 0.0) / (12 * real * fake))


def area(is_fake: Labels, values: Float[np.ndarray, " n"]) -> float:
    """The area under the ROC curve, 0.5 where a label has fewer than `LEAST` values that are not NaN."""
    known = ~np.isnan(values)
    if min((known & is_fake).sum(), (known & ~is_fake).sum()) < LEAST:
        return 0.5
    order, starts = _ranked(values)
    return float(_areas(np.ones((1, order.size), np.float32), is_fake[order].astype(np.float32), starts)[0])


def group_numbers(group: Shaped[np.ndarray, " n"]) -> NDArray[np.intp]:
    """Each row's group as a number; rows without a group have one each."""
    alone = np.flatnonzero(group == "")
    number = np.unique(group, return_inverse=True)[1].astype(np.intp)
    number[alone] = number.max() + 1 + np.arange(alone.size)
    return np.unique(number, return_inverse=True)[1].astype(np.intp)


def target_encoded(
    is_fake: Labels, group: Shaped[np.ndarray, " n"], words: Shaped[np.ndarray, " n"], *, seed: int = 0
) -> NDArray[np.float64]:
    """A word cue as a number that grows with the share of fakes among files with that word; "" becomes NaN.

    With two words there is little to learn: the one that fakes have more often is 1. With more, the shares are learned
    on one half of the files, and the other half is measured; the first half becomes NaN. A word that says nothing then
    scores 0.5 on average, however many words there are, which is not so for shares learned on the same files, nor for
    shares learned fold by fold.
    """
    known = words != ""
    kinds = np.unique(words[known])
    encoded = np.full(words.size, np.nan)
    if kinds.size <= 2:
        encoded[known] = words[known] == _fakest(is_fake[known], words[known])
        return encoded
    member = group_numbers(group)
    learned = (np.random.default_rng(seed).permutation(int(member.max()) + 1) % 2 == 0)[member]
    prior = is_fake[known & learned].mean() if (known & learned).any() else 0.5
    for kind in kinds:
        here = learned & (words == kind)
        # One image more of the average label keeps words seen once from outranking those seen often.
        encoded[(words == kind) & ~learned] = (is_fake[here].sum() + prior) / (here.sum() + 1)
    return encoded


def _fakest(is_fake: Labels, words: Shaped[np.ndarray, " n"]) -> str:
    """The word among whose files the share of fakes is highest."""
    kinds = np.unique(words)
    share = [float(is_fake[words == kind].mean()) for kind in kinds]
    return str(kinds[int(np.argmax(share))]) if share else ""


def _counts(draw: np.random.Generator, size: int, rounds: int) -> NDArray[np.float32]:
    """How often each of `size` members is drawn when `size` are drawn with replacement."""
    if not size:
        return np.empty((rounds, 0), np.float32)
    return draw.multinomial(size, np.full(size, 1 / size), size=rounds).astype(np.float32)


def _ranked(values: Float[np.ndarray, " n"]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows that have a value, from low to high, and where in that order each new value begins."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    return order, np.concatenate([[0], np.flatnonzero(np.diff(values[order])) + 1])


def _areas(
    weights: Float[np.ndarray, "rounds m"], fakes: Float[np.ndarray, " m"], starts: Shaped[np.ndarray, " ranks"]
) -> NDArray[np.float64]:
    """AUC of each round, from weights of files sorted by value; `starts` is where each new value begins."""
    fake = np.add.reduceat(weights * fakes, starts, axis=1, dtype=np.float64)
    real = np.add.reduceat(weights * (1 - fakes), starts, axis=1, dtype=np.float64)
    below = np.cumsum(real, axis=1) - real / 2
    with np.errstate(invalid="ignore"):
        # A round without one of the labels has no area; it becomes NaN and is left out.
        return np.asarray((fake * below).sum(axis=1) / (fake.sum(axis=1) * real.sum(axis=1)))
