from pathlib import Path

import pytest
from small_pictures import write

from telltale.data.layouts import of_one_label
from telltale.data.samples import scan
from telltale.data.vocabulary import vocabulary
from telltale.errors import InvalidDataset

Found = set[tuple[str, bool | None, str, str]]


def found(root: Path, **words: list[str]) -> Found:
    samples = scan([root], labels=vocabulary(**words))
    return {(str(s.path.relative_to(root)), s.is_fake, s.source, s.split) for s in samples}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("real/fake", {("real/1.jpg", False, "", ""), ("fake/1.jpg", True, "", "")}),
        ("0_real/1_fake", {("0_real/1.jpg", False, "", ""), ("1_fake/1.jpg", True, "", "")}),
        ("Nature/AI", {("Nature/1.jpg", False, "", ""), ("AI/1.jpg", True, "", "")}),
        (
            "train/REAL val/Fake",
            {("train/REAL/1.jpg", False, "", "train"), ("val/Fake/1.jpg", True, "", "validation")},
        ),
        (
            "real/test real/validation",
            {("real/test/1.jpg", False, "", "test"), ("real/validation/1.jpg", False, "", "validation")},
        ),
        (
            "progan/car/0_real progan/car/1_fake",
            {("progan/car/0_real/1.jpg", False, "progan/car", ""), ("progan/car/1_fake/1.jpg", True, "progan/car", "")},
        ),
        (
            "fake/stylegan2/train real/ffhq/train",
            {
                ("fake/stylegan2/train/1.jpg", True, "stylegan2", "train"),
                ("real/ffhq/train/1.jpg", False, "ffhq", "train"),
            },
        ),
    ],
)
def test_folder_names_say_label_source_and_split(tmp_path: Path, layout: str, expected: Found) -> None:
    folders = layout.split() if " " in layout else layout.split("/")
    for number, folder in enumerate(folders):
        write(tmp_path / folder / "1.jpg", number)
    assert found(tmp_path) == expected


def test_the_name_of_the_folder_itself_counts_where_no_name_below_does(tmp_path: Path) -> None:
    write(tmp_path / "fake" / "sd" / "1.jpg", 1)
    assert found(tmp_path / "fake") == {("sd/1.jpg", True, "fake/sd".removeprefix("fake/"), "")}
    write(tmp_path / "test" / "real" / "1.jpg", 2)
    assert found(tmp_path / "test") == {("real/1.jpg", False, "", "test")}


def test_further_words_can_be_given(tmp_path: Path) -> None:
    write(tmp_path / "Human" / "1.jpg", 1)
    write(tmp_path / "bot" / "1.jpg", 2)
    assert found(tmp_path, real=["human"], fake=["BOT"]) == {
        ("Human/1.jpg", False, "", ""),
        ("bot/1.jpg", True, "", ""),
    }


def test_an_unknown_layout_shows_what_is_there_and_what_is_known(tmp_path: Path) -> None:
    write(tmp_path / "real" / "1.jpg", 1)
    for number in range(3):
        write(tmp_path / "masks" / f"{number}.png", number)
    with pytest.raises(InvalidDataset) as caught:
        scan([tmp_path])
    message = str(caught.value)
    assert "4 pictures, 3 of them without one label (3 in" in message
    assert "holds masks, real" in message
    assert "FaceForensics++" in message
    assert "metadata.csv" in message


def test_a_picture_below_both_labels_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "fake" / "real" / "1.jpg", 1)
    with pytest.raises(InvalidDataset, match="without one label"):
        scan([tmp_path])


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with pytest.raises(InvalidDataset, match="0 pictures"):
        scan([tmp_path])


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "real" / "1.JPG", 1)
    (tmp_path / "real" / "notes.txt").write_text("hello")
    (tmp_path / "real" / "._1.jpg").write_bytes(b"")
    assert found(tmp_path) == {("real/1.JPG", False, "", "")}


def test_a_folder_of_one_label_is_named_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "test" / "1.jpg", 1)
    write(tmp_path / "photos" / "2.jpg", 2)
    samples = of_one_label(tmp_path / "photos", is_fake=False)
    assert [(s.path.name, s.is_fake, s.source, s.split) for s in samples] == [
        ("2.jpg", False, "photos", ""),
        ("1.jpg", False, "photos", "test"),
    ]
    with pytest.raises(InvalidDataset, match="a folder of pictures"):
        of_one_label(tmp_path / "nothing", is_fake=True)
