import json
from pathlib import Path
from typing import Any

import pytest
from small_pictures import write

from telltale.data.samples import Sample, scan
from telltale.data.vocabulary import vocabulary
from telltale.errors import InvalidDataset

FACE = "face_x,face_y,face_w,face_h"


def manifest(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_every_column_is_read_and_paths_count_from_the_manifest(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        f"path,label,source,split,group,{FACE}\n"
        "a/1.jpg,Real,camera,TRAIN,ann,1,2.5,30,40\n"
        "/b/2.png,manipulated,editor,val,,,,,\n"
        "3.png,,,,,,,,\n",
    )
    assert scan([path]) == [
        Sample(
            path=tmp_path / "a/1.jpg",
            is_fake=False,
            source="camera",
            split="train",
            group="ann",
            face=(1.0, 2.5, 30.0, 40.0),
        ),
        Sample(path=Path("/b/2.png"), is_fake=True, source="editor", split="validation"),
        Sample(path=tmp_path / "3.png"),
    ]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = manifest(tmp_path, "image,kind,who\n1.jpg,fake,ann\n")
    columns = {"path": "image", "label": "kind", "group": "who"}
    assert scan([path], columns=columns) == [Sample(path=tmp_path / "1.jpg", is_fake=True, group="ann")]


@pytest.mark.parametrize(
    ("text", "columns", "found"),
    [
        ("image,label\n1.jpg,fake\n", {}, "columns image, label"),
        ("path,kind\n1.jpg,fake\n", {}, "columns path, kind"),
        ("path,label\n1.jpg,fake\n", {"split": "part"}, "columns path, label"),
        ("path,label\n1.jpg,fake\n", {"colour": "x"}, "a name for colour"),
        ("path,label\n1.jpg,1\n", {}, "'1' in row 1"),
        ("path,label\n1.jpg,real\n2.jpg,phoney\n", {}, "'phoney' in row 2"),
        ("path,label,split\n1.jpg,real,holdout\n", {}, "'holdout' in row 1"),
        ("path,label\n,real\n", {}, "none in row 1"),
        ("path,label\n1.jpg\n", {}, "more or fewer fields"),
        (f"path,label,{FACE}\n1.jpg,real,1,2,x,4\n", {}, "'x', '4' in row 1"),
        (f"path,label,{FACE}\n1.jpg,real,1,2,0,4\n", {}, "1, 2, 0, 4 in row 1"),
        (f"path,label,{FACE}\n1.jpg,real,1,2,inf,4\n", {}, "inf"),
        ("", {}, "none in"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, columns: dict[str, str], found: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        scan([manifest(tmp_path, text)], columns=columns)
    assert found in str(caught.value)


def test_a_number_is_a_label_only_where_the_column_says_what_it_means(tmp_path: Path) -> None:
    said = manifest(tmp_path, "path,is_fake\n1.jpg,1\n2.jpg,False\n")
    assert [sample.is_fake for sample in scan([said])] == [True, False]
    other = manifest(tmp_path, "path,label\n1.jpg,0\n", "other.csv")
    assert [sample.is_fake for sample in scan([other], labels=vocabulary(fake=["0"], real=["1"]))] == [True]


def test_a_face_box_with_an_empty_field_is_none(tmp_path: Path) -> None:
    path = manifest(tmp_path, f"path,label,{FACE}\n1.jpg,real,1,,3,4\n")
    assert scan([path])[0].face is None


def test_parquet_and_json_lines_hold_typed_values(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows: list[dict[str, Any]] = [
        {"path": "1.jpg", "is_fake": True, "group": 7, "face_x": 1.0, "face_y": 2.0, "face_w": 3.0, "face_h": 4.0},
        {"path": "2.jpg", "is_fake": False, "group": None} | dict.fromkeys(FACE.split(",")),
        {"path": "3.jpg", "is_fake": None, "group": 8} | dict.fromkeys(FACE.split(","), float("nan")),
    ]
    table = tmp_path / "list.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), table)
    lines = manifest(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "list.jsonl")
    expected = [
        Sample(path=tmp_path / "1.jpg", is_fake=True, group="7", face=(1.0, 2.0, 3.0, 4.0)),
        Sample(path=tmp_path / "2.jpg", is_fake=False),
        Sample(path=tmp_path / "3.jpg", group="8"),
    ]
    assert scan([table]) == scan([lines]) == expected


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.parquet"])
def test_a_damaged_table_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b'\xff\xfe\0"\n[1]\n')
    with pytest.raises(InvalidDataset, match=name):
        scan([path])


def test_imagefolder_takes_what_metadata_leaves_out_from_folders(tmp_path: Path) -> None:
    write(tmp_path / "train" / "real" / "1.jpg", 1)
    write(tmp_path / "test" / "1.jpg", 2)
    manifest(tmp_path / "train", "file_name,caption\nreal/1.jpg,hello\n", "metadata.csv")
    manifest(tmp_path / "test", '{"file_name": "1.jpg", "label": "fake"}\n', "metadata.jsonl")
    assert scan([tmp_path]) == [
        Sample(path=tmp_path / "test/1.jpg", is_fake=True, split="test"),
        Sample(path=tmp_path / "train/real/1.jpg", is_fake=False, split="train"),
    ]


def test_imagefolder_without_any_label_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "1.jpg", 1)
    manifest(tmp_path, "file_name,caption\n1.jpg,hello\n", "metadata.csv")
    with pytest.raises(InvalidDataset, match="--label-column"):
        scan([tmp_path])


def test_a_table_called_metadata_for_other_reasons_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "real" / "1.jpg", 1)
    manifest(tmp_path, "licence,author\nCC0,ann\n", "metadata.csv")
    assert [sample.is_fake for sample in scan([tmp_path])] == [False]
