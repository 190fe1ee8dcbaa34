import random
from pathlib import Path
from typing import Any

import pytest

from telltale.data.assembly import Assembly, Original, assemble
from telltale.data.index import FACTS
from telltale.data.sample import Sample
from telltale.data.settings import BuildSettings
from telltale.data.splits import Shares


def original(
    name: str, content: str, *, look: int | None = None, twins: tuple[str, ...] = (), **about: Any
) -> Original:
    """An original whose bytes are `content`; it looks like others of nearly the same `look`."""
    seen = hash_of(random.Random(content).getrandbits(256) if look is None else look)
    facts = dict.fromkeys(FACTS) | {"sha256": content, "perceptual_hash": seen}
    sample = Sample(path=Path(name), **({"is_fake": False} | about))
    return Original(
        sample=sample, key=content * 40, facts=facts, twins={twin: (twin + content * 40, facts) for twin in twins}
    )


def hash_of(number: int) -> str:
    return f"{number:064x}"


def assembled(*originals: Original, move: bool = False) -> Assembly:
    return assemble(originals, BuildSettings(), shares=Shares(), bits=30, move=move)


def test_contradictory_labels_leave_every_copy_out_and_name_each_other() -> None:
    found = assembled(
        original("a.png", "x", is_fake=False),
        original("b.png", "x", is_fake=True),
        original("c.png", "x", is_fake=None),
        original("d.png", "y"),
    )
    assert [row["original_path"] for row in found.rows] == ["d.png"]
    assert sorted(row["original_path"] for row in found.failures) == ["a.png", "b.png", "c.png"]
    assert {row["reason"] for row in found.failures} == {
        "expected one label for the same bytes; found a.png (real), b.png (fake), c.png (no label). Correct the labels."
    }


def test_of_equal_originals_the_labelled_one_of_the_earliest_split_stays() -> None:
    found = assembled(
        original("a.png", "x", split="test"),
        original("b.png", "x", split="train"),
        original("c.png", "x", is_fake=None, split="train"),
    )
    assert [(row["original_path"], row["split"]) for row in found.rows] == [("b.png", "train")]
    same = [row for row in found.duplicates if row["kind"] == "same bytes"]
    assert {(row["first_path"], row["second_path"], row["action"]) for row in same} == {
        ("b.png", "a.png", "second left out"),
        ("b.png", "c.png", "second left out"),
    }
    torn = [row for row in found.duplicates if row["kind"] == "belong together"]
    assert [(row["first_split"], row["second_split"]) for row in torn] == [("train", "test")]


def test_look_alikes_share_split_and_group_and_are_reported() -> None:
    found = assembled(original("a.png", "x", look=7), original("b.png", "y", look=6, is_fake=True))
    assert len({(row["split"], row["group"]) for row in found.rows}) == 1
    assert found.rows[0]["group"].startswith("alike-")
    (pair,) = found.duplicates
    assert (pair["kind"], pair["bits"], pair["action"]) == ("look alike", 1, "on one side")
    assert (pair["first_label"], pair["second_label"]) == ("real", "fake")


@pytest.mark.parametrize(("move", "action", "splits"), [
    (False, "left where they were", {"train", "test"}), (True, "moved to train", {"train"})
])  # fmt: skip
def test_given_splits_that_tear_a_group_are_reported_and_mended_when_asked(
    move: bool, action: str, splits: set[str]
) -> None:
    found = assembled(
        original("a.png", "x", group="ann", split="test"), original("b.png", "y", group="ann", split="train"), move=move
    )
    assert {row["split"] for row in found.rows} == splits
    assert [(row["kind"], row["action"]) for row in found.duplicates] == [("belong together", action)]


def test_an_original_left_out_still_ties_its_group_to_that_of_its_copy() -> None:
    found = assembled(
        original("a.png", "x", group="ann"), original("b.png", "x", group="bob"), original("c.png", "y", group="bob")
    )
    assert {(row["original_path"], row["group"], row["original_group"]) for row in found.rows} == {
        ("a.png", "ann", "ann"),
        ("c.png", "ann", "bob"),
    }


def test_twins_are_fakes_of_their_reals_split_and_group() -> None:
    found = assembled(original("a.png", "x", source="camera", twins=("t1", "t2")), original("b.png", "y"))
    real = next(row for row in found.rows if row["source"] == "camera")
    twins = [row for row in found.rows if row["twin_of"]]
    assert {(row["source"], row["is_fake"], row["twin_of"]) for row in twins} == {
        ("t1:camera", True, real["path"]),
        ("t2:camera", True, real["path"]),
    }
    assert {(row["split"], row["group"]) for row in (real, *twins)} == {(real["split"], "twins-" + "x" * 12)}
    assert next(row for row in found.rows if row["original_path"] == "b.png")["group"] == ""


def test_rows_are_sorted_by_neutral_path_and_the_order_that_came_in_does_not_matter() -> None:
    originals = [original(f"{number}.png", name, look=number // 2) for number, name in enumerate("abcdefgh")]
    found = assembled(*originals)
    assert [row["path"] for row in found.rows] == sorted(row["path"] for row in found.rows)
    assert assembled(*reversed(originals)) == found


def test_paths_that_are_no_text_are_spelled_out() -> None:
    found = assembled(original("caf\udce9.png", "x", source="caf\udce9"))
    assert (found.rows[0]["original_path"], found.rows[0]["source"]) == ("caf\\udce9.png", "caf\\udce9")
