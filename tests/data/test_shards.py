import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from small_pictures import encoded, picture

from telltale.data.samples import scan
from telltale.data.vocabulary import vocabulary
from telltale.errors import InvalidDataset


def shard(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, BytesIO(data))
    return path


PICTURE = encoded(picture(1), "PNG")


def test_samples_are_read_where_they_lie(tmp_path: Path) -> None:
    about = {"label": "fake", "source": "sd21", "split": "val", "group": 12}
    other = encoded(picture(2))
    path = shard(
        tmp_path / "data.tar",
        {"a/000.png": PICTURE, "a/000.json": json.dumps(about).encode(), "b/001.JPG": other, "b/001.cls": b"real\n"},
    )
    first, second = scan([path])
    assert (first.is_fake, first.source, first.split, first.group) == (True, "sd21", "validation", "12")
    assert (second.is_fake, second.source, second.split, second.group) == (False, "", "", "")
    assert first.path == path / "a/000.png"
    assert np.array_equal(first.pixels(), picture(1))
    assert (first.data, second.read()) == (None, other)


def test_the_folder_says_the_label_and_the_shard_the_split(tmp_path: Path) -> None:
    shard(tmp_path / "train-0001.tar", {"0_real/1.png": PICTURE})
    shard(tmp_path / "test-0000.tar", {"1_fake/1.png": PICTURE})
    assert [(sample.is_fake, sample.split) for sample in scan([tmp_path])] == [(True, "test"), (False, "train")]


@pytest.mark.parametrize(("value", "is_fake"), [(True, True), (0, False), ("true", True)])
def test_is_fake_takes_truth_values(tmp_path: Path, value: object, is_fake: bool) -> None:
    path = shard(tmp_path / "data.tar", {"1.json": json.dumps({"is_fake": value}).encode(), "1.png": PICTURE})
    assert scan([path])[0].is_fake is is_fake


def test_a_class_number_means_nothing_until_it_is_said_what(tmp_path: Path) -> None:
    path = shard(tmp_path / "data.tar", {"1.png": PICTURE, "1.cls": b"1"})
    with pytest.raises(InvalidDataset, match=r"found 1 for 1\.png"):
        scan([path])
    assert scan([path], labels=vocabulary(fake=["1"], real=["0"]))[0].is_fake is True


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"1.png": PICTURE}, "none for 1.png"),
        ({"1.txt": b"hello"}, "none among 1 files"),
        ({"1.png": PICTURE, "1.json": b"[1]"}, "[1] for 1.png"),
        ({"1.png": PICTURE, "1.json": b"{"}, "something else"),
        ({"real/1.png": PICTURE, "real/1.json": b'{"split": "holdout"}'}, "'holdout' for real/1.png"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, bytes], found: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        scan([shard(tmp_path / "data.tar", files)])
    assert found in str(caught.value)


def test_a_compressed_shard_is_refused(tmp_path: Path) -> None:
    path = shard(tmp_path / "data.tar", {"real/1.png": PICTURE}, "w:gz")
    with pytest.raises(InvalidDataset, match="an uncompressed tar file"):
        scan([path])


def test_what_is_null_is_not_known(tmp_path: Path) -> None:
    """Else every such picture would be of one group called None."""
    about = json.dumps({"label": "real", "source": None, "split": None, "group": None}).encode()
    (sample,) = scan([shard(tmp_path / "data.tar", {"1.png": PICTURE, "1.json": about})])
    assert (sample.is_fake, sample.source, sample.split, sample.group) == (False, "", "", "")


def test_keys_can_be_named_as_columns_are(tmp_path: Path) -> None:
    about = {"truth": "synth", "label": "real", "camera": "c1", "part": "dev", "who": 7, "is_fake": False}
    path = shard(tmp_path / "data.tar", {"1.png": PICTURE, "1.json": json.dumps(about).encode()})
    columns = {"label": "truth", "source": "camera", "split": "part", "group": "who"}
    (sample,) = scan([path], columns=columns, labels=vocabulary(fake=["synth"]))
    assert (sample.is_fake, sample.source, sample.split, sample.group) == (True, "c1", "validation", "7")
    assert scan([tmp_path], columns=columns, labels=vocabulary(fake=["synth"])) == [sample]


def test_a_named_key_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    path = shard(tmp_path / "data.tar", {"real/1.png": PICTURE, "real/1.json": b'{"source": "x"}'})
    with pytest.raises(InvalidDataset, match=r"the key identity in \.json files .* found the keys source"):
        scan([path], columns={"group": "identity"})
