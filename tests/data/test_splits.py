from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.data.sample import Sample
from telltale.data.splits import Placement, Shares, place
from telltale.errors import InvalidConfig


def key(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def placed(
    groups: list[str],
    splits: list[str] | None = None,
    pairs: list[tuple[int, int]] | None = None,
    *,
    move: bool = False,
    seed: int = 0,
) -> Placement:
    given_splits = splits or [""] * len(groups)
    samples = [
        Sample(path=Path(str(number)), group=group, split=split)
        for number, (group, split) in enumerate(zip(groups, given_splits, strict=True))
    ]
    keys = [key(number) for number in range(len(samples))]
    return place(samples, keys, pairs or [], shares=Shares(), seed=seed, move=move)


@given(
    st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=10),
    st.integers(0, 5),
)
def test_what_belongs_together_lies_on_one_side_under_one_name(
    groups: list[str], pairs: list[tuple[int, int]], seed: int
) -> None:
    inside = [(one, other) for one, other in pairs if max(one, other) < len(groups)]
    found = placed(groups, pairs=inside, seed=seed)
    for one, other in inside:
        assert found.splits[one] == found.splits[other]
        assert one == other or found.groups[one] == found.groups[other] != ""
    for name in set(groups) - {""}:
        members = [number for number, group in enumerate(groups) if group == name]
        assert len({(found.splits[number], found.groups[number]) for number in members}) == 1
    assert set(found.splits) <= {"train", "validation", "test"}
    assert found.torn == []


def test_shares_are_met_and_seeds_differ() -> None:
    found = placed([""] * 5000)
    counts = Counter(found.splits)
    assert abs(counts["train"] - 4000) < 120
    assert abs(counts["test"] - 500) < 90
    assert found.groups == [""] * 5000
    assert placed([""] * 5000, seed=1).splits != found.splits


def test_a_split_does_not_depend_on_what_else_there_is() -> None:
    assert placed(["", "g", "h"]).splits == placed(["", "g", "h", "i", "", "g"]).splits[:3]


def test_given_splits_stay_and_those_without_follow_their_group() -> None:
    found = placed(["a", "a", "b", "b"], ["test", "", "train", "validation"])
    assert found.splits == ["test", "test", "train", "validation"]
    assert found.torn == [(2, 3)]
    assert found.drawn == frozenset()


def test_what_was_drawn_is_told_from_what_was_given() -> None:
    assert placed(["a", "a", "b", "b", ""], ["test", "", "", "", ""]).drawn == {2, 3, 4}


def test_moving_takes_the_earliest_side() -> None:
    found = placed(["a", "a", "a", ""], ["test", "validation", "", "test"], [(2, 3)], move=True)
    assert found.splits == ["validation"] * 4
    assert found.torn == [(1, 0)]


def test_pairs_without_a_group_get_a_name_of_their_own() -> None:
    found = placed(["", "", ""], pairs=[(0, 2)])
    assert found.groups[0] == found.groups[2] == f"alike-{min(key(0), key(2))[:12]}"
    assert found.groups[1] == ""


def test_one_share_may_be_everything() -> None:
    assert {Shares(0.0, 0.0, 1.0).draw(str(number), 0) for number in range(100)} == {"test"}
    assert {Shares(1.0, 0.0, 0.0).draw(str(number), 0) for number in range(100)} == {"train"}


@pytest.mark.parametrize(
    "shares", [(0.0, 0.0, 0.0), (-1.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (float("inf"), 0.0, 0.0)]
)
def test_shares_that_mean_nothing_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidConfig):
        Shares(*shares)
