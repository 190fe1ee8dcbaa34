import numpy as np
import pytest

from telltale.data.corruptions import CORRUPTIONS, corrupt
from telltale.errors import InvalidConfig
from telltale.image import Pixels

# One strength each that changes any picture with structure.
STRENGTHS = {
    "jpeg": 50.0,
    "webp": 50.0,
    "blur": 1.5,
    "resize": 0.5,
    "noise": 8.0,
    "gamma": 1.5,
    "crop": 0.8,
    "jitter": 0.4,
    "screenshot": 1.25,
    "social": 0.75,
    "flip": 1.0,
}
# Those that draw something: another seed gives other pixels.
DRAWN = ("noise", "crop", "jitter", "screenshot", "social")


def picture(height: int = 48, width: int = 65, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def error(name: str, strength: float) -> float:
    """Mean square difference that a corruption makes to a smooth picture."""
    waves = 128 + 50 * np.add.outer(np.sin(np.arange(64) / 2), np.sin(np.arange(64) / 3))
    smooth = np.repeat(waves[:, :, None], 3, axis=2).astype(np.uint8)
    changed = corrupt(smooth, name, strength, np.random.default_rng(0))
    return float(((changed.astype(float) - smooth) ** 2).mean())


def test_strengths_are_given_for_all() -> None:
    assert STRENGTHS.keys() == CORRUPTIONS.keys()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(48, 65), (7, 13), (1, 1)])
