"""Rows of several files are one row a picture and detector; the chosen ones are the ends of every group."""

from dataclasses import replace
from pathlib import Path

from telltale.explain.report_rows import VerdictRow, informative, joined, shared_folder, shown

ROW = VerdictRow(path="a", detector="d", weights="1", score=0.5, file=Path("f"))


def test_a_prediction_and_an_evaluation_of_one_picture_are_one_row() -> None:
    scored = replace(ROW, label="fake", source="gan", image_sha256="0")
    predicted = replace(ROW, window=(1, 2, 3, 4), strongest=0.9, shape=(5, 6))
    other = replace(ROW, weights="2", score=0.1)
    rows, repeated = joined([predicted, other, scored])
    assert repeated == 1
    assert [(row.weights, row.label, row.source) for row in rows] == [("1", "fake", "gan"), ("2", "fake", "gan")]
    assert (rows[0].window, rows[0].image_sha256, rows[0].shape) == ((1, 2, 3, 4), "0", (5, 6))


def test_what_a_row_says_itself_stands() -> None:
    other = replace(ROW, path="b")
    rows, _ = joined([replace(ROW, label="fake", source="gan"), replace(ROW, weights="2", label="real"), other])
    assert [(row.label, row.source) for row in rows] == [("fake", "gan"), ("real", ""), ("", "")]


def test_a_score_stands_before_a_failure() -> None:
    failed = replace(ROW, score=None, error="expected x")
    for rows in ([ROW, failed], [failed, ROW]):
        assert joined(rows)[0] == [ROW]


def test_ends_of_every_group_come_in_turn() -> None:
    values = {"gan": (0.1, 0.55, 0.9, 0.7), "camera": (0.2, 0.3)}
    rows = [
        replace(ROW, path=f"{source}{n}", source=source, probability=value)
        for source, found in values.items()
        for n, value in enumerate(found)
    ]
    rows.append(replace(ROW, path="failed", source="gan", score=None))
    order = [(rows[place].path, why) for place, why in informative(rows)]
    assert order == [
        ("camera1", "highest"), ("gan2", "highest"), ("camera0", "lowest"), ("gan0", "lowest"),
        ("gan1", "nearest to 0.5"), ("gan3", "highest"),
    ]  # fmt: skip


def test_only_a_contradiction_is_wrong() -> None:
    said = {
        (label, verdict): replace(ROW, label=label, verdict=verdict).is_wrong
        for label in ("real", "fake", "")
        for verdict in ("likely real", "likely generated", "inconclusive")
    }
    assert {key for key, wrong in said.items() if wrong} == {("real", "likely generated"), ("fake", "likely real")}


def test_paths_are_shown_without_what_all_share() -> None:
    assert shared_folder(["/a/b/c.png", "/a/b/d.png", "/a/bc/d.png"]) == "/a/"
    assert shared_folder(["/a/b"]) == "/a/"
    assert shared_folder(["a", "b"]) == shared_folder([]) == ""
    assert shown(replace(ROW, path="/a/x\n\u202e\udcff"), "/a/") == "x\\n\\u202e\\udcff"


def test_extremes_come_first_and_bring_labels() -> None:
    rows = [replace(ROW, path=name, score=n / 10) for n, name in enumerate("abcd")]
    chosen = [
        {"path": path, "source": "gan", "label": "fake", "end": end, "rank": rank}
        for path, end, rank in (("c", "hardest", 2), ("b", "easiest", "1"), ("d", "failed", ""), ("gone", "hardest", 1))
    ]
    found, _ = joined(rows, chosen)
    assert [(row.label, row.source) for row in found] == [("", ""), *[("fake", "gan")] * 3]
    order = [(rows[place].path, why) for place, why in informative(rows, chosen)]
    assert order == [("b", "easiest 1"), ("c", "hardest 2"), ("d", "highest"), ("a", "lowest")]
