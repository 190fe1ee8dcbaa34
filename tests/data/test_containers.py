import pytest
from small_pictures import encoded, picture

from telltale.data.containers import container

PIXELS = picture(0)


def test_marks_tell_encoders_and_settings_apart() -> None:
    files = {
        "plain": encoded(PIXELS),
        "optimised": encoded(PIXELS, optimize=True),
        "progressive": encoded(PIXELS, progressive=True),
        "density": encoded(PIXELS, dpi=(300, 300)),
        "profile": encoded(PIXELS, icc_profile=b"x" * 200),
        "comment": encoded(PIXELS, comment=b"made by hand"),
    }
    marks = {name: found.marks for name, data in files.items() if (found := container(data, "JPEG"))}
    assert len(set(marks.values())) == len(files)
    assert marks["plain"] == "APP0:JFIF-1.01-0-1x1 DQT SOF0 DHT:standard SOS"
    assert "SOF2 DHT:optimised" in marks["progressive"]
    assert "JFIF-1.01-1-300x300" in marks["density"]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"optimize": True}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_rows": 1}),
        ("PNG", {}),
        ("WEBP", {"quality": 80}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_marks_and_overhead_do_not_follow_the_content(kind: str, options: dict[str, int]) -> None:
    found = {container(encoded(picture(seed), kind, **options), kind) for seed in range(4)}
    assert len(found) == 1


def test_overhead_counts_what_is_no_picture() -> None:
    plain, tagged = container(encoded(PIXELS), "JPEG"), container(encoded(PIXELS, comment=b"c" * 100), "JPEG")
    assert plain is not None
    assert tagged is not None
    assert tagged.overhead - plain.overhead == 100 + 4
    trailing = container(encoded(PIXELS) + b"behind the end", "JPEG")
    assert trailing is not None
    assert trailing.overhead - plain.overhead == len(b"behind the end")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_cut_short_is_read_as_far_as_it_goes(kind: str) -> None:
    data = encoded(PIXELS, kind)
    for length in (4, 21, 40, len(data) // 2, len(data) - 1):
        found = container(data[:length], kind)
        assert found is not None
        assert 0 <= found.overhead <= length


def test_other_formats_are_not_taken_apart() -> None:
    assert container(encoded(PIXELS, "BMP"), "BMP") is None
