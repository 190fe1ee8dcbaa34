"""The summary of equation 4 says what it lacks."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import equation4


def test_a_summary_before_the_transfer_matrix_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = equation4.Contest(reals=[], generator=tmp_path, work=tmp_path, cells=tmp_path / "cells", quick=True)
    monkeypatch.setattr(equation4, "complete", lambda _bench: ([{}], []))
    with pytest.raises(SystemExit, match="without --part"):
        equation4.summarise(bench)
