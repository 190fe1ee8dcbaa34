"""Which pictures the words mean: every kind of word, names that are hard to write down, and lists that are broken."""

import csv
import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from PIL import Image

from telltale.cli.sources import Once, find
from telltale.data.sample import Sample
from telltale.errors import InvalidConfig

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")
NAMES = ["plain.png", " spaced  name .png", "two\nlines.png", "quote'\".png", "é 日本.JPG", NOT_UTF8, "-dash.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures with awkward names, one of them deeper down, and files that are no pictures."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / name).touch()
    (tmp_path / "deep" / "er" / "last.webp").touch()
    (tmp_path / "notes.md").touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def paths(*words: object) -> list[Path]:
    return [sample.path for sample in find([str(word) for word in words])]


def feed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(data)))


def test_a_folder_gives_its_pictures_to_any_depth_in_order(folder: Path) -> None:
    expected = sorted([folder / name for name in NAMES] + [folder / "deep" / "er" / "last.webp"])
    assert paths(folder) == expected


def test_a_named_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert paths(folder / "notes.md") == [folder / "notes.md"]
    for name in NAMES:
        assert paths(folder / name) == [folder / name]


def test_a_file_that_is_not_there_is_a_picture_that_fails(folder: Path) -> None:
    assert paths(folder / "missing.png", folder / "missing.csv") == [folder / "missing.png", folder / "missing.csv"]


def test_a_name_too_long_for_any_file_is_a_picture_that_fails() -> None:
    assert paths("x" * 5000) == [Path("x" * 5000)]


def test_globs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths(folder / "p*.png") == [folder / "plain.png"]
    assert paths(folder / "**" / "*.webp") == [folder / "deep" / "er" / "last.webp"]
    assert folder / "folder.png" not in paths(folder / "*.png")
    monkeypatch.chdir(folder)
    assert paths("*plain*") == [Path("plain.png")]


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").touch()
    (tmp_path / "a1.png").touch()
    assert paths(tmp_path / "a[1].png") == [tmp_path / "a[1].png"]


def test_words_are_taken_one_after_the_other(folder: Path) -> None:
    found = paths(folder / "plain.png", folder / "deep", folder / "plain.png")
    assert found == [folder / "plain.png", folder / "deep" / "er" / "last.webp", folder / "plain.png"]


def test_a_wrong_word_is_found_before_anything_is_handed_on(folder: Path) -> None:
    (folder / "wrong.csv").write_text("file,label\na.png,1\n")
    for word, found in (
        (folder / "*.nothing", r"pattern that matches.*\*\.nothing"),
        (folder / "wrong.csv", r"column named 'path'; found file, label in .*wrong\.csv"),
        ("", "an empty word"),
    ):
        with pytest.raises(InvalidConfig, match=found):
            find([str(folder / "plain.png"), str(word)])


# ---------------------------------------------------------------- lists


def listed(folder: Path, kind: str) -> Path:
    """A list of all the names, relative to its own folder, and of one absolute path."""
    names = [name for name in NAMES if kind != "txt" or "\n" not in name]
    names = [name for name in names if kind != "parquet" or name != NOT_UTF8]
    names.append(str(folder / "deep" / "er" / "last.webp"))
    target = folder / f"list.{kind}"
    if kind == "txt":
        target.write_bytes(b"\n\n".join(os.fsencode(name) for name in names))
    elif kind == "csv":
        with target.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            writer = csv.writer(stream)
            writer.writerows([("label", "path"), *((1, name) for name in names)])
    else:
        arrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(arrow.table({"path": names}), target)
    return target


@pytest.mark.parametrize("kind", ["txt", "csv", "parquet"])
def test_lists_hold_paths_relative_to_themselves(kind: str, folder: Path) -> None:
    expected = [folder / name for name in NAMES]
    if kind == "txt":
        expected.remove(folder / "two\nlines.png")
    if kind == "parquet":
        expected.remove(folder / NOT_UTF8)
    assert paths(listed(folder, kind)) == [*expected, folder / "deep" / "er" / "last.webp"]


