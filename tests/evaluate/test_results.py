"""Result files: what was written comes back, whatever ended the run, and nothing is ever lost or mixed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.errors import InvalidConfig
from telltale.evaluate import results
from telltale.evaluate.results import COLUMNS, ResultFile, Row, read_rows, utf8

KINDS = ("jsonl", "csv", "parquet")


def made(path: str, **changes: Any) -> Row:
    """A row as a scored picture gives it."""
    return {
        "path": path,
        "score": 0.1 + 0.2,
        "probability": 1e-17,
        "verdict": "likely real",
        "patch_logits_shape": [3, 4],
        "strongest_patch": 0.5,
        "strongest_window": [0, 1, 8, 8],
        "width": 640,
        "height": 480,
        "seconds": 0.25,
        "detector": "tiny",
        "weights_sha256": "ab12",
        "telltale_version": "0.1",
        "error": None,
        **changes,
    }


def failed(path: str, error: str = "expected a picture; found none") -> Row:
    about = {"path": path, "detector": "tiny", "weights_sha256": "ab12", "telltale_version": "0.1", "error": error}
    return {name: about.get(name) for name in COLUMNS}


def write(path: Path, rows: list[Row], *, resume: bool = False) -> None:
    with ResultFile(path, resume=resume) as sink:
        for row in rows:
            sink.add(row)


AWKWARD = [
    "a.jpg",
    "1.0",
    "null",
    "true",
    "NaN",
    "[1]",
    '"q"',
    " spaced ",
    "two\nlines",
    "tab\t,;\"'",
    "é/日本.png",
    "1e5",
]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_back_as_they_went_in(kind: str, tmp_path: Path) -> None:
    rows = [made(path) for path in AWKWARD] + [failed("b.jpg", 'x "y", z\nnext')]
    write(tmp_path / f"out.{kind}", rows)
    assert list(read_rows(tmp_path / f"out.{kind}")) == rows
    assert [path.name for path in tmp_path.iterdir()] == [f"out.{kind}"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_holds_failures_or_nothing_keeps_its_columns(kind: str, tmp_path: Path) -> None:
    write(tmp_path / f"failures.{kind}", [failed("a"), failed("b")])
    assert list(read_rows(tmp_path / f"failures.{kind}")) == [failed("a"), failed("b")]
    write(tmp_path / f"nothing.{kind}", [])
    assert list(read_rows(tmp_path / f"nothing.{kind}")) == []
    write(tmp_path / f"failures.{kind}", [made("a")], resume=True)
    assert list(read_rows(tmp_path / f"failures.{kind}")) == [made("a")]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.builds(
            made,
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
            score=st.floats(0, 1),
            probability=st.none() | st.floats(0, 1),
            width=st.integers(1, 2**40),
        ),
        max_size=5,
    )
)
def test_every_text_and_number_survives_every_kind(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        write(folder / f"out.{kind}", rows)
        assert list(read_rows(folder / f"out.{kind}")) == rows


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = os.fsdecode(b"caf\xe9.jpg")
    for kind in ("jsonl", "csv"):
        write(tmp_path / f"out.{kind}", [made(path)])
        assert [row["path"] for row in read_rows(tmp_path / f"out.{kind}")] == [path]
    # Parquet holds UTF-8 only: there the byte is spelled out, and `utf8` gives the same spelling to compare with.
    write(tmp_path / "out.parquet", [made(path)])
    assert [row["path"] for row in read_rows(tmp_path / "out.parquet")] == [utf8(path)] == ["caf\\udce9.jpg"]
    assert utf8(utf8(path)) == utf8(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, RuntimeError, GeneratorExit, SystemExit])
def test_whatever_ends_the_run_leaves_a_whole_file(
    kind: str, error: type[BaseException] | None, tmp_path: Path
) -> None:
    target = tmp_path / f"out.{kind}"

    def run() -> None:
        with ResultFile(target) as sink:
            sink.add(made("a"))
            sink.add(made("b"))
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(error):
            run()
    assert [row["path"] for row in read_rows(target)] == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def journal(folder: Path, kind: str, *lines: str) -> Path:
    """What a killed run leaves."""
    (folder / f"out.{kind}.partial").write_text("".join(lines))
    return folder / f"out.{kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    half = json.dumps(made("c"))[:60]
    target = journal(tmp_path, kind, json.dumps(made("a")) + "\n", json.dumps(failed("b")) + "\n", half)
    sink = ResultFile(target, resume=True)
    assert [row["path"] for row in sink.kept()] == ["a"]
    with sink:
        sink.add(made("b"))
        sink.add(made("c"))
    assert list(read_rows(target)) == [made("a"), made("b"), made("c")]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_each_row_is_on_its_way_to_the_disk_at_once(tmp_path: Path) -> None:
    with ResultFile(tmp_path / "out.csv") as sink:
        sink.add(made("a"))
        assert json.loads((tmp_path / "out.csv.partial").read_text()) == made("a")
        assert not (tmp_path / "out.csv").exists()


def test_a_second_kill_loses_nothing_of_the_first_run(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    write(target, [made("a"), made("b")])
    sink = ResultFile(target, resume=True)
    sink.__enter__()
    sink.add(made("c"))
    # The process dies here: the journal of the resumed run holds the earlier rows as well.
    assert [row["path"] for row in ResultFile(target, resume=True).kept()] == ["a", "b", "c"]
    sink.__exit__(None, None, None)
    assert [row["path"] for row in read_rows(target)] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", KINDS)
def test_earlier_results_are_never_overwritten_unasked(kind: str, tmp_path: Path) -> None:
    target = tmp_path / f"out.{kind}"
    write(target, [made("a")])
    before = target.read_bytes()
    with pytest.raises(InvalidConfig, match="--resume"):
        ResultFile(target)
    assert target.read_bytes() == before
    lost = journal(tmp_path / "..", kind, json.dumps(made("a")) + "\n")
    with pytest.raises(InvalidConfig, match=rf"results there already \(out\.{kind}\.partial\)"):
        ResultFile(lost)
    lost.with_name(lost.name + ".partial").unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_failures_are_tried_again_and_scores_kept(kind: str, tmp_path: Path) -> None:
    target = tmp_path / f"out.{kind}"
    write(target, [made("a"), failed("b"), made("c")])
    assert [row["path"] for row in ResultFile(target, resume=True).kept()] == ["a", "c"]
    write(target, [failed("b", "still broken")], resume=True)
    assert list(read_rows(target)) == [made("a"), made("c"), failed("b", "still broken")]


def test_resuming_what_does_not_exist_starts_anew(tmp_path: Path) -> None:
    sink = ResultFile(tmp_path / "deep" / "er" / "out.jsonl", resume=True)
    assert list(sink.kept()) == []
    assert (tmp_path / "deep" / "er").is_dir()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", "path,label\na.jpg,1\n"),
        ("csv", "path,score\na.jpg\n"),
        ("csv", "score\nhigh\n"),
        ("csv", 'score\n"0.5\n'),
        ("jsonl", '{"path": "a"}\n'),
        ("jsonl", "[1, 2]\n"),
        ("jsonl", "not json\n"),
        ("jsonl", '{"path": "a"\n'),
        ("jsonl", "\0\0\0\0\n"),
        ("parquet", "not parquet"),
        ("parquet", ""),
    ],
)
def test_somebody_elses_file_is_refused_and_left_as_it_is(kind: str, text: str, tmp_path: Path) -> None:
    target = tmp_path / f"out.{kind}"
    target.write_text(text)
    with pytest.raises(InvalidConfig, match=rf"a file of results: .*out\.{kind}.*Name another file"):
        list(ResultFile(target, resume=True).kept())
    assert target.read_text() == text


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    target = journal(tmp_path, "parquet", "{broken}\n", json.dumps(made("a")) + "\n")
    with pytest.raises(InvalidConfig, match=r"out\.parquet\.partial"):
        list(ResultFile(target, resume=True).kept())


@pytest.mark.parametrize("name", ["out", "out.xlsx", "out.csv.gz", "csv"])
def test_other_endings_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"\.jsonl, \.csv, \.parquet"):
        ResultFile(tmp_path / name)
    with pytest.raises(InvalidConfig):
        list(read_rows(tmp_path / name))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"nowhere\.csv"):
        list(read_rows(tmp_path / "nowhere.csv"))


@pytest.mark.parametrize("kind", KINDS)
def test_other_columns_keep_their_types(kind: str, tmp_path: Path) -> None:
    columns = {"path": "string", "is_fake": "bool_", "score": "float64", "error": "string"}
    rows: list[Row] = [
        {"path": "1.0", "is_fake": True, "score": 0.5, "error": None},
        {"path": "null", "is_fake": False, "score": None, "error": "broken"},
    ]
    target = tmp_path / f"out.{kind}"
    with ResultFile(target, columns=columns) as sink:
        sink.add(rows[0])
        sink.add(rows[1])
        with pytest.raises(ValueError, match="columns"):
            sink.add(made("a"))
    assert list(read_rows(target, columns=columns)) == rows
    assert list(ResultFile(target, resume=True, columns=columns).kept()) == rows[:1]
    with pytest.raises(InvalidConfig, match="instead of"):
        list(ResultFile(target, resume=True).kept())
    results.write_rows(target, rows[1:], columns=columns)
    assert list(read_rows(target, columns=columns)) == rows[1:]


def test_upper_case_endings_are_known(tmp_path: Path) -> None:
    write(tmp_path / "OUT.CSV", [made("a")])
    assert list(read_rows(tmp_path / "OUT.CSV")) == [made("a")]


def test_a_row_of_other_columns_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with ResultFile(tmp_path / "out.csv") as sink:
        with pytest.raises(ValueError, match="columns"):
            sink.add({"path": "a", "surprise": 1})
        sink.add(made("b"))
    assert list(read_rows(tmp_path / "out.csv")) == [made("b")]


def test_a_file_that_cannot_be_finished_leaves_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, rows: object, columns: object) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.csv"
    monkeypatch.setitem(results._WRITERS, "csv", full)
    with pytest.raises(OSError, match="No space left"):
        write(target, [made("a")])
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv.partial"]
    monkeypatch.undo()
    write(target, [made("b")], resume=True)
    assert list(read_rows(target)) == [made("a"), made("b")]


def test_parquet_has_one_schema_across_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(results, "_GROUP", 2)
    rows = [failed("a"), failed("b"), made("c"), failed("d"), made("e")]
    write(tmp_path / "out.parquet", rows)
    found = parquet.ParquetFile(tmp_path / "out.parquet")
    assert found.num_row_groups == 3
    assert found.schema_arrow.names == list(COLUMNS)
    assert list(read_rows(tmp_path / "out.parquet")) == rows
