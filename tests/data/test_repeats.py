from pathlib import Path

from small_pictures import encoded, picture

from telltale.data.cue_table import read_records
from telltale.data.repeats import Repeats, find_repeats
from telltale.data.sample import Sample


def repeats(tmp_path: Path, *files: tuple[bytes, Sample]) -> Repeats:
    samples = []
    for data, sample in files:
        path = tmp_path / sample.path
        path.write_bytes(data)
        samples.append(
            Sample(path=path, is_fake=sample.is_fake, source=sample.source, split=sample.split, group=sample.group)
        )
    return find_repeats(samples, read_records(samples))


def one(name: str, is_fake: bool, split: str = "", group: str = "") -> Sample:
    return Sample(path=Path(name), is_fake=is_fake, split=split, group=group)


PNG = encoded(picture(1), "PNG")
LOSSLESS = encoded(picture(1), "WEBP", lossless=True)
JPEG = encoded(picture(1), quality=90)
OTHER = encoded(picture(2), "PNG")


def test_equal_pixels_under_both_labels_and_in_two_splits(tmp_path: Path) -> None:
    found = repeats(
        tmp_path,
        (PNG, one("a.png", False, "train")),
        (LOSSLESS, one("b.webp", True, "test")),
        (OTHER, one("c.png", True, "test")),
    )
    paths = (str(tmp_path / "a.png"), str(tmp_path / "b.webp"))
    assert found.same_across_labels == found.same_across_splits == (paths,)
    assert (found.same, found.alike_across_labels, found.alike_across_splits) == (1, (), ())


def test_copies_on_one_side_cross_nothing(tmp_path: Path) -> None:
    found = repeats(tmp_path, (PNG, one("a.png", False, "train")), (PNG, one("b.png", False, "train")))
    assert found.same == 1
    assert found.same_across_labels == found.same_across_splits == ()


def test_a_sample_without_a_split_is_on_no_side(tmp_path: Path) -> None:
    found = repeats(tmp_path, (PNG, one("a.png", False, "train")), (PNG, one("b.png", False)))
    assert found.same_across_splits == ()


def test_pictures_that_look_alike_are_told_from_equal_ones(tmp_path: Path) -> None:
    found = repeats(tmp_path, (PNG, one("a.png", False, "train")), (JPEG, one("b.jpg", True, "test")))
    assert (found.same, found.same_across_labels) == (0, ())
    assert len(found.alike_across_labels) == len(found.alike_across_splits) == 1


def test_twins_of_one_group_are_meant_to_look_alike(tmp_path: Path) -> None:
    found = repeats(tmp_path, (PNG, one("a.png", False, "train", "g")), (JPEG, one("b.jpg", True, "test", "g")))
    assert found.alike_across_labels == ()
    assert len(found.alike_across_splits) == 1
