"""What a run folder holds is told by names and columns, and what cannot be read is said."""

import json
import os
from pathlib import Path

import pytest
from report_folders import everything, failure, prediction, predictions, table

from telltale.errors import InvalidConfig
from telltale.explain.report_files import PARTS, find


def test_every_kind_is_found(tmp_path: Path) -> None:
    found = find(everything(tmp_path))
    assert {part for _, part in found.used} == set(PARTS) - {"patches"}
    assert found.missing() == ["patches"]
    assert not found.unread
    assert not found.others
    assert len(found.rows) == 7
    assert [path.name for path in found.pictures] == ["gan_fake.png"]
    assert found.audits[0].said[0].startswith("file format")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predictions_are_known_by_their_columns(ending: str, tmp_path: Path) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    predictions(tmp_path / f"any name.{ending}", [prediction("a.png", 0.25), failure("b.png", "expected x")])
    first, second = find(tmp_path).rows
    assert (first.path, first.probability, first.window, first.shape) == ("a.png", 0.25, (8, 4, 8, 8), (40, 48))
    assert (second.path, second.score, second.error) == ("b.png", None, "expected x")


def test_a_wrong_table_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    predictions(tmp_path / "p.jsonl", [prediction("a.png")])
    table(tmp_path / "regions.csv", [{"source": "gan", "label": "fake"}])
    (tmp_path / "robustness.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "audit.json").write_text("{")
    (tmp_path / "x.jsonl.partial").write_text("")
    table(tmp_path / "mine.csv", [{"a": 1}])
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "q.jsonl").write_text(json.dumps(prediction("b.png") | {"score": "high"}) + "\n")
    found = find(tmp_path)
    why = {path.name: reason for path, reason in found.unread}
    assert why.keys() == {"regions.csv", "robustness.csv", "audit.json", "x.jsonl.partial", "q.jsonl"}
    assert "high, low, part, random_count, top_count" in why["regions.csv"]
    assert "'high' where a number" in why["q.jsonl"]
    assert "--resume" in why["x.jsonl.partial"]
    assert [path.name for path in found.others] == ["mine.csv", "notes.txt"]
    assert [row.path for row in found.rows] == ["a.png"]


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="no files"):
        find(tmp_path)
    with pytest.raises(InvalidConfig, match="nothing there"):
        find(tmp_path / "nowhere")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidConfig, match=r"1 other files: table\.csv .*no column"):
        find(tmp_path)


def test_hidden_files_and_the_cells_of_a_sweep_are_passed_over(tmp_path: Path) -> None:
    predictions(tmp_path / "p.csv", [prediction("a.png")])
    for name in (".hidden", "scores/model=x"):
        predictions(tmp_path / name / "p.csv", [prediction("b.png")])
    assert [row.path for row in find(tmp_path).rows] == ["a.png"]


def test_an_audits_page_says_the_same_as_its_json(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<!doctype html><title>telltale audit</title><h1 class=suspicious>Suspicious: <i>some</i>thing</h1>"
        "<ol><li>one &amp; <b>two</b></li><li>three</li></ol><h2>Cues</h2><ul><li>no</li></ul>"
    )
    (tmp_path / "b.html").write_text("<title>another page</title><h1>x</h1>")
    found = find(tmp_path)
    assert (found.audits[0].verdict, found.audits[0].said) == ("suspicious", ("one & ", "three"))
    assert [path.name for path in found.others] == ["b.html"]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    predictions(tmp_path / "p.csv", [prediction("a.png")])
    os.mkfifo(tmp_path / "q.csv")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    found = find(tmp_path)
    assert [path.name for path, _ in found.used] == ["p.csv"]
    assert found.weights() == {"ab" * 32}


@pytest.mark.parametrize(
    "harm",
    [
        {"path": {"a": 1}, "verdict": ["x"], "strongest_window": [1, 2]},
        {"strongest_window": "no"},
        {"probability": [0.5]},
        {"width": "wide"},
        {"strongest_window": {"x": 1}},
    ],
    ids=str,
)
def test_rows_of_another_kind_are_refused_not_shown(harm: dict[str, object], tmp_path: Path) -> None:
    predictions(tmp_path / "p.csv", [prediction("a.png")])
    (tmp_path / "q.jsonl").write_text(json.dumps(prediction("b.png") | harm) + "\n")
    found = find(tmp_path)
    assert [path.name for path, _ in found.unread] == ["q.jsonl"]
    assert [row.path for row in found.rows] == ["a.png"]
