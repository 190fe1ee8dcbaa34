"""Equal bytes are one picture: of one label, and in one group."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from telltale.data.copies import check_one_label, copies, together
from telltale.data.sample import Sample
from telltale.errors import InvalidDataset


def test_equal_hashes_are_copies_and_what_cannot_be_read_is_none() -> None:
    assert copies(["a", "b", "a", None, None, "a", "c", "b"]) == [[0, 2, 5], [1, 7]]
    assert copies([]) == []


def test_a_copy_without_a_group_joins_that_of_its_copies() -> None:
    groups = ["", "", "", "anna", "", "ben", "anna", "carl"]
    hashes = ["1", "1", "2", "3", "3", "4", "5", "5"]
    assert together(groups, hashes) == ["same bytes 1", "same bytes 1", "", "anna", "anna", "ben", "anna", "carl"]


def test_one_picture_of_both_labels_is_refused_by_name_and_at_most_five_are_named() -> None:
    stream = BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    paths = [Path(f"{place}.png") for place in range(14)]
    samples = [Sample(path=path, is_fake=place >= 7, data=stream.getvalue()) for place, path in enumerate(paths)]
    check_one_label(samples, [str(place) for place in range(14)])
    check_one_label(samples, [None] * 14)
    check_one_label(samples, ["real"] * 7 + ["fake"] * 7)
    check_one_label([replace(sample, data=b"404 not found") for sample in samples], ["same"] * 14)
    with pytest.raises(InvalidDataset) as caught:
        check_one_label(samples, [str(place % 7) for place in range(14)])
    assert caught.value.found.startswith("7 both real and fake: 0.png (real) = 7.png (fake), 1.png (real)")
    assert caught.value.found.endswith("4.png (real) = 11.png (fake) and 2 more")
