import warnings
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


def lists(tree: Path, **pairs: str) -> None:
    """All three of the released lists; empty where nothing is said."""
    (tree / "splits").mkdir(exist_ok=True)
    for name in ("train", "val", "test"):
        (tree / "splits" / f"{name}.json").write_text(pairs.get(name, "[]"))


def add(tree: Path, compression: str) -> None:
    """The same films once more."""
    for number, name in enumerate(("original_sequences/youtube", "manipulated_sequences/Deepfakes")):
        film = "000" if number == 0 else "000_003"
        write(tree / name / compression / "images" / film / "0001.png", 20 + number)


def test_methods_are_sources_and_people_who_share_a_video_one_group(tree: Path) -> None:
    found = {sample.path.parent.name: sample for sample in scan([tree])}
    assert {name: (s.is_fake, s.source, s.group) for name, s in found.items()} == {
        "000": (False, "youtube/c23", "000"),
        "003": (False, "youtube/c23", "000"),
        "005": (False, "youtube/c23", "005"),
        "01__walking": (False, "actors/c23", "01"),
        "000_003": (True, "Deepfakes/c23", "000"),
        "01_02__walking__ABC": (True, "DeepFakeDetection/c23", "01"),
    }


def test_two_compressions_of_one_film_are_mixed_only_where_somebody_says_so(tree: Path) -> None:
    add(tree, "c40")
    with pytest.raises(InvalidDataset) as caught:
        scan([tree])
    said = str(caught.value)
    assert said.startswith("expected frames of one compression in")
    assert "found c23 (6 films) and c40 (2 films)" in said
    assert f"Name the folders of the one you mean, such as {tree}/*_sequences/*/c40" in said
    with pytest.raises(InvalidDataset, match="one compression"):
        scan([tree / "manipulated_sequences" / "Deepfakes"])
    # What the shell makes of the pattern that the message names.
    one, other = (sorted(tree.glob(f"*_sequences/*/{name}")) for name in ("c23", "c40"))
    assert {sample.source for sample in scan(one)} == {
        "youtube/c23", "actors/c23", "Deepfakes/c23", "DeepFakeDetection/c23",
    }  # fmt: skip
    assert {sample.source for sample in scan(other)} == {"youtube/c40", "Deepfakes/c40"}
    assert len(scan([*one, *other])) == 8


def test_a_folder_of_the_tree_says_what_the_whole_tree_says(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its films belong to the same groups and splits; else a pair would be torn where its two halves are named."""
    lists(tree, test='[["000", "003"], ["005", "01"]]')
    whole = {sample.path: sample for sample in scan([tree])}
    parts = scan(sorted(tree.glob("*_sequences/*/c23")))
    assert {sample.path: sample for sample in parts} == whole
    assert {sample.group for sample in parts if sample.path.parent.name in ("000", "003", "000_003")} == {"000"}
    film = scan([tree / "original_sequences/youtube/c23/images/003"])
    assert [(one.is_fake, one.source, one.group, one.split) for one in film] == [(False, "youtube/c23", "000", "test")]
    monkeypatch.chdir(tree / "original_sequences" / "youtube")
    assert {(one.source, one.split) for one in scan([Path("c23")])} == {("youtube/c23", "test")}


def test_pictures_of_masks_are_no_frames(tree: Path) -> None:
    """Extracted beside the frames, with the same names, they would all be fakes."""
    frames = len(scan([tree]))
    for number, folder in enumerate(("masks/images", "masks/c23/images", "c23/masks")):
        write(tree / "manipulated_sequences" / "Deepfakes" / folder / "000_003" / "0001.png", 30 + number)
    write(tree / "original_sequences" / "youtube" / "masks" / "000" / "0001.png", 40)
    assert len(scan([tree])) == frames


def test_frames_are_read_at_other_depths_too(tmp_path: Path) -> None:
    write(tmp_path / "original_sequences/youtube/frames/000/0001.png", 1)
    write(tmp_path / "manipulated_sequences/Deepfakes/frames/000_003/faces/0001.png", 2)
    assert [(one.source, one.group) for one in scan([tmp_path])] == [("Deepfakes", "000"), ("youtube", "000")]


def test_a_method_without_frames_is_named_where_others_have_some(tree: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan([tree])
    for folder in ("FaceSwap/c23", "FaceSwap/masks", "Deepfakes/c23"):
        (tree / "manipulated_sequences" / folder / "videos").mkdir(parents=True)
    with pytest.warns(UserWarning, match=r"left out, videos without frames: FaceSwap/c23$"):
        assert len(scan([tree])) == 6


def test_frames_in_no_folder_of_a_video_are_an_error(tree: Path) -> None:
    """A method kept flat was missing without a word."""
    write(tree / "manipulated_sequences/FaceSwap/c23/images/000_003_0000.png", 50)
    with pytest.raises(InvalidDataset, match=r"1 elsewhere, such as .*FaceSwap/c23/images/000_003_0000\.png"):
        scan([tree])
    with pytest.raises(InvalidDataset, match=r"1 elsewhere"):
        scan([tree / "manipulated_sequences" / "FaceSwap" / "c23"])


def test_what_no_list_says_is_named(tree: Path) -> None:
    """Else splits of the data set and splits that telltale drew would be mixed."""
    lists(tree, test='[["000", "003"], ["005", "01"]]')
    scan([tree])
    (tree / "splits" / "val.json").unlink()
    with pytest.warns(UserWarning, match=r"without val\.json; videos of no list come without a split"):
        scan([tree])
    lists(tree, test='[["000", "003"]]')
    with pytest.warns(UserWarning, match=r"splits: 3 videos are in none of the lists, such as 005$"):
        scan([tree])


def test_the_released_splits_are_kept(tree: Path) -> None:
    lists(tree, val='[["000", "003"]]', train='[["005", "007"]]')
    with pytest.warns(UserWarning, match=r"2 videos are in none"):
        scan([tree])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = scan([tree])
    found = {sample.path.parent.name: sample.split for sample in samples}
    assert found["000"] == found["003"] == found["000_003"] == "validation"
    assert found["005"] == "train"
    assert found["01__walking"] == ""


def test_a_video_in_two_lists_is_an_error(tree: Path) -> None:
    (tree / "splits").mkdir()
    (tree / "splits" / "train.json").write_text('[["000", "003"]]')
    (tree / "splits" / "test.json").write_text('[["003", "005"]]')
    with pytest.raises(InvalidDataset, match=r"003 for test and, in train\.json, for train"):
        scan([tree])


def test_videos_without_frames_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    video = tmp_path / "original_sequences" / "youtube" / "c23" / "videos" / "000.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"")
    with pytest.raises(InvalidDataset, match=r"1 videos and no frames .*Extract frames"):
        scan([tmp_path])


@pytest.mark.parametrize("text", ['["000", "003"]', '{"000": "003"}', "[[0, 3]]", '[["000", "003", "005"]]', "[[", ""])
def test_a_list_that_is_none_is_named(tree: Path, text: str) -> None:
    """Words where pairs belong would be read letter by letter, and no picture would have a split."""
    (tree / "splits").mkdir()
    (tree / "splits" / "val.json").write_text(text)
    with pytest.raises(InvalidDataset, match=r"list of pairs of videos.*val\.json"):
        scan([tree])
