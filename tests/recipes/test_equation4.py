"""Equation 4: the summary says what it lacks, and processes that share the work do nothing twice or too early."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import equation4
from sharing import alone, claimed


@pytest.fixture
def bench(tmp_path: Path) -> equation4.Contest:
    return equation4.Contest(reals=[], generator=tmp_path, work=tmp_path, cells=tmp_path / "cells", quick=True)


def test_a_summary_before_the_transfer_matrix_says_how_to_get_it(
    bench: equation4.Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equation4, "complete", lambda _bench: ([{}], []))
    with pytest.raises(SystemExit, match="once more without --summarise"):
        equation4.summarise(bench)


def test_a_network_that_another_process_trained_meanwhile_is_not_trained_again(
    bench: equation4.Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants, folder = Event(), bench.work / "train" / "first"

    def entering(work: Path, name: str) -> AbstractContextManager[None]:
        wants.set()
        return alone(work, name)

    monkeypatch.setattr(equation4, "alone", entering)
    monkeypatch.setattr(equation4, "train", lambda *_, **__: pytest.fail("trained again"))
    with ThreadPoolExecutor(1) as thread:
        with alone(bench.work, "train first"):
            found = thread.submit(equation4.classifier, bench, "first", "xception_block1", 0, [])
            assert wants.wait(60)
            folder.mkdir(parents=True)
            (folder / "done").touch()
        assert found.result(60) == folder / "best.safetensors"


def test_the_transfer_matrix_is_left_to_who_makes_the_last_cell(
    bench: equation4.Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equation4, "matrix", lambda _bench: {})
    monkeypatch.setattr(equation4, "cell", lambda *_: pytest.fail("computed again"))
    equation4.keep(bench.cells / "xception_block1-0.json", {})
    with claimed(bench.work, "equation4-xception_block1-0"), pytest.raises(SystemExit) as ended:
        equation4.run(bench, 1)
    assert ended.value.code == 0
    assert not (bench.cells / "transfer.json").exists()
    equation4.run(bench, 1)
    assert (bench.cells / "transfer.json").exists()
