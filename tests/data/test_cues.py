from pathlib import Path

import pytest
from small_pictures import encoded, picture

from telltale.data.cues import BY_NAME, CUES, container_cues, name_cues
from telltale.data.formats import format_facts
from telltale.data.pixel_cues import PIXEL_CUES

PIXELS = picture(0)


def test_every_cue_has_one_name_and_every_value_a_cue() -> None:
    assert len(BY_NAME) == len(CUES)
    given = {**container_cues(format_facts(encoded(PIXELS))), **name_cues(Path("a.jpg"), 0.0)}
    assert {cue.name for cue in CUES} == {*given, *PIXEL_CUES}


def test_cues_of_jpeg_files_are_missing_elsewhere() -> None:
    png = container_cues(format_facts(encoded(PIXELS, "PNG")))
    assert [name for name, value in png.items() if value is None] == [
        "jpeg_quality",
        "quantisation_tables",
        "subsampling",
        "exif_date",
    ]
    assert container_cues(format_facts(encoded(PIXELS, "BMP")))["progressive"] is None


def test_size_is_also_told_by_aspect_and_bytes_by_pixels() -> None:
    data = encoded(PIXELS)
    found = container_cues(format_facts(data))
    assert found["aspect"] == 64 / 72
    assert found["bytes_per_pixel"] == len(data) / (64 * 72)


@pytest.mark.parametrize(
    ("name", "ending", "prefix", "length", "digits"),
    [
        ("00012.png", ".png", "(none)", 5, 5),
        ("Seed0012_psi07.JPG", ".JPG", "seed", 14, 6),
        ("no ending", "(none)", "no", 9, 0),
        ("čau.jpg", ".jpg", "čau", 3, 0),
    ],
)
def test_file_names(name: str, ending: str, prefix: str, length: float, digits: float) -> None:
    found = name_cues(Path("fake") / name, None)
    assert (found["name_extension"], found["name_prefix"]) == (ending, prefix)
    assert (found["name_length"], found["name_digits"], found["modified"]) == (length, digits, None)


def test_the_folder_says_nothing() -> None:
    assert name_cues(Path("real/1.jpg"), 5.0) == name_cues(Path("fake/1.jpg"), 5.0)


@pytest.mark.parametrize(
    ("date", "known"), [("2020:05:17 12:00:00", True), ("0000:00:00 00:00:00", False), ("unreadable", False)]
)
def test_dates_become_days(date: str, known: bool) -> None:
    from PIL import ExifTags, Image

    block = Image.Exif()
    block[ExifTags.Base.DateTime] = date
    found = container_cues(format_facts(encoded(PIXELS, exif=block)))["exif_date"]
    assert found == (737562.5 if known else None)
