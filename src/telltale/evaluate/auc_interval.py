"""The bootstrap interval of an AUC, several times faster than ranking every resample anew."""

import numpy as np
from jaxtyping import Bool, Float

from telltale.evaluate.metrics import Estimate, auc

# Numbers held at a time: rounds times images.
_AT_ONCE = 4_000_000


def bootstrap_auc(
    is_fake: Bool[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    *,
    seed: int = 0,
    rounds: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """What `bootstrap(auc, ...)` gives, to rounding: the same draws, but the scores are ranked once.

    A resample is how often each image was drawn; a fake wins against all reals drawn below it, which a cumulative sum
    over the sorted reals counts.

    Args:
        is_fake: labels.
        scores: higher means more likely fake.
        seed: of the resampling.
        rounds: how many resamples.
        level: of the interval.

    Raises:
        InvalidDataset: one class only, or a score that is not finite.
    """
    value = auc(is_fake, scores)
    draw = np.random.default_rng(seed)
    fakes, reals = scores[is_fake], np.sort(scores[~is_fake])
    place = np.argsort(np.argsort(scores[~is_fake], kind="stable"), kind="stable")
    below, up_to = np.searchsorted(reals, fakes, "left"), np.searchsorted(reals, fakes, "right")
    values = np.empty(rounds)
    step = max(1, _AT_ONCE // scores.size)
    for first in range(0, rounds, step):
        part = min(step, rounds - first)
        drawn_fakes, drawn_reals = np.empty((part, fakes.size)), np.zeros((part, reals.size + 1))
        for index in range(part):
            drawn_fakes[index] = np.bincount(draw.choice(fakes.size, fakes.size), minlength=fakes.size)
            drawn = place[draw.choice(reals.size, reals.size)]
            drawn_reals[index, 1:] = np.bincount(drawn, minlength=reals.size)
        beaten = drawn_reals.cumsum(1)
        wins = (drawn_fakes * (beaten[:, below] + beaten[:, up_to])).sum(1) / 2
        values[first : first + part] = wins / (fakes.size * reals.size)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))
