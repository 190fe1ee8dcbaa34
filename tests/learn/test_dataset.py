import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from training_samples import TINY, tiny, write_samples

from telltale.data.samples import Sample
from telltale.errors import InvalidDataset
from telltale.image import decode, prepare
from telltale.learn.dataset import load_dataset


def test_parts_and_counts(tmp_path: Path) -> None:
    dataset = load_dataset(TINY, write_samples(tmp_path))
    assert dataset.train == 24
    assert [len(dataset.part(name)) for name in ("train", "validation")] == [24, 16]
    assert dataset.is_fake("validation").sum() == 8
    assert dataset.counts() == {
        "train": {"real": {"one": 6, "two": 6}, "fake": {"one": 6, "two": 6}},
        "validation": {"real": {"one": 4, "two": 4}, "fake": {"one": 4, "two": 4}},
    }


def test_the_order_of_the_listing_does_not_matter(tmp_path: Path) -> None:
    samples = write_samples(tmp_path)
    assert load_dataset(TINY, samples[::-1]).samples == load_dataset(TINY, samples).samples


@pytest.mark.parametrize("memory_mb", [0, 50])
def test_pixels_are_those_of_serving_kept_or_not(tmp_path: Path, memory_mb: int) -> None:
    config = tiny(side=36, fit="centre", memory_mb=memory_mb)
    dataset = load_dataset(config, write_samples(tmp_path))
    assert dataset.store.kept == (40 if memory_mb else 0)
    for index in (0, 39):
        expected = prepare(decode(dataset.samples[index].path), config.preparation)
        np.testing.assert_array_equal(dataset.store[index], expected)


def test_memory_stays_within_the_budget(tmp_path: Path) -> None:
    dataset = load_dataset(TINY, write_samples(tmp_path), budget=10 * 40 * 40 * 3)
    assert dataset.store.kept == 10


def test_sources_are_chosen(tmp_path: Path) -> None:
    samples = write_samples(tmp_path)
    for config in (tiny(include=("two",)), tiny(exclude=("one",))):
        assert {sample.source for sample in load_dataset(config, samples).samples} == {"two"}


def test_the_fingerprint_follows_the_data_and_not_their_place(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    moved = [
        replace(sample, path=tmp_path / "there" / sample.path.relative_to(tmp_path / "here")) for sample in samples
    ]
    first = load_dataset(TINY, samples).fingerprint
    assert load_dataset(TINY, moved).fingerprint == first
    assert load_dataset(tiny(exclude=("one",)), samples).fingerprint != first
    other_source = [replace(moved[0], source="two"), *moved[1:]]
    assert load_dataset(TINY, other_source).fingerprint != first
    with Image.open(moved[0].path) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(moved[0].path)
    assert load_dataset(TINY, moved).fingerprint != first


def test_validation_share_parts_one_split_and_keeps_groups_together(tmp_path: Path) -> None:
    samples = [
        replace(sample, split="", group=f"group {number % 10}") for number, sample in enumerate(write_samples(tmp_path))
    ]
    dataset = load_dataset(tiny(validation_share=0.4), samples)
    groups = [{dataset.samples[index].group for index in dataset.part(name)} for name in ("train", "validation")]
    assert groups[0]
    assert groups[1]
    assert not groups[0] & groups[1]
    fewer = [sample for sample in samples if sample.group != min(groups[0])]
    again = load_dataset(tiny(validation_share=0.4), fewer)
    assert {again.samples[index].group for index in again.part("validation")} == groups[1]


def test_validation_share_without_groups_goes_by_content(tmp_path: Path) -> None:
    dataset = load_dataset(tiny(validation_share=0.3), write_samples(tmp_path, train=20))
    assert len(dataset.samples) == 80
    assert 10 <= len(dataset.part("validation")) <= 40


Change = Callable[[list[Sample], Path], list[Sample]]


def without_labels(samples: list[Sample], _: Path) -> list[Sample]:
    return [replace(sample, is_fake=None) for sample in samples[:7]] + samples[7:]


def reals_only(samples: list[Sample], _: Path) -> list[Sample]:
    return [sample for sample in samples if not (sample.is_fake and sample.split == "validation")]


def twin(samples: list[Sample], folder: Path) -> list[Sample]:
    shutil.copy(samples[0].path, folder / "twin.png")
    return [*samples, replace(samples[0], path=folder / "twin.png", is_fake=not samples[0].is_fake)]


def same_file_twice(samples: list[Sample], _: Path) -> list[Sample]:
    return [*samples, replace(samples[0], is_fake=not samples[0].is_fake, split="validation")]


def leak(samples: list[Sample], folder: Path) -> list[Sample]:
    shutil.copy(samples[0].path, folder / "seen.png")
    return [*samples, replace(samples[0], path=folder / "seen.png", split="validation")]


def broken(samples: list[Sample], folder: Path) -> list[Sample]:
    (folder / "broken.png").write_bytes(b"not a picture")
    return [*samples, replace(samples[0], path=folder / "broken.png")]


def small(samples: list[Sample], folder: Path) -> list[Sample]:
    Image.new("RGB", (31, 90)).save(folder / "small.png")
    return [*samples, replace(samples[0], path=folder / "small.png")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda samples, _: [], ["none in unused"]),
        (without_labels, ["train", "7 without one", "0.png", "and 2 more"]),
        (reals_only, ["fakes in validation", "8 reals and 0 fakes"]),
        (twin, ["both real and fake", "twin.png (real)", "0.png (fake)"]),
        (same_file_twice, ["both real and fake", "0.png (real)", "0.png (fake)"]),
        (leak, ["1 in both", "seen.png (validation)", "(train)"]),
        (broken, ["1 unreadable", "broken.png"]),
        (small, ["32 x 32", "1 smaller", "small.png (31 x 90)"]),
    ],
)
def test_what_is_wrong_with_the_data_is_named(tmp_path: Path, change: Change, words: list[str]) -> None:
    samples = change(write_samples(tmp_path), tmp_path)
    with pytest.raises(InvalidDataset) as caught:
        load_dataset(TINY, samples)
    for word in words:
        assert word in str(caught.value)


