import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import InvalidDataset
from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.metrics import auc, bootstrap


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
        lambda found: len({label for label, _ in found}) == 2
    ),
    st.integers(0, 5),
)
def test_it_is_the_plain_bootstrap_of_the_auc(found: list[tuple[bool, int]], seed: int) -> None:
    is_fake = np.array([label for label, _ in found])
    scores = np.array([level / 6 for _, level in found])
    plain, fast = (
        bootstrap(auc, is_fake, scores, seed=seed, rounds=50),
        bootstrap_auc(is_fake, scores, seed=seed, rounds=50),
    )
    assert (fast.value, fast.low, fast.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)


def test_rounds_in_several_parts_are_the_same_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    is_fake, scores = np.arange(30) >= 12, np.random.default_rng(0).random(30)
    whole = bootstrap_auc(is_fake, scores, rounds=64)
    monkeypatch.setattr("telltale.evaluate.auc_interval._AT_ONCE", 30 * 7)
    assert bootstrap_auc(is_fake, scores, rounds=64) == whole


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidDataset, match="no fakes"):
        bootstrap_auc(np.zeros(4, np.bool_), np.linspace(0, 1, 4))
