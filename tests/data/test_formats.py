from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image
from small_pictures import encoded, picture

from telltale.data.formats import FormatFacts, format_facts, jpeg_quality, luminance_steps
from telltale.errors import UndecodableImage

PIXELS = picture(0)


def exif(date: str) -> Image.Exif:
    block = Image.Exif()
    block[ExifTags.Base.DateTime] = date
    return block


@pytest.mark.parametrize("quality", [1, 10, 25, 49, 50, 51, 75, 90, 91, 95, 99, 100])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_quality_is_read_back_exactly(quality: int, mode: str) -> None:
    stream = BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(stream, "JPEG", quality=quality)
    assert format_facts(stream.getvalue()).quality == quality


def test_tables_of_another_encoder_get_the_nearest_quality() -> None:
    with Image.open(BytesIO(encoded(PIXELS, quality=80))) as image:
        tables = getattr(image, "quantization")  # noqa: B009 (only JPEG files have it)
    moved = {key: [step + 1 for step in steps] for key, steps in tables.items()}
    found = jpeg_quality(moved)
    assert found is not None
    assert 74 <= found <= 80
    assert jpeg_quality({}) is None


def test_equal_qualities_of_different_tables_have_different_hashes() -> None:
    with Image.open(BytesIO(encoded(PIXELS, quality=80))) as image:
        tables = getattr(image, "quantization")  # noqa: B009
    other = {key: [step + (place == 63) for place, step in enumerate(steps)] for key, steps in tables.items()}
    one, two = format_facts(encoded(PIXELS, quality=80)), format_facts(encoded(PIXELS, qtables=other))
    assert (one.quality, two.quality) == (80, 80)
    assert one.tables != two.tables
    assert one.tables == format_facts(encoded(picture(1), quality=80)).tables


@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:2", "4:2:0"])
def test_subsampling(chroma: str) -> None:
    assert format_facts(encoded(PIXELS, subsampling=chroma)).subsampling == chroma


def test_size_mode_and_depth_come_from_the_header() -> None:
    stream = BytesIO()
    Image.fromarray(np.zeros((20, 30), np.uint16)).save(stream, "PNG")
    found = format_facts(stream.getvalue())
    assert (found.format, found.width, found.height, found.depth) == ("PNG", 30, 20, 16)
    assert (found.quality, found.tables, found.subsampling) == (None, "", "")
    grey = BytesIO()
    Image.fromarray(PIXELS).convert("L").save(grey, "JPEG")
    assert (format_facts(grey.getvalue()).mode, format_facts(grey.getvalue()).subsampling) == ("L", "grey")
    assert format_facts(encoded(PIXELS, "BMP")).overhead is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_seen_in_every_format(kind: str) -> None:
    bare = format_facts(encoded(PIXELS, kind))
    assert (bare.has_exif, bare.has_icc, bare.has_xmp, bare.exif_date) == (False, False, False, "")
    tagged = format_facts(encoded(PIXELS, kind, exif=exif("2020:05:17 10:11:12")))
    assert (tagged.has_exif, tagged.has_icc, tagged.has_xmp) == (True, False, False)
    assert tagged.exif_date == "2020:05:17 10:11:12"
    assert format_facts(encoded(PIXELS, kind, icc_profile=b"profile")).has_icc
    packet = format_facts(encoded(PIXELS, kind, **({} if kind == "PNG" else {"xmp": b"<x/>"})))
    assert packet.has_xmp is (kind != "PNG")


def test_progressive_and_interlaced() -> None:
    assert format_facts(encoded(PIXELS, progressive=True)).progressive
    assert not format_facts(encoded(PIXELS)).progressive


def test_a_damaged_exif_block_is_there_and_has_no_date() -> None:
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        found = format_facts(encoded(PIXELS, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    assert found.has_exif
    assert found.exif_date in ("", "unreadable")


def test_luminance_steps_are_the_first_table() -> None:
    steps = luminance_steps(encoded(PIXELS, quality=50))
    assert steps is not None
    assert (len(steps), steps[0], steps[63]) == (64, 16, 99)
    assert luminance_steps(encoded(PIXELS, "PNG")) is None


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", encoded(PIXELS, "PNG")[:20]])
def test_what_is_no_picture_is_named(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match=r"strange\.jpg"):
        format_facts(data, name="strange.jpg")


def test_facts_are_plain_values() -> None:
    found = format_facts(encoded(PIXELS))
    assert isinstance(found, FormatFacts)
    assert found.bytes == len(encoded(PIXELS))
