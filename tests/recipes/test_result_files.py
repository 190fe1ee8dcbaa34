"""Files of results are the old ones or the new ones, never a part."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from result_files import keep, write_facts, write_page, write_table


def test_a_table_has_the_columns_of_its_first_row(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "table.csv", ({"name": f"a,{place}", "n": place} for place in range(2)))
    assert (tmp_path / "new" / "table.csv").read_bytes() == b'name,n\n"a,0",0\n"a,1",1\n'


def test_a_table_of_named_columns_may_be_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", [], ("name", "n"))
    assert (tmp_path / "table.csv").read_text() == "name,n\n"
    with pytest.raises(ValueError, match="found none"):
        write_table(tmp_path / "other.csv", [])


def test_a_row_that_cannot_be_made_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, [{"n": 1}])

    def broken() -> Iterator[dict[str, Any]]:
        yield {"n": 2}
        raise RuntimeError("a cell is damaged")

    with pytest.raises(RuntimeError, match="damaged"):
        write_table(path, broken())
    assert path.read_text() == "n\n1\n"
    assert [one.name for one in tmp_path.iterdir()] == ["table.csv"]


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.json"
    keep(path, {"auc": 0.5})

    def full(self: Path, _target: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        keep(path, {"auc": 0.6})
    assert json.loads(path.read_text()) == {"auc": 0.5}
    assert [one.name for one in tmp_path.iterdir()] == ["cell.json"]


def test_pages_and_facts_end_with_a_line_break(tmp_path: Path) -> None:
    write_page(tmp_path / "page.md", iter(["# Title", "", "ä"]))
    write_facts(tmp_path / "facts.json", {"ä": [1, 2]})
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "# Title\n\nä\n"
    assert json.loads((tmp_path / "facts.json").read_text()) == {"ä": [1, 2]}
    assert (tmp_path / "facts.json").read_text().endswith("}\n")