def test_padding_is_offered_where_it_helps_alone(tmp_path: Path) -> None:
    samples = small(write_samples(tmp_path), tmp_path)
    for crop, least, offered in ((24, 32, True), (40, 32, False), (40, 1, False)):
        with pytest.raises(InvalidDataset, match=f"at least {max(crop, least)} x") as caught:
            load_dataset(tiny(crop=crop), samples, least=least)
        assert ("--allow-small" in str(caught.value)) is offered
        assert ("--crop" in str(caught.value)) is not offered


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_split": "training"}, ["'training'", "'train' (24)", "'validation' (16)"]),
        ({"validation_split": "test"}, ["'test'"]),
        ({"include": ("three",)}, ["one, two", "three"]),
        ({"exclude": ("three",)}, ["one, two", "three"]),
    ],
)
def test_a_split_or_source_that_is_not_there_is_named(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(InvalidDataset) as caught:
        load_dataset(tiny(**changes), write_samples(tmp_path))
    for word in words:
        assert word in str(caught.value)


def test_data_without_sources_say_so(tmp_path: Path) -> None:
    samples = [replace(sample, source="") for sample in write_samples(tmp_path)]
    with pytest.raises(InvalidDataset, match="sources out of none; found one"):
        load_dataset(tiny(include=("one",)), samples)


def test_images_smaller_than_the_field_are_named_unless_scaled_up(tmp_path: Path) -> None:
    samples = write_samples(tmp_path)
    with pytest.raises(InvalidDataset, match=r"43 x 43 px.*40 smaller.*0\.png \(40 x 40\)"):
        load_dataset(TINY, samples, least=43)
    assert load_dataset(tiny(side=48), samples, least=43).shapes[0] == (48, 48)


def test_whole_images_must_have_one_size(tmp_path: Path) -> None:
    samples = write_samples(tmp_path)
    Image.new("RGB", (50, 60)).save(tmp_path / "tall.png")
    with pytest.raises(InvalidDataset, match=r"40 of 40 x 40, 1 of 50 x 60"):
        load_dataset(tiny(crop=None), [*samples, replace(samples[0], path=tmp_path / "tall.png")])
