from pathlib import Path

import pytest
from small_pictures import write

from telltale.data.samples import scan
from telltale.errors import InvalidDataset


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number, name in enumerate(
        (
            "original_sequences/youtube/c23/images/000/0001.png",
            "original_sequences/youtube/c23/images/003/0001.png",
            "original_sequences/youtube/c23/images/005/0001.png",
            "original_sequences/actors/c23/images/01__walking/0001.png",
            "manipulated_sequences/Deepfakes/c23/images/000_003/0001.png",
            "manipulated_sequences/DeepFakeDetection/c23/images/01_02__walking__ABC/0001.png",
        )
    ):
        write(tmp_path / name, number)
    write(tmp_path / "thumbnails" / "1.png", 9)
    return tmp_path


def test_methods_are_sources_and_people_who_share_a_video_one_group(tree: Path) -> None:
    found = {sample.path.parent.name: sample for sample in scan([tree])}
    assert {name: (s.is_fake, s.source, s.group) for name, s in found.items()} == {
        "000": (False, "youtube", "000"),
        "003": (False, "youtube", "000"),
        "005": (False, "youtube", "005"),
        "01__walking": (False, "actors", "01"),
        "000_003": (True, "Deepfakes", "000"),
        "01_02__walking__ABC": (True, "DeepFakeDetection", "01"),
    }


def test_the_released_splits_are_kept(tree: Path) -> None:
    (tree / "splits").mkdir()
    (tree / "splits" / "val.json").write_text('[["000", "003"]]')
    (tree / "splits" / "train.json").write_text('[["005", "007"]]')
    found = {sample.path.parent.name: sample.split for sample in scan([tree])}
    assert found["000"] == found["003"] == found["000_003"] == "validation"
    assert found["005"] == "train"
    assert found["01__walking"] == ""


def test_videos_without_frames_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    video = tmp_path / "original_sequences" / "youtube" / "c23" / "videos" / "000.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"")
    with pytest.raises(InvalidDataset, match=r"1 videos and no pictures .*Extract frames"):
        scan([tmp_path])


@pytest.mark.parametrize("text", ['["000", "003"]', '{"000": "003"}', "[[0, 3]]", '[["000", "003", "005"]]', "[[", ""])
def test_a_list_that_is_none_is_named(tree: Path, text: str) -> None:
    """Words where pairs belong would be read letter by letter, and no picture would have a split."""
    (tree / "splits").mkdir()
    (tree / "splits" / "val.json").write_text(text)
    with pytest.raises(InvalidDataset, match=r"list of pairs of videos.*val\.json"):
        scan([tree])
