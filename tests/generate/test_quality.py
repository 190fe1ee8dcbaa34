"""The kernel distance is unbiased, knows its error, and grows with what makes pictures worse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.generate.quality import face_features, kernel_distance


def normal(seed: int, n: int = 120, d: int = 20, shift: float = 0.0) -> Float[np.ndarray, "n d"]:
    features: Float[np.ndarray, "n d"] = np.random.default_rng(seed).normal(shift, 1, (n, d))
    return features


def by_loops(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> float:
    """The definition, pair by pair."""

    def kernel(x: Float[np.ndarray, " d"], y: Float[np.ndarray, " d"]) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within = [
        sum(kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j) / (len(one) * (len(one) - 1))
        for one in (a, b)
    ]
    return sum(within) - 2 * sum(kernel(x, y) for x in a for y in b) / (len(a) * len(b))


@settings(max_examples=20, deadline=None)
@given(st.integers(4, 9), st.integers(4, 9), st.integers(1, 6), st.integers(0, 99))
def test_it_is_what_its_definition_says(n: int, m: int, d: int, seed: int) -> None:
    a, b = normal(seed, n, d), normal(seed + 1, m, d, shift=0.5)
    assert kernel_distance(a, b).value == pytest.approx(by_loops(a, b), rel=1e-9, abs=1e-12)
    assert kernel_distance(b, a).value == pytest.approx(by_loops(a, b), rel=1e-9, abs=1e-12)


def test_blocks_change_nothing() -> None:
    a, b = normal(0, 1500, 3), normal(1, 40, 3)
    parts = [kernel_distance(np.roll(a, turn, 0), b).value for turn in (0, 700)]
    assert parts[0] == pytest.approx(parts[1], rel=1e-9)


def test_one_distribution_is_zero_within_the_error() -> None:
    found = [kernel_distance(normal(seed), normal(seed + 500, 200)) for seed in range(60)]
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values)), "unbiased"
    assert (values < 0).any(), "and so sometimes negative"
    assert np.mean(np.abs(values) < 2 * np.array([one.error for one in found])) > 0.9


def test_the_error_is_the_spread_that_repetition_shows() -> None:
    for size in (None, 20):
        found = [kernel_distance(normal(s), normal(s + 500, 200, shift=0.4), subset_size=size) for s in range(60)]
        spread = float(np.std([one.value for one in found]))
        assert 0.7 < np.mean([one.error for one in found]) / spread < 1.4


def test_neither_order_nor_seed_changes_the_value() -> None:
    a, b = normal(0), normal(1, shift=0.3)
    one = kernel_distance(a, b)
    other = kernel_distance(a[::-1], np.roll(b, 7, 0), seed=3)
    assert other.value == pytest.approx(one.value, rel=1e-9)
    assert other.error == pytest.approx(one.error, rel=0.4)
    assert kernel_distance(a, b) == one


def test_it_grows_with_distance() -> None:
    values = [kernel_distance(normal(0), normal(1, shift=shift)).value for shift in (0, 0.2, 0.4, 0.8)]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (normal(0, 3), normal(1)),
        (normal(0), np.full((9, 20), np.nan)),
    ],
)
def test_sets_that_cannot_be_compared(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> None:
    with pytest.raises(InvalidDataset, match="finite features of one length"):
        kernel_distance(a, b)


def test_settings_that_mean_nothing() -> None:
    for subsets, size in ((1, None), (5, 1)):
        with pytest.raises(InvalidConfig, match="2 or more"):
            kernel_distance(normal(0), normal(1), subsets=subsets, subset_size=size)


def drawn_faces(n: int, seed: int) -> UInt8[np.ndarray, "n 64 64 3"]:
    """An oval with eyes and a mouth, in random colours and places."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:64, :64]

    def oval(y: float, x: float, high: float, wide: float) -> Float[np.ndarray, "64 64 1"]:
        inside = ((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2 < 1
        return np.asarray(inside[:, :, None], np.float64)

    faces = []
    for _ in range(n):
        y, x = random.uniform(29, 35, 2)
        picture = np.full((64, 64, 3), random.uniform(90, 160, 3))
        for shape, colour in (
            (oval(y, x, random.uniform(18, 24), random.uniform(14, 18)), random.uniform(160, 230, 3)),
            (oval(y - 5, x - 6, 2, 3), random.uniform(0, 60, 3)),
            (oval(y - 5, x + 6, 2, 3), random.uniform(0, 60, 3)),
            (oval(y + 9, x, 2, 6), random.uniform(90, 200, 3)),
        ):
            picture = picture * (1 - shape) + colour * shape
        faces.append(picture)
    return np.asarray(np.clip(np.array(faces), 0, 255).astype(np.uint8))


def test_features_do_not_depend_on_company_or_order() -> None:
    faces = drawn_faces(20, 0)
    features = face_features(faces)
    assert features.shape == (20, 456)
    assert features.dtype == np.float32
    assert float(features.std(0).mean()) > 0.01
    np.testing.assert_allclose(face_features(faces[::-1])[::-1], features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(face_features(faces[3:4])[0], features[3], rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidDataset, match="pictures"):
        face_features(faces[:0])


def test_pictures_of_any_size() -> None:
    assert face_features(np.zeros((1, 50, 90, 3), np.uint8)).shape == (1, 456)


def test_worse_pictures_are_farther() -> None:
    references, faces = face_features(drawn_faces(60, 0)), drawn_faces(60, 1)
    random = np.random.default_rng(0)

    def blurred(radius: float) -> UInt8[np.ndarray, "n 64 64 3"]:
        return np.stack([np.array(Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius))) for one in faces])

    def noisy(levels: float) -> UInt8[np.ndarray, "n 64 64 3"]:
        noise = random.normal(0, levels, faces.shape)
        return np.asarray(np.clip(faces + noise, 0, 255).astype(np.uint8))

    same = kernel_distance(face_features(faces), references)
    assert abs(same.value) < 3 * same.error
    for worse in (blurred, noisy):
        found = [kernel_distance(face_features(worse(amount)), references).value for amount in (1, 4, 16)]
        assert found == sorted(found)
        assert found[-1] > 5 * same.error
