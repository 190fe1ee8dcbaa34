"""Columns of the data's own tables, and what is read from the files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.data.columns import column
from telltale.data.samples import Sample, scan
from telltale.errors import InvalidConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of known size, brightness and quality, and a file that is none."""
    Image.new("RGB", (40, 30), (100, 100, 100)).save(tmp_path / "grey.png")
    Image.new("RGB", (20, 50), (255, 0, 0)).save(tmp_path / "red.jpg", quality=70)
    Image.new("RGB", (64, 64), (0, 0, 0)).save(tmp_path / "black.jpg", quality=95)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def manifest(folder: Path, head: str, *lines: str) -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join((head, *lines)) + "\n")
    return path


def test_a_tables_column_is_numbers_or_words(folder: Path) -> None:
    path = manifest(
        folder,
        "path,label,camera,iso,face_x,face_y,face_w,face_h",
        "grey.png,real,Nikon,100,1,1,12,9",
        "red.jpg,fake,,,,,,",
        "black.jpg,fake,no 5,1e3,,,,",
    )
    samples = scan([path])
    assert column("camera", [path], samples) == ["Nikon", None, "no 5"]
    assert column("iso", [path], samples) == [100.0, None, 1000.0]
    assert column("face_size", [path], samples) == [9.0, None, None]
    assert column("label", [path], samples) == ["real", "fake", "fake"]


def test_what_files_say(folder: Path) -> None:
    samples = [Sample(path=folder / name, source="s") for name in ("grey.png", "red.jpg", "black.jpg", "broken.jpg")]
    for name, expected in {
        "width": [40, 20, 64, None],
        "height": [30, 50, 64, None],
        "size": [30, 20, 64, None],
        "jpeg_quality": ["no JPEG", 70, 95, None],
        "source": ["s"] * 4,
    }.items():
        assert column(name, [], samples, workers=2) == expected, name
    found = column("brightness", [], samples)
    assert found[0] == pytest.approx(100)
    assert found[1] == pytest.approx(0.299 * 254, abs=1)
    assert (found[2], found[3]) == (0, None)


def test_a_column_of_the_data_comes_first(folder: Path) -> None:
    path = manifest(folder, "path,label,width", "grey.png,real,narrow")
    assert column("width", [path], scan([path])) == ["narrow"]


def test_several_sources_and_a_built_index(folder: Path, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    built = tmp_path / "built"
    built.mkdir()
    Image.new("RGB", (8, 8)).save(built / "a.png")
    rows = [{"path": "a.png", "is_fake": True, "quality": 80, "progressive": False, "depth": float(np.nan)}]
    parquet.write_table(arrow.Table.from_pylist(rows), built / "index.parquet")
    path = manifest(folder, "path,label,camera", "grey.png,real,Nikon")
    samples = scan([path, built])
    assert column("quality", [path, built], samples) == [None, 80.0]
    assert column("progressive", [path, built], samples) == [None, "no"]
    assert column("depth", [path, built], samples) == [None, None]


def test_an_unknown_column_names_those_there_are(folder: Path) -> None:
    path = manifest(folder, "path,label,camera", "grey.png,real,Nikon")
    with pytest.raises(InvalidConfig, match=r"camera, label, path.*computed \(width.*brightness.*found 'lens'"):
        column("lens", [path], scan([path]))
    with pytest.raises(InvalidConfig, match="it has none"):
        column("lens", [], [])
