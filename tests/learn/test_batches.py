import threading
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_samples import TINY, picture, tiny, write_samples

from telltale.data.corruptions import corrupt
from telltale.learn.batches import (
    MARGIN,
    Draws,
    made_ahead,
    training_batches,
    training_view,
    validation_batches,
)
from telltale.learn.config import AUGMENTATIONS
from telltale.learn.dataset import Dataset, load_dataset

# Two sources of reals, three of fakes, of very different sizes.
SOURCES = ["a"] * 30 + ["b"] * 5 + ["x"] * 3 + ["y"] * 50 + ["z"] * 7
IS_FAKE = np.array([source in "xyz" for source in SOURCES])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset(TINY, write_samples(tmp_path_factory.mktemp("samples")))


def drawn(steps: range, **changes: Any) -> np.ndarray:
    draws = Draws(IS_FAKE, SOURCES, tiny(batch=12, **changes))
    return np.stack([draws.batch(step) for step in steps])


def test_batches_are_half_real_half_fake() -> None:
    labels = IS_FAKE[drawn(range(20))]
    assert (labels == (np.arange(12) % 2 == 1)).all()


def test_sources_of_a_label_take_turns() -> None:
    counts = Counter(np.array(SOURCES)[drawn(range(10)).ravel()])
    assert counts == {"a": 30, "b": 30, "x": 20, "y": 20, "z": 20}


def test_balance_by_images_draws_every_image_equally_often() -> None:
    counts = Counter(drawn(range(35), balance="images").ravel().tolist())
    reals = [counts[index] for index in range(35)]
    assert reals == [6] * 35


