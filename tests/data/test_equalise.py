from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_pictures import encoded, picture

from telltale.data.equalise import (
    Box,
    Window,
    choose_quality,
    choose_window,
    encode,
    equalise,
    picture_key,
    twin_key,
)
from telltale.data.formats import format_facts
from telltale.data.settings import BuildSettings, Codec, Crop
from telltale.errors import UnsuitableImage
from telltale.image import decode, resize

lengths = st.integers(16, 900)
keys = st.text("0123456789abcdef", min_size=64, max_size=64)
crops = st.sampled_from(("auto", "face", "centre", "whole"))


@st.composite
def faces(draw: st.DrawFn) -> tuple[int, int, Box]:
    """A picture's height and width, and a face box that touches it."""
    height, width = draw(lengths), draw(lengths)
    wide, high = draw(st.floats(1, 2000)), draw(st.floats(1, 2000))
    x, y = draw(st.floats(1 - wide, width - 1)), draw(st.floats(1 - high, height - 1))
    return height, width, (x, y, wide, high)


@given(faces(), keys, crops, st.floats(0.1, 10))
def test_windows_lie_inside_and_never_on_the_block_grid(
    scene: tuple[int, int, Box], key: str, crop: Crop, scale: float
) -> None:
    height, width, face = scene
    window = choose_window((height, width), face, BuildSettings(crop=crop, face_scale=scale), key)
    assert window.x % 8
    assert window.y % 8
    assert window.x > 0
    assert window.y > 0
    assert window.x + window.width <= width
    assert window.y + window.height <= height
    assert min(window.width, window.height) >= 1
    assert crop == "whole" or window.width == window.height


@given(st.tuples(lengths, lengths), keys, keys)
def test_uncut_pictures_of_one_place_stay_on_each_other(shape: tuple[int, int], key: str, other: str) -> None:
    """A real frame and its manipulation are other bytes, so that anything drawn from them would shift the two."""
    windows = {choose_window(shape, None, BuildSettings(crop="uncut"), one) for one in (key, other)}
    assert windows == {Window(x=0, y=0, width=shape[1], height=shape[0])}


@given(faces(), keys, st.integers(8, 300))
def test_native_crops_have_exactly_their_side_or_fail(scene: tuple[int, int, Box], key: str, side: int) -> None:
    height, width, face = scene
    settings = BuildSettings(resample=None, side=side)
    if side >= min(height, width):
        with pytest.raises(UnsuitableImage):
            choose_window((height, width), face, settings, key)
        return
    window = choose_window((height, width), face, settings, key)
    assert (window.width, window.height) == (side, side)
    assert window.x % 8
    assert window.y % 8
    assert window.x + side <= width
    assert window.y + side <= height


def test_a_face_crop_is_the_scaled_box_around_its_middle() -> None:
    face = (300.0, 200.0, 80.0, 100.0)
    window = choose_window((1000, 1000), face, BuildSettings(crop="face", face_scale=1.5), "0" * 64)
    assert window.width == 150
    assert abs(window.x + 75 - 340) <= 4
    assert abs(window.y + 75 - 250) <= 4


def test_a_face_crop_that_would_leave_the_picture_shrinks_and_shifts() -> None:
    shifted = choose_window((500, 500), (0.0, 400.0, 100.0, 100.0), BuildSettings(crop="face"), "0" * 64)
    assert (shifted.width, shifted.height) == (150, 150)
    assert shifted.x <= 7
    assert shifted.y >= 343
    shrunk = choose_window((200, 300), (50.0, 0.0, 190.0, 190.0), BuildSettings(crop="face"), "0" * 64)
    assert shrunk.width == 192


def test_auto_takes_the_centre_at_a_matching_scale_where_there_is_no_box() -> None:
    large = choose_window((512, 512), None, BuildSettings(crop="auto", face_scale=1.5), "0" * 64)
    assert large.width == 504
    small = choose_window((512, 512), None, BuildSettings(crop="auto", face_scale=2 / 3), "0" * 64)
    assert small.width == 256
    assert abs(small.x - 128) <= 4
    assert choose_window((512, 512), None, BuildSettings(crop="centre", face_scale=0.5), "0" * 64).width == 504


@pytest.mark.parametrize(
    ("shape", "face", "crop", "reason"),
    [
        ((15, 100), None, "auto", "at least 16 x 16"),
        ((100, 100), None, "face", "a face box; found none given and none detected"),
        ((100, 100), (200.0, 0.0, 10.0, 10.0), "auto", "inside the picture"),
        ((100, 100), (0.0, -20.0, 10.0, 10.0), "face", "inside the picture"),
    ],
)
def test_what_cannot_be_cropped_says_why(shape: tuple[int, int], face: Box | None, crop: Crop, reason: str) -> None:
    with pytest.raises(UnsuitableImage, match=reason):
        choose_window(shape, face, BuildSettings(crop=crop), "0" * 64)


