"""Processes that share work: a claim is one process's, and free when that process is gone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from sharing import alone, claimed, unclaimed

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
# Says what it has, and keeps it until its input ends.
SCRIPT = f"""
import sys
from pathlib import Path
sys.path.append({str(RECIPES)!r})
import sharing
with getattr(sharing, sys.argv[1])(Path(sys.argv[2]), sys.argv[3]) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(how: str, work: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that claims `name`, or wants to be alone with it."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how, str(work), name], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() == 0


def test_a_claim_is_one_processs_until_it_is_let_go(tmp_path: Path) -> None:
    with another("claimed", tmp_path, "a cell") as first:
        assert said(first) == "True"
        with claimed(tmp_path, "a cell") as mine, claimed(tmp_path, "another cell") as free:
            assert (mine, free) == (False, True)
        with another("claimed", tmp_path, "a cell") as second:
            assert said(second) == "False"
        let_go(first)
        with claimed(tmp_path, "a cell") as mine:
            assert mine


def test_the_claim_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with another("claimed", tmp_path, "a cell") as first:
        assert said(first) == "True"
        first.kill()
        first.wait()
        with claimed(tmp_path, "a cell") as mine:
            assert mine


def test_a_claim_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claimed(tmp_path, "a cell"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), alone(tmp_path, "a cell"):
        raise ZeroDivisionError
    with another("claimed", tmp_path, "a cell") as first:
        assert said(first) == "True"


def test_who_wants_to_be_alone_waits_for_the_other(tmp_path: Path) -> None:
    with another("alone", tmp_path, "pictures") as first:
        assert said(first) == "None"
        with another("alone", tmp_path, "pictures") as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "waiting for another process: pictures\n"
            assert second.stdout is not None
            assert select([second.stdout], [], [], 0)[0] == []
            let_go(first)
            assert said(second) == "None"


def test_names_that_are_no_file_names_stay_apart(tmp_path: Path) -> None:
    names = ("a b", "a+b", "a_b", "a/b", "a%2Fb", "a%b", "../a", "..", ".", "", "a\nb", "ä")
    for name in names:
        with alone(tmp_path, name):
            for other in names:
                with claimed(tmp_path, other) as mine:
                    assert mine is (other != name), (name, other)
    assert len(list((tmp_path / "locks").iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_a_cell_that_another_is_at_is_left_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = unclaimed(tmp_path, "table", [("a", 0), ("b c", 1), ("d", 2)])
    with another("claimed", tmp_path, "table-b c-1") as other:
        assert said(other) == "True"
        assert next(cells) == ("a", 0)
        with claimed(tmp_path, "table-a-0") as twice:
            assert not twice
        assert next(cells) == ("d", 2)
        with pytest.raises(SystemExit) as ended:
            next(cells)
    assert ended.value.code == 0
    assert capsys.readouterr().out == "1 cell is being computed by another process\n"


def test_a_cell_whose_process_died_meanwhile_is_computed_after_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = []
    with another("claimed", tmp_path, "table-b") as other:
        assert said(other) == "True"
        for cell in unclaimed(tmp_path, "table", [("b",), ("a",)]):
            mine.append(cell)
            other.kill()
            other.wait()
    assert mine == [("a",), ("b",)]
    assert capsys.readouterr().out == ""
