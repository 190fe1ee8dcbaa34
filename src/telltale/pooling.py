"""From patch log-odds to one image score in [0, 1] (paper, section 3: the tables use the mean of the patch softmax)."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from telltale.errors import InvalidConfig

Pooling = Literal["mean_probability", "mean_logit", "vote"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def sigmoid(logits: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Log-odds to probability, without overflow at either end."""
    shrunk = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, shrunk) / (1.0 + shrunk))


def logit(probability: float, *, margin: float = 1e-6) -> float:
    """Probability to log-odds; 0 and 1 are moved inward by `margin`, so that a unanimous vote stays finite."""
    inside = min(max(probability, margin), 1.0 - margin)
    return float(np.log(inside / (1.0 - inside)))


def pool(patch_logits: Float[np.ndarray, "rows columns"], pooling: Pooling) -> float:
    """One image's score: the mean patch probability, the probability of the mean log-odds, or the share of fake votes.

    Args:
        patch_logits: log-odds that each patch is fake.
        pooling: which of the three.

    Returns:
        Score in [0, 1]; higher means more likely fake.

    Raises:
        InvalidConfig: no patches, or an unknown pooling.
    """
    if patch_logits.size == 0:
        raise InvalidConfig(expected="at least one patch", found="none", do="Check the image against the field.")
    wide: NDArray[np.float64] = patch_logits.astype(np.float64)
    if pooling == "mean_probability":
        return float(sigmoid(wide).mean())
    if pooling == "mean_logit":
        return float(sigmoid(wide.mean(keepdims=True)).item())
    if pooling == "vote":
        return float((wide > 0).mean())
    raise InvalidConfig(expected=f"a pooling out of {', '.join(POOLINGS)}", found=repr(pooling), do="Choose one.")
