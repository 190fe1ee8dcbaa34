"""Which code made a result: the commit of this checkout, or nothing; and the words it was called with."""

import re
from pathlib import Path

import pytest

from telltale import provenance


def test_a_checkout_has_a_commit_and_says_where_it_was_changed() -> None:
    found = provenance.commit()
    assert found is None or re.fullmatch(r"[0-9a-f]{40}\+?", found)


def test_a_copy_outside_a_checkout_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit() is None


def test_a_call_names_no_folder_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["recipes/one.py", "--data", "/somebody/home/data", "--work", "runs/one"])
    assert provenance.invocation() == "python recipes/one.py --data data --work runs/one"