def test_a_source_is_exhausted_before_an_image_returns() -> None:
    fakes = drawn(range(50))[:, 1::2].ravel()
    x = [int(index) for index in fakes if SOURCES[index] == "x"]
    passes = [x[first : first + 3] for first in range(0, len(x) - 2, 3)]
    assert all(sorted(one) == [35, 36, 37] for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_a_batch_depends_on_seed_and_step_only() -> None:
    forward = drawn(range(30))
    draws = Draws(IS_FAKE, SOURCES, tiny(batch=12))
    for step in (29, 3, 17, 3):
        np.testing.assert_array_equal(draws.batch(step), forward[step])
    assert (drawn(range(30), seed=1) != forward).any()


AUGMENTED = tiny(jpeg=0.5, blur=0.5, noise=0.5, resize=0.5)


def test_pixels_do_not_depend_on_threads_or_on_the_first_step(dataset: Dataset) -> None:
    reference = list(training_batches(dataset, AUGMENTED, range(5), workers=1))
    for workers in (2, 4):
        batches = list(training_batches(dataset, AUGMENTED, range(2, 5), workers=workers))
        for one, other in zip(batches, reference[2:], strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)
            np.testing.assert_array_equal(one.is_fake, other.is_fake)


@pytest.mark.parametrize("world", [2, 4])
def test_shares_of_several_processes_make_up_the_batch_of_one(dataset: Dataset, world: int) -> None:
    whole = next(training_batches(dataset, AUGMENTED, [3]))
    shares = [next(training_batches(dataset, AUGMENTED, [3], rank=rank, world=world)) for rank in range(world)]
    np.testing.assert_array_equal(np.concatenate([share.pixels for share in shares]), whole.pixels)
    assert all(share.is_fake.sum() * 2 == len(share.is_fake) for share in shares)


def test_images_kept_in_memory_or_not_give_the_same_batches(dataset: Dataset) -> None:
    bare = load_dataset(tiny(memory_mb=0), dataset.samples)
    one, other = (next(training_batches(data, AUGMENTED, [0])) for data in (dataset, bare))
    np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_view_without_augmentation_is_a_crop() -> None:
    prepared = picture(0, is_fake=False, side=50)
    places = set()
    for step in range(40):
        view = training_view(prepared, tiny(flip=0.0), step, 0)
        found = [
            (top, left)
            for top in range(19)
            for left in range(19)
            if (prepared[top : top + 32, left : left + 32] == view).all()
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 30


def test_a_flipped_view_is_a_mirrored_crop() -> None:
    prepared = picture(0, is_fake=False)
    view = training_view(prepared, tiny(flip=1.0), 0, 0)[:, ::-1]
    assert any((prepared[top : top + 32, left : left + 32] == view).all() for top in range(9) for left in range(9))


def test_the_codec_grid_lies_anywhere_on_the_crop() -> None:
    """Where 8-pixel blocks begin must not be the same in every crop, or a detector learns the place of the grid."""
    prepared = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    config = tiny(flip=0.0, jpeg=1.0, jpeg_range=(10.0, 10.0))
    phases = {block_phase(training_view(prepared, config, step, 0)) for step in range(60)}
    assert len(phases) == 8


def block_phase(view: np.ndarray) -> int:
    """Columns between which neighbours differ most: the borders of the blocks."""
    jumps = np.abs(np.diff(view.astype(float).mean(2), axis=1)).mean(0)
    return int(np.argmax([jumps[phase::8].mean() for phase in range(8)]))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_happens_as_often_as_it_should(name: str) -> None:
    prepared = picture(3, is_fake=True, side=32)
    probabilities = dict.fromkeys(AUGMENTATIONS, 0.0) | {name: 0.3}
    config = tiny(**probabilities, blur_range=(1.0, 2.0), noise_range=(5.0, 9.0), jpeg_range=(20.0, 50.0))
    changed = [(training_view(prepared, config, step, 0) != prepared).any() for step in range(300)]
    assert 0.2 < np.mean(changed) < 0.4


def test_an_augmentation_is_the_corruption_of_the_same_name() -> None:
    prepared = picture(3, is_fake=True, side=32)
    config = tiny(flip=0.0, jpeg=1.0, jpeg_range=(40.0, 40.0))
    expected = corrupt(prepared, "jpeg", 40.0, np.random.default_rng(0))
    np.testing.assert_array_equal(training_view(prepared, config, 0, 0), expected)


@pytest.mark.parametrize("extra", [0, 1, MARGIN, 30])
def test_a_view_has_the_size_of_the_crop(extra: int) -> None:
    prepared = picture(0, is_fake=False, side=32 + extra)
    for step in range(10):
        assert training_view(prepared, AUGMENTED, step, 1).shape == (32, 32, 3)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_sees_every_image_once(dataset: Dataset, world: int) -> None:
    numbers = [
        number
        for rank in range(world)
        for chosen, _ in validation_batches(dataset, TINY, rank=rank, world=world)
        for number in chosen.tolist()
    ]
    assert sorted(numbers) == list(range(16))


def test_validation_sees_the_centre_with_the_right_label(dataset: Dataset) -> None:
    for numbers, batch in validation_batches(dataset, tiny(jpeg=1.0, flip=1.0)):
        for number, pixels, is_fake in zip(numbers, batch.pixels, batch.is_fake, strict=True):
            index = dataset.part("validation")[int(number)]
            np.testing.assert_array_equal(pixels, dataset.store[index][4:36, 4:36])
            assert is_fake == dataset.samples[index].is_fake


def test_validation_of_whole_images_groups_by_size(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "small") + write_samples(tmp_path / "large", side=56)
    dataset = load_dataset(TINY, samples)
    batches = list(validation_batches(dataset, tiny(view="whole")))
    assert {batch.pixels.shape[1] for _, batch in batches} == {40, 56}
    assert sum(len(batch.is_fake) for _, batch in batches) == 32


def test_made_ahead_keeps_the_order_whatever_the_threads_do() -> None:
    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(made_ahead(make, range(40), 4)) == [number * number for number in range(40)]


def test_made_ahead_stops_its_threads_when_closed() -> None:
    begun: list[int] = []

    def make(number: int) -> int:
        begun.append(number)
        return number

    results = made_ahead(make, iter(range(10**9)), 2)
    assert list(islice(results, 3)) == [0, 1, 2]
    results.close()
    assert len(begun) < 12
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_made_ahead_passes_errors_on() -> None:
    def make(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(made_ahead(make, range(9), 2))
