"""The page holds everything itself, says what is missing, and any text in it is text."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_folders import HARM, SCRIPT, everything, failure, film, prediction, predictions

from telltale.explain import report_table
from telltale.explain.report_files import find, is_report
from telltale.explain.report_page import model_cards, page
from telltale.explain.report_parts import Content, Made
from telltale.explain.report_pictures import gallery
from telltale.explain.report_rows import joined

MADE = Made(command=f"telltale report {HARM}", version="0", commit="1" * 40, time="2026-01-01 00:00 UTC")


def text(run: Path, *, pictures: int = 4, made: Made = MADE) -> str:
    found = find(run)
    rows, repeated = joined(found.rows)
    chosen = gallery(rows, {}, count=pictures, root=Path())
    cards = model_cards((path.name, card) for path, card in found.cards)
    return page(
        Content(run=found, rows=rows, joined=repeated, gallery=chosen, pictures=pictures, cards=cards, made=made)
    )


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data


def read(page_text: str) -> Reader:
    reader = Reader()
    reader.feed(page_text)
    return reader


def island(reader: Reader) -> Any:
    place = next(n for n, (_, values) in enumerate(_scripts(reader)) if values.get("id") == "rows")
    return json.loads(reader.inside["script"][place])


def _scripts(reader: Reader) -> list[tuple[str, dict[str, str | None]]]:
    return [found for found in reader.tags if found[0] == "script"]


def test_any_text_is_text_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    reader = read(text(everything(tmp_path)))
    assert len(_scripts(reader)) == 2
    allowed = ("src", "alt", "loading")
    images = [values for tag, values in reader.tags if tag == "img"]
    assert images
    assert all(set(values) <= set(allowed) and (values["src"] or "").startswith("data:image/") for values in images)
    assert not {"iframe", "object", "link", "form action", "audio", "video"} & {tag for tag, _ in reader.tags}
    assert all(not name.startswith("on") and name != "style" for _, values in reader.tags for name in values)
    # A link to the web is followed by whoever clicks it, never by the page.
    addresses = {value for _, values in reader.tags for name, value in values.items() if "://" in (value or "")}
    assert addresses == {"https://example.org/a", "https://example.org/p.png"}


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(tmp_path: Path) -> None:
    reader = read(text(everything(tmp_path)))
    policy = next(values["content"] for tag, values in reader.tags if tag == "meta" and "http-equiv" in values) or ""
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        said = base64.b64encode(hashlib.sha256(reader.inside[kind][-1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{said}'" in policy


def test_rows_are_data_and_keep_their_letters(tmp_path: Path) -> None:
    rows = island(read(text(everything(tmp_path))))
    assert len(rows["path"]) == 7
    assert any(HARM in path for path in rows["path"])
    (error,) = rows["error"].values()
    assert SCRIPT in error
    assert rows["window"][0] == [8, 4, 8, 8]
    assert set(rows["words"]["verdict"]["names"]) == {"likely generated", "inconclusive", "likely real", "failed"}


def test_pictures_are_limited_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    run = everything(tmp_path)
    shown = text(run, pictures=2)
    assert "2 of 6 scored pictures" in shown
    assert "not shown: not there any more" in shown
    assert len(island(read(shown))["picture"]) == 2
    none = text(run, pictures=0)
    assert "data:image" not in none
    assert "No pictures" in none


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_videos_are_called_videos_and_a_damaged_one_keeps_its_verdict(tmp_path: Path, kind: str) -> None:
    films = [film("a.mp4", error="found a damaged one after 1.00 s"), film("b.ts", 0.9), failure("c.mp4", "sound only")]
    predictions(tmp_path / f"p.{kind}", films)
    shown = text(tmp_path)
    assert "3 videos, " in shown
    assert "<th scope=col class=number>videos<" in shown
    assert "2 not shown: videos, of which telltale predict --heatmaps writes films and charts" in shown
    assert "not there any more" not in shown
    rows = island(read(shown))
    names = rows["words"]["verdict"]
    assert [names["names"][at] for at in names["of"]] == ["inconclusive", "likely generated", "failed"]
    assert "after 1.00 s" in rows["error"]["0"]
    predictions(tmp_path / f"p.{kind}", [*films, prediction("d.png")])
    shown = text(tmp_path)
    assert "4 pictures and videos, " in shown
    assert "1 not shown: not there any more" in shown


def test_the_table_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_table, "MOST_ROWS", 3)
    predictions(tmp_path / "p.csv", [prediction(f"{n}.png", n / 10) for n in range(5)])
    shown = text(tmp_path)
    assert island(read(shown))["path"] == ["0.png", "1.png", "2.png"]
    assert "3 of 5 rows" in shown


def test_figures_stand_with_intervals_and_the_worst_source(tmp_path: Path) -> None:
    reader = read(text(everything(tmp_path)))
    cells = [cell.strip() for cell in reader.inside["td"]]
    small = [cell.strip() for cell in reader.inside["small"]]
    assert "worst source of fakes" in cells
    assert "0.70 to 0.80, vae" in small
    assert "mean over sources of fakes" in cells


def test_a_source_of_both_labels_is_named_with_its_label(tmp_path: Path) -> None:
    run = everything(tmp_path)
    for path in run.rglob("*.csv"):
        path.write_text(path.read_text().replace(",camera,real,", ",gan,real,").replace(",vae,fake,", ",gan,fake,"))
    small = [cell.strip() for cell in read(text(run)).inside["small"]]
    assert "0.70 to 0.80, gan, fakes" in small, "worst of the evaluation"
    assert "0.75 to 0.85, gan, fakes" in small, "lowest of the sweep"


def test_what_is_missing_comes_with_its_command(tmp_path: Path) -> None:
    predictions(tmp_path / "p.csv", [prediction("a.png")])
    commands = read(text(tmp_path)).inside["pre"]
    for command in ("explain regions", "robustness", "evaluate", "audit", "explain average"):
        assert any(f"telltale {command} " in found for found in commands)
    assert not any(found.startswith("telltale predict") for found in commands)


def test_a_report_is_known_from_other_pages(tmp_path: Path) -> None:
    predictions(tmp_path / "p.csv", [prediction("a.png")])
    (tmp_path / "a.html").write_text(text(tmp_path))
    (tmp_path / "b.html").write_text("<p>mine</p>")
    assert is_report(tmp_path / "a.html")
    assert not is_report(tmp_path / "b.html")
    assert re.search(r"1{40}", (tmp_path / "a.html").read_text())


def test_a_table_with_words_for_numbers_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = everything(tmp_path)
    for name in ("evaluation/table.csv", "robustness/robustness.csv", "regions/regions.csv"):
        path = run / name
        path.write_text(path.read_text().replace("0.4", "a lot").replace("0.8", "a lot").replace("10,", "many,"))
    shown = text(run)
    for name in ("evaluation/table.csv", "robustness/robustness.csv", "regions/regions.csv"):
        assert f"<li>{name}: not what telltale writes" in shown
    assert "Leaking: as said." in shown


def test_what_is_not_known_is_called_unknown(tmp_path: Path) -> None:
    """An installed telltale knows no commit; a summary of another version may lack what this one writes."""
    said = "".join(read(text(everything(tmp_path), made=replace(MADE, commit=None))).inside["p"])
    assert "telltale 0, commit unknown, 2026" in said
    assert "telltale unknown, commit unknown." in said
    assert "1 picture is not in it;" in said
    assert "None" not in said
