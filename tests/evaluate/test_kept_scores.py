"""Scores are kept while their picture, weights and version stay; else they are made anew."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import telltale
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate import kept_scores
from telltale.evaluate.kept_scores import KEPT_COLUMNS, keep_scores, kept_rows
from telltale.evaluate.results import read_rows

pytest.importorskip("pyarrow")


def paint(path: Path, seed: int) -> Sample:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return Sample(path=path)


@pytest.fixture
def detector(tiny_detector: Path) -> Detector:
    return telltale.load(tiny_detector, threads=1)


def scored(path: Path, detector: Detector, samples: list[Sample]) -> int:
    """How many pictures one call scores."""
    seen = []
    assert keep_scores(path, detector, samples, visit=lambda: seen.append(1)) == 0
    return len(seen)


@pytest.mark.parametrize("name", ["scores.parquet", "scores.jsonl", "scores.csv"])
def test_a_picture_is_scored_again_when_its_bytes_are_others(name: str, detector: Detector, tmp_path: Path) -> None:
    samples = [paint(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    path = tmp_path / name
    assert scored(path, detector, samples) == 3
    first = kept_rows(path, samples)
    assert scored(path, detector, samples) == 0
    paint(tmp_path / "1.png", 9)
    assert scored(path, detector, samples) == 1
    rows = list(read_rows(path, columns=KEPT_COLUMNS))
    assert [row["path"] for row in rows] == [str(sample.path) for sample in samples]
    now = kept_rows(path, samples)
    assert [a == b for a, b in zip(first, now, strict=True)] == [True, False, True]
    assert now[1] is not None
    assert now[1]["score"] == pytest.approx(detector(telltale.decode(tmp_path / "1.png")).score)
    assert scored(path, detector, samples) == 0


def test_another_version_scores_everything_again(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [paint(tmp_path / f"{seed}.png", seed) for seed in range(2)]
    path = tmp_path / "scores.parquet"
    assert scored(path, detector, samples) == 2
    monkeypatch.setattr(kept_scores, "__version__", "9.9")
    assert scored(path, detector, samples) == 2
    assert scored(path, detector, samples) == 0


def test_other_weights_are_refused(detector: Detector, uncalibrated_detector: Path, tmp_path: Path) -> None:
    samples = [paint(tmp_path / "0.png", 0)]
    path = tmp_path / "scores.parquet"
    scored(path, detector, samples)
    with pytest.raises(InvalidConfig, match="scores of others"):
        keep_scores(path, telltale.load(uncalibrated_detector), samples)