def test_size_stays_and_input_is_untouched(name: str, size: tuple[int, int]) -> None:
    pixels = picture(*size)
    before = pixels.copy()
    changed = corrupt(pixels, name, STRENGTHS[name], np.random.default_rng(0))
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_same_generator_gives_same_pixels(name: str) -> None:
    pixels = picture()
    one, other = (corrupt(pixels, name, STRENGTHS[name], np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (one != pixels).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_views_of_larger_pictures_are_accepted(name: str) -> None:
    large = picture(80, 90)
    cut = large[5:53, 9:74]
    np.testing.assert_array_equal(
        corrupt(cut, name, STRENGTHS[name], np.random.default_rng(1)),
        corrupt(np.ascontiguousarray(cut), name, STRENGTHS[name], np.random.default_rng(1)),
    )


@pytest.mark.parametrize(
    ("name", "mild", "strong"),
    [
        ("jpeg", 95.0, 20.0),
        ("webp", 95.0, 10.0),
        ("blur", 0.5, 3.0),
        ("resize", 0.8, 0.2),
        ("noise", 2.0, 20.0),
        ("crop", 0.95, 0.5),
        ("jitter", 0.1, 0.8),
        ("screenshot", 1.5, 0.3),
        ("social", 0.9, 0.2),
    ],
)
def test_stronger_is_further_from_the_picture(name: str, mild: float, strong: float) -> None:
    assert 0 < error(name, mild) < error(name, strong)


@pytest.mark.parametrize(
    ("name", "strength"),
    [("blur", 0.0), ("noise", 0.0), ("resize", 1.0), ("gamma", 1.0), ("crop", 1.0), ("jitter", 0.0)],
)
def test_neutral_strength_changes_nothing(name: str, strength: float) -> None:
    np.testing.assert_array_equal(corrupt(picture(), name, strength, np.random.default_rng(0)), picture())


def test_noise_has_the_stated_deviation_in_every_channel() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    changed = corrupt(grey, "noise", 10.0, np.random.default_rng(3)).astype(float)
    np.testing.assert_allclose(changed.std((0, 1)), 10, rtol=0.02)
    np.testing.assert_allclose(changed.mean((0, 1)), 128, atol=0.2)
    assert abs(np.corrcoef(changed[..., 0].ravel(), changed[..., 1].ravel())[0, 1]) < 0.02


def test_noise_clips_instead_of_wrapping() -> None:
    black = np.zeros((50, 50, 3), np.uint8)
    assert corrupt(black, "noise", 5.0, np.random.default_rng(0)).max() < 50


def test_blur_spreads_a_point_by_the_stated_deviation() -> None:
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    spread = corrupt(point, "blur", 1.0, np.random.default_rng(0))[:, 20, 0].astype(float)
    places = np.arange(41) - 20
    assert np.sqrt((spread * places**2).sum() / spread.sum()) == pytest.approx(1.0, abs=0.2)


def test_flip_twice_is_the_picture() -> None:
    generator = np.random.default_rng(0)
    once = corrupt(picture(), "flip", 1.0, generator)
    np.testing.assert_array_equal(once[:, 0], picture()[:, -1])
    np.testing.assert_array_equal(corrupt(once, "flip", 1.0, generator), picture())


def test_gamma_above_one_darkens_and_keeps_black_and_white() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    changed = corrupt(ramp, "gamma", 2.0, np.random.default_rng(0))[0, :, 0]
    assert changed[0] == 0
    assert changed[255] == 255
    assert changed[128] == round(255 * (128 / 255) ** 2)
    assert (np.diff(changed.astype(int)) >= 0).all()


@pytest.mark.parametrize("name", DRAWN)
def test_another_seed_gives_other_pixels(name: str) -> None:
    drawn = [corrupt(picture(), name, STRENGTHS[name], np.random.default_rng(seed)) for seed in range(6)]
    assert len({one.tobytes() for one in drawn}) > 1


def test_a_crop_shows_a_part_of_the_picture() -> None:
    ramp = np.repeat(np.linspace(0, 255, 100)[None, :, None], 50, axis=0).repeat(3, axis=2).astype(np.uint8)
    starts = set()
    for seed in range(20):
        row = corrupt(ramp, "crop", 0.5, np.random.default_rng(seed))[25, :, 0].astype(int)
        assert row[-3] - row[2] == pytest.approx(122, abs=8)  # half the ramp, over the whole width
        starts.add(int(row[0]))
    assert len(starts) > 10


def test_jitter_keeps_grey_grey() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    changed = corrupt(grey, "jitter", 0.5, np.random.default_rng(0)).astype(int)
    assert np.ptp(changed, axis=2).max() <= 1


def test_a_screenshot_sharpens_and_moves_brightness_a_little() -> None:
    step = np.full((40, 40, 3), 100, np.uint8)
    step[:, 20:] = 160
    changed = corrupt(step, "screenshot", 1.25, np.random.default_rng(0)).astype(int)
    assert changed.max() > changed[5, -5, 0]  # the overshoot of an unsharp mask
    assert abs(changed[5, 5, 0] - 100) < 8


def test_social_saves_once_or_twice_at_qualities_of_seventy_to_eighty_five() -> None:
    """At factor 1 with one service it is exactly the JPEG that the docstring states."""
    pixels = picture(64, 64)
    plain = {corrupt(pixels, "jpeg", float(quality), np.random.default_rng(0)).tobytes() for quality in range(70, 86)}
    once = [corrupt(pixels, "social", 1.0, np.random.default_rng(seed)).tobytes() in plain for seed in range(40)]
    assert 8 < sum(once) < 32


def test_jpeg_halves_the_resolution_of_colour_only() -> None:
    """The chroma subsampling that the docstring states: alternating columns of two colours of equal luma blend."""
    stripes = np.empty((64, 64, 3), np.uint8)
    stripes[:, 0::2], stripes[:, 1::2] = (180, 100, 120), (60, 158, 120)
    grey = np.empty((64, 64, 3), np.uint8)
    grey[:, 0::2], grey[:, 1::2] = 60, 180
    drawn = np.random.default_rng(0)
    colour = np.abs(np.diff(corrupt(stripes, "jpeg", 95.0, drawn)[..., 0].astype(int), axis=1)).mean()
    luma = np.abs(np.diff(corrupt(grey, "jpeg", 95.0, drawn)[..., 0].astype(int), axis=1)).mean()
    assert colour < 20 < 100 < luma


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(InvalidConfig, match="jpeg, webp, blur"):
        corrupt(picture(), "sepia", 1.0, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("jpeg", 0.0),
        ("jpeg", 101.0),
        ("webp", 0.0),
        ("blur", -1.0),
        ("resize", 0.0),
        ("noise", -1.0),
        ("gamma", 0.0),
        ("noise", np.nan),
        ("crop", 0.0),
        ("crop", 1.1),
        ("jitter", 1.5),
        ("screenshot", 0.0),
        ("social", 1.5),
    ],
)
def test_strength_out_of_range_is_refused(name: str, strength: float) -> None:
    with pytest.raises(InvalidConfig, match=name):
        corrupt(picture(), name, strength, np.random.default_rng(0))
