from pathlib import Path

import pytest
from small_pictures import encoded, picture, real_and_fake, write

from telltale.data.sample import Member
from telltale.data.samples import Sample, scan
from telltale.errors import InvalidDataset, UndecodableImage


def test_a_source_that_is_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=r"nothing there: .*/missing"):
        scan([tmp_path / "missing"])
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(InvalidDataset, match=r"another kind of file: .*/notes\.txt"):
        scan([other])


def test_several_sources_follow_one_another_and_a_split_can_be_chosen(tmp_path: Path) -> None:
    write(tmp_path / "a" / "train" / "real" / "1.jpg", 1)
    write(tmp_path / "a" / "test" / "fake" / "1.jpg", 2)
    write(tmp_path / "b" / "test" / "REAL" / "1.jpg", 3)
    found = scan([tmp_path / "b", tmp_path / "a"], split="test")
    assert [(sample.path.relative_to(tmp_path).parts[0], sample.is_fake) for sample in found] == [
        ("b", False),
        ("a", True),
    ]
    with pytest.raises(InvalidDataset, match="none of the split 'validation' among 3"):
        scan([tmp_path / "a", tmp_path / "b"], split="validation")


def test_a_folder_with_a_manifest_is_read_through_it(tmp_path: Path) -> None:
    real_and_fake(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label,source\nreal/0.jpg,real,camera\n")
    assert scan([tmp_path]) == [Sample(path=tmp_path / "real/0.jpg", is_fake=False, source="camera")]


def test_bytes_come_from_memory_archive_or_file(tmp_path: Path) -> None:
    data = encoded(picture(1))
    archive = tmp_path / "archive"
    archive.write_bytes(b"before" + data + b"after")
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    inside = Member(archive=archive, start=6, length=len(data))
    for sample in (
        Sample(path=path),
        Sample(path=Path("-"), data=data),
        Sample(path=archive / "picture.jpg", member=inside),
    ):
        assert sample.read() == data
        assert sample.pixels().shape == (72, 64, 3)
    with pytest.raises(UndecodableImage, match="No such file"):
        Sample(path=tmp_path / "gone.jpg").read()
    with pytest.raises(UndecodableImage, match="cannot be read"):
        Sample(path=Path("a\0b")).read()


def test_names_of_columns_where_there_are_none_are_an_error(tmp_path: Path) -> None:
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(encoded(picture(1), "PNG"))
    with pytest.raises(InvalidDataset, match="a manifest or shards with the column identity"):
        scan([tmp_path], columns={"group": "identity"})