def test_offsets_and_qualities_are_drawn_evenly() -> None:
    settings = BuildSettings(crop="centre", codec="jpeg", quality=(70, 95))
    drawn = [picture_key(str(number).encode(), None, 0) for number in range(4000)]
    offsets = np.bincount([choose_window((200, 200), None, settings, key).x for key in drawn], minlength=9)
    assert offsets[0] == offsets[8] == 0
    assert (np.abs(offsets[1:8] - 4000 / 7) < 5 * np.sqrt(4000 / 7)).all()
    qualities = np.bincount([choose_quality(settings, key) or 0 for key in drawn], minlength=96)
    assert qualities[:70].sum() == 0
    assert (np.abs(qualities[70:] - 4000 / 26) < 5 * np.sqrt(4000 / 26)).all()


@pytest.mark.parametrize("face", [(0.0, 0.0, 40.0, 40.0), (100.0, 77.0, 40.0, 40.0), (160.0, 170.0, 60.0, 60.0)])
def test_where_the_block_grid_lies_does_not_tell_where_the_face_was(face: Box) -> None:
    drawn = [picture_key(str(number).encode(), face, 0) for number in range(3000)]
    windows = [choose_window((200, 200), face, BuildSettings(crop="face"), key) for key in drawn]
    for offsets in ([window.x % 8 for window in windows], [window.y % 8 for window in windows]):
        counts = np.bincount(offsets, minlength=8)
        assert counts[0] == 0
        assert (np.abs(counts[1:] - 3000 / 7) < 5 * np.sqrt(3000 / 7)).all()


def test_row_column_and_quality_are_drawn_apart() -> None:
    settings = BuildSettings(crop="centre", codec="jpeg", quality=(70, 76))
    drawn = [picture_key(str(number).encode(), None, 0) for number in range(4000)]
    windows = [choose_window((200, 200), None, settings, key) for key in drawn]
    table = np.array([(w.x, w.y, choose_quality(settings, key)) for w, key in zip(windows, drawn, strict=True)])
    assert np.abs(np.corrcoef(table.T) - np.eye(3)).max() < 0.06


def test_keys_follow_bytes_face_and_seed_only() -> None:
    face = (1.0, 2.0, 3.0, 4.0)
    assert picture_key(b"a", face, 0) == picture_key(b"a", face, 0)
    key = picture_key(b"a", None, 0)
    others = [picture_key(b"b", None, 0), picture_key(b"a", face, 0), picture_key(b"a", None, 1), twin_key(key, "x")]
    assert len({key, *others, twin_key(key, "y")}) == 6


@pytest.mark.parametrize("codec", ["png", "jpeg", "webp"])
def test_built_files_hold_pixels_and_nothing_else(codec: Codec) -> None:
    settings = BuildSettings(codec=codec)
    quality = choose_quality(settings, "0" * 64)
    built = encode(picture(1), settings, quality)
    facts = format_facts(built)
    assert facts.format == codec.upper()
    assert (facts.has_exif, facts.has_icc, facts.has_xmp, facts.progressive) == (False, False, False, False)
    assert (facts.mode, facts.quality) == ("RGB", quality if codec == "jpeg" else None)
    with Image.open(BytesIO(built)) as image:
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background",
                                   "timestamp", "duration"}  # fmt: skip
        assert "comment" not in image.info
    if codec == "png":
        assert np.array_equal(decode(built), picture(1))
        assert {built[start : start + 4] for start in range(len(built)) if built[start : start + 4] == b"tEXt"} == set()


def test_metadata_of_the_original_does_not_survive() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    marked = encoded(picture(1), "JPEG", exif=exif, comment=b"hello", icc_profile=b"")
    built = encode(decode(marked), BuildSettings(codec="jpeg"), 80)
    assert b"a camera" in marked
    assert b"a camera" not in built
    assert b"hello" not in built


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_chroma_is_as_set(subsampling: str) -> None:
    built = encode(picture(1), BuildSettings(codec="jpeg", subsampling=subsampling), 80)  # type: ignore[arg-type]
    assert format_facts(built).subsampling == subsampling


def test_pixels_are_the_window_resampled_once() -> None:
    pixels = picture(1, 100, 90)
    window = Window(x=3, y=5, width=70, height=70)
    built = equalise(pixels, window, BuildSettings(side=32))
    assert np.array_equal(built, resize(np.ascontiguousarray(pixels[5:75, 3:73]), 32, 32))
    native = equalise(pixels, Window(x=3, y=5, width=32, height=32), BuildSettings(side=32, resample=None))
    assert np.array_equal(native, pixels[5:37, 3:35])


def test_enlarging_can_be_refused() -> None:
    window = Window(x=1, y=1, width=20, height=40)
    assert equalise(picture(1), window, BuildSettings(side=32)).shape == (32, 32, 3)
    with pytest.raises(UnsuitableImage, match="at least 32 px; found 20 x 40"):
        equalise(picture(1), window, BuildSettings(side=32, enlarge=False))
