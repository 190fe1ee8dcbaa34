"""Patch log-odds to one score: the paper's three poolings against plain arithmetic."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from telltale.errors import InvalidConfig
from telltale.pooling import POOLINGS, Pooling, logit, pool, sigmoid

poolings: st.SearchStrategy[Pooling] = st.sampled_from(("mean_probability", "mean_logit", "vote"))
patches = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-50, 50, width=32))


def test_sigmoid_is_scipys_and_never_overflows() -> None:
    values = np.array([-np.inf, -1e30, -750.0, -2.0, -1e-9, 0.0, 1e-9, 2.0, 750.0, 1e30, np.inf])
    assert np.allclose(sigmoid(values), expit(values), rtol=1e-15, atol=0)
    assert sigmoid(np.zeros((1, 1), np.float32)).dtype == np.float32


@given(st.floats(0, 1))
def test_logit_undoes_sigmoid_within_its_margin(probability: float) -> None:
    back = float(sigmoid(np.asarray(logit(probability))))
    assert abs(back - min(max(probability, 1e-6), 1 - 1e-6)) < 1e-12


def test_logit_of_certainty_is_finite_and_symmetric() -> None:
    assert logit(1.0) == pytest.approx(log((1 - 1e-6) / 1e-6))
    assert logit(0.0) == pytest.approx(-logit(1.0))
    assert logit(1.0, margin=1e-3) < logit(1.0)


def test_each_pooling_by_hand() -> None:
    logits = np.array([[0.0, 2.0], [-1.0, 5.0]], np.float32)
    probabilities = [1 / (1 + exp(-value)) for value in (0.0, 2.0, -1.0, 5.0)]
    assert pool(logits, "mean_probability") == pytest.approx(sum(probabilities) / 4)
    assert pool(logits, "mean_logit") == pytest.approx(1 / (1 + exp(-1.5)))
    # A patch that is undecided votes for nobody's side but the real one's: fake has to be said.
    assert pool(logits, "vote") == 0.5


@given(patches, poolings)
def test_a_score_lies_between_its_patches(logits: np.ndarray, pooling: Pooling) -> None:
    score = pool(logits, pooling)
    assert 0 <= score <= 1
    if pooling != "vote":
        low, high = expit(float(logits.min())), expit(float(logits.max()))
        assert low - 1e-12 <= score <= high + 1e-12


@given(patches, poolings, st.integers(0, 99))
def test_the_order_of_patches_does_not_matter(logits: np.ndarray, pooling: Pooling, seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(logits.ravel()).reshape(logits.shape[::-1])
    assert pool(shuffled, pooling) == pytest.approx(pool(logits, pooling), abs=1e-12)


@given(patches, poolings)
def test_more_fake_patches_never_lower_the_score(logits: np.ndarray, pooling: Pooling) -> None:
    assert pool(logits + np.float32(1), pooling) >= pool(logits, pooling)


def test_single_patch_poolings_agree() -> None:
    one = np.array([[0.7]], np.float32)
    assert pool(one, "mean_probability") == pool(one, "mean_logit") == pytest.approx(1 / (1 + exp(-0.7)), abs=1e-7)
    assert pool(one, "vote") == 1.0


def test_large_grids_keep_their_precision() -> None:
    # In float32 a sum of ten million equal values drifts.
    logits = np.full((3000, 3000), 0.1, np.float32)
    assert pool(logits, "mean_probability") == pytest.approx(1 / (1 + exp(-float(np.float32(0.1)))), abs=1e-12)


def test_no_patches_and_unknown_poolings_are_refused() -> None:
    assert POOLINGS == ("mean_probability", "mean_logit", "vote")
    with pytest.raises(InvalidConfig, match="at least one patch"):
        pool(np.empty((0, 4), np.float32), "vote")
    with pytest.raises((InvalidConfig, TypeError)):
        pool(np.zeros((1, 1), np.float32), "maximum")  # type: ignore[arg-type]
