"""Re-synthesis: any size in, the same size out, the same bytes every time, and close to the photograph."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from generator_weights import one_thread, shared_data, write_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.errors import InvalidConfig
from telltale.generate.resynthesis import RESYNTHESISERS, Resynthesise, resynthesiser
from telltale.image import Pixels, Resized, decode

NAMES = ("taef2", "srgan_x4")
MULTIPLE = {"taef2": 8, "srgan_x4": 4}


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("taef2_encoder", "taef2_decoder", "fast_srgan_x4")
    return write_weights(tmp_path_factory.mktemp("generators"), *names)


@pytest.fixture(scope="module")
def functions(weights: Path) -> dict[str, Resynthesise]:
    return {name: resynthesiser(name, weights) for name in NAMES}


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mirrored(pixels: Pixels, height: int, width: int) -> Resized:
    """Continued by reflection in its lower and right edge, again and again, written as an index."""
    rows, columns = (
        np.minimum(phase := np.arange(target) % (2 * length), 2 * length - 1 - phase)
        for target, length in ((height, pixels.shape[0]), (width, pixels.shape[1]))
    )
    grown: Resized = pixels[rows][:, columns]
    return grown


def test_the_names_are_these() -> None:
    assert tuple(RESYNTHESISERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
@given(height=st.integers(1, 37), width=st.integers(1, 37))
@settings(max_examples=12, deadline=None)
def test_any_size_keeps_its_size(functions: dict[str, Resynthesise], name: str, height: int, width: int) -> None:
    made = functions[name](noise(height, width))
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(13, 21), (3, 30), (1, 2), (16, 9)])
def test_padding_is_a_mirror_and_is_cropped_away_exactly(
    functions: dict[str, Resynthesise], name: str, height: int, width: int
) -> None:
    pixels, multiple = noise(height, width), MULTIPLE[name]
    sides = [-(-length // multiple) * multiple for length in (height, width)]
    if name == "srgan_x4":
        sides = [max(side, 8) for side in sides]
    whole = functions[name](mirrored(pixels, *sides))
    np.testing.assert_array_equal(functions[name](pixels), whole[:height, :width])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_from_another_loading_and_the_input_untouched(
    functions: dict[str, Resynthesise], weights: Path, name: str
) -> None:
    pixels = noise(20, 28)
    before = pixels.copy()
    pixels.setflags(write=False)  # as decoded pictures are
    first = functions[name](pixels)
    np.testing.assert_array_equal(first, functions[name](pixels))
    np.testing.assert_array_equal(first, resynthesiser(name, weights)(pixels))
    np.testing.assert_array_equal(pixels, before)


def test_an_unknown_name_lists_the_known_ones(weights: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"taef2, srgan_x4.*'vqgan'"):
        resynthesiser("vqgan", weights)


@pytest.mark.parametrize("name", NAMES)
def test_missing_weights_say_where_to_point(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidConfig, match="--generators"):
        resynthesiser(name, tmp_path)


def decibels(first: Pixels, second: Pixels) -> float:
    error = np.square(first.astype(np.float64) - second).mean()
    return float(10 * np.log10(255**2 / error))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), [("taef2", 25, 40), ("srgan_x4", 20, 36)])
def test_trained_weights_keep_photographs_recognisable(name: str, low: float, high: float) -> None:
    data = shared_data()
    function = resynthesiser(name, data / "generators")
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for source in ("celebahq", "landmark256", "portrait256"):
        for row in [row for row in rows if row["source"] == source][:2]:
            pixels = decode(data / row["path"])[-192:, -192:]
            assert low < decibels(function(pixels), pixels) < high, row["path"]
