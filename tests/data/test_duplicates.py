import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.data.duplicates import look_alikes
from telltale.errors import InvalidConfig


def hashes(bits: np.ndarray) -> list[str]:
    return [row.tobytes().hex() for row in np.packbits(bits, axis=1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 31))
def test_all_pairs_are_found_and_no_others(seed: int, most: int) -> None:
    """Against comparing each with each, on clusters whose members differ in 0 to 40 bits."""
    draw = np.random.default_rng(seed)
    bits = draw.integers(0, 2, (6, 256), dtype=np.uint8).repeat(8, axis=0)
    for row in bits:
        row[draw.choice(256, draw.integers(0, 21), replace=False)] ^= 1
    bits[3] = bits[2]
    texts = hashes(bits)
    firsts = [texts.index(text) for text in texts]
    apart = (bits[:, None] != bits[None]).sum(axis=-1)
    expected = [(firsts[i], i, 0) for i in range(len(bits)) if firsts[i] != i]
    expected += [
        (i, j, int(apart[i, j]))
        for j in range(len(bits))
        for i in range(j)
        if firsts[i] == i and firsts[j] == j and 0 < apart[i, j] <= most
    ]
    assert look_alikes(texts, most) == sorted(expected)


def test_pictures_without_a_hash_are_like_no_other() -> None:
    assert look_alikes(["", "", "ff" * 32], 31) == []
    assert look_alikes([], 31) == []


@pytest.mark.parametrize("bits", [-1, 32])
def test_more_bits_than_can_be_found_are_refused(bits: int) -> None:
    with pytest.raises(InvalidConfig, match="0 to 31"):
        look_alikes(["00" * 32], bits)


def test_effort_grows_far_slower_than_the_number_of_pairs() -> None:
    texts = hashes(np.random.default_rng(0).integers(0, 2, (20_000, 256), dtype=np.uint8))
    begin = time.perf_counter()
    assert look_alikes(texts, 30) == []
    # 200 million pairs: each with each takes minutes.
    assert time.perf_counter() - begin < 20
