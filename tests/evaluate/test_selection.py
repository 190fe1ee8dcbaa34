"""Which pictures and detectors take part, whatever their order and folder."""

from dataclasses import replace
from pathlib import Path

import pytest

import telltale
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.selection import chosen, named


@pytest.fixture(scope="module")
def detector(tiny_detector: Path) -> Detector:
    return telltale.load(tiny_detector, threads=1)


def test_at_most_so_many_a_source_whatever_the_order_and_folder() -> None:
    many = [
        Sample(path=Path(f"a/{index}.png"), is_fake=index % 2 == 0, source="real" if index % 2 else "fake")
        for index in range(40)
    ]
    few = chosen(many, per_source=5, seed=1)
    assert [sum(one.is_fake is label for one in few) for label in (False, True)] == [5, 5]
    moved = [replace(one, path=Path("b") / one.path.name) for one in many[::-1]]
    assert {one.path.name for one in chosen(moved, per_source=5, seed=1)} == {one.path.name for one in few}
    assert {one.path.name for one in chosen(many, per_source=5, seed=2)} != {one.path.name for one in few}
    assert chosen(many) == many


def test_unlabelled_images_are_left_out_and_contradictions_refused() -> None:
    real = Sample(path=Path("a.png"), is_fake=False, source="x")
    assert chosen([real, replace(real, path=Path("b.png"), is_fake=None), real]) == [real]
    with pytest.raises(InvalidDataset, match=r"two for a\.png"):
        chosen([real, replace(real, is_fake=True)])
    with pytest.raises(InvalidDataset, match="labelled"):
        chosen([replace(real, is_fake=None)])


def test_two_detectors_of_one_name_are_told_apart(detector: Detector) -> None:
    other = replace(detector, sha256="e" * 64)
    assert list(named([detector, other])) == [f"tiny@{detector.sha256[:8]}", "tiny@eeeeeeee"]
    with pytest.raises(InvalidConfig, match="twice"):
        named([detector, detector])