def test_lists_as_other_systems_write_them(folder: Path) -> None:
    (folder / "dos.TXT").write_bytes(b"\xef\xbb\xbfplain.png\r\n\r\n spaced  name .png\r\n")
    assert paths(folder / "dos.TXT") == [folder / "plain.png", folder / " spaced  name .png"]
    (folder / "excel.csv").write_bytes(b'\xef\xbb\xbfpath,label\r\nplain.png,1\r\n"two\nlines.png",0\r\n')
    assert paths(folder / "excel.csv") == [folder / "plain.png", folder / "two\nlines.png"]


def test_a_name_with_an_odd_line_separator_stays_one_name(folder: Path) -> None:
    (folder / "list.txt").write_text("a\u2028b\x0cc\x85.png\nplain.png\n", encoding="utf-8")
    assert paths(folder / "list.txt") == [folder / "a\u2028b\x0cc\x85.png", folder / "plain.png"]


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("list.txt", "plain.png\n".encode("utf-16"), "UTF-8"),
        ("list.csv", b"", "no columns"),
        ("list.csv", b"label\n1\n", "column named 'path'"),
        ("list.csv", b"label,path\n1\n", "line 2 without a path"),
        ("list.csv", b"path,label\n,1\n", "line 2 without a path"),
        ("list.csv", b"path\n" + b"x" * 200_000, "field larger"),
        ("list.parquet", b"not parquet", "list of paths"),
        ("list.parquet", b"", "list of paths"),
    ],
)
def test_broken_lists_are_named(name: str, data: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidConfig, match=found) as caught:
        paths(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("values", [[1, 2], ["plain.png", None], [b"plain.png"]])
def test_parquet_lists_hold_text(values: list[object], tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table({"path": values}), tmp_path / "list.parquet")
    with pytest.raises(InvalidConfig, match="without a path"):
        paths(tmp_path / "list.parquet")


def test_an_empty_list_holds_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n \n")
    (tmp_path / "list.csv").write_text("path\n")
    assert paths(tmp_path / "list.txt", tmp_path / "list.csv") == []


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_long_lists_are_read_as_they_are_needed(kind: str, tmp_path: Path) -> None:
    target = tmp_path / f"list.{kind}"
    target.write_text("path\n" + "".join(f"{index:06}.png\n" for index in range(10_000)))
    samples = find([str(target)])
    taken = [next(samples).path.name for _ in range(5)]
    assert "000003.png" in taken
    # What has not been read yet is gone now.
    os.truncate(target, 0)
    assert len(list(samples)) < 5000


# ---------------------------------------------------------------- standard input


def test_paths_on_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["plain.png", " spaced  name .png", "é 日本.JPG", NOT_UTF8, "BMW.png", "RIFF/a.png", "GIF89a.gif"]
    feed(b"\r\n".join(os.fsencode(line) for line in lines) + b"\n\n", monkeypatch)
    assert paths("-") == [Path(line) for line in lines]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM"])
def test_a_picture_on_standard_input(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = BytesIO()
    Image.new("RGB", (40, 30), "white").save(stream, format=kind)
    feed(stream.getvalue(), monkeypatch)
    (sample,) = find(["-"])
    assert sample.path == Path("-")
    assert sample.data == stream.getvalue()
    assert sample.pixels().shape == (30, 40, 3)


def test_nothing_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(b"", monkeypatch)
    assert paths("-") == []


def test_files_that_cannot_come_again_are_not_held() -> None:
    """Of one folder with millions of files nothing is kept in memory."""
    once = Once(set(), remembers=False)
    assert len(list(once.of(Sample(path=Path(f"{number}.png")) for number in range(100)))) == 100
    assert not once._seen
    once = Once({"0.png"}, remembers=False)
    given = [Sample(path=Path(name)) for name in ("0.png", Path("0.png").absolute(), "1.png")]
    assert [one.path.name for one in once.of(iter(given))] == ["1.png"]


def test_spellings_are_those_of_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it has changed since; and .. behind a link is the link's own target's."""
    (folder / "below").mkdir()
    for place in (folder / "below", folder):
        monkeypatch.chdir(place)
        once = Once(set())
        given = [Sample(path=Path("plain.png")), Sample(path=place / "plain.png")]
        assert [one.path for one in once.of(iter(given))] == [Path("plain.png")]
        assert once.again == 1
    (folder / "link").symlink_to(folder / "below", target_is_directory=True)
    given = [Sample(path=folder / "plain.png"), Sample(path=Path("link/../plain.png"))]
    assert len(list(Once(set()).of(iter(given)))) == 1
