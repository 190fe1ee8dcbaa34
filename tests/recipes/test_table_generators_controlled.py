"""Cells of the controlled table keep every score that was computed."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import table_generators_controlled as controlled
from table_generators import Bench
from telltale.data.sample import Sample

SPEC = SimpleNamespace(
    preparation=None,
    made_with={"machine": {"device": "cpu", "cores": 2, "processor": "AMD EPYC", "precision": "bf16"}},
)


def test_new_scores_are_told_from_a_cell_that_has_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However quick they were: the cell on the disk is the one they are compared with."""
    monkeypatch.setattr(controlled, "trained", lambda *_: tmp_path)
    monkeypatch.setattr(controlled, "read_spec", lambda _weights: SPEC)
    monkeypatch.setattr(controlled, "machine", lambda: "CPU, 64 cores, another, fp32")
    monkeypatch.setattr(controlled, "validation_auc", lambda _weights: 1.0)
    monkeypatch.setattr(controlled, "prepare", lambda pixels, _preparation: pixels)
    monkeypatch.setattr(controlled, "scores", lambda _weights, pictures: np.full(len(pictures), 0.5))
    monkeypatch.setattr(Sample, "pixels", lambda _self: np.zeros((2, 2, 3), np.uint8))
    bench = Bench(training=[], tested=[], fingerprint="f", work=tmp_path, cells=tmp_path, quick=True)
    source = controlled.Source(samples=[Sample(path=tmp_path)], fingerprint="s")

    def test_of(*names: str) -> controlled.Test:
        sources = dict.fromkeys(names, source)
        return controlled.Test(benches={"kind": bench}, sources=sources, cells=tmp_path, quick=True)

    cell = ("kind", "model", "none", 0)
    kept: dict[str, Any] = controlled.scored(test_of("one"), cell, None)
    assert controlled.scored(test_of("one"), cell, kept) is kept
    more = controlled.scored(test_of("one", "two"), cell, kept)
    assert list(kept["sources"]) == ["one"]
    assert more != kept
    assert list(more["sources"]) == ["one", "two"]
    # Not the machine that scored: number formats are those of the trainings.
    assert more["machine"] == "CPU, 2 cores, AMD EPYC, bf16"
