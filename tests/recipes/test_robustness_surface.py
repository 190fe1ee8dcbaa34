"""The robustness surface's shortcuts change no number: corrupted pictures are kept, networks run on another engine."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import UndecodableImage
from telltale.evaluate.robustness_cells import Cell, corrupted
from telltale.learn.checkpoint import load, save

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "recipes"), str(ROOT / "tests" / "learn")]

from random_weights import noise, randomised, spec_of  # noqa: E402

from robustness_surface import pictures, scorer  # noqa: E402


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        Image.fromarray(noise(80, 80, seed)).save(path)
    return [Sample(path=path) for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["xception_block1", "mesoinception4"])
def test_a_networks_scores_are_those_of_its_detector(architecture: str, samples: list[Sample], tmp_path: Path) -> None:
    model = randomised(architecture)
    weights = tmp_path / "best.safetensors"
    save(weights, model, spec_of(model))
    cell = Cell("noise", 10.0)
    images = pictures(samples, tmp_path / "kept", cell)
    detector = load(weights)
    expected = [detector(corrupted(sample.pixels(), cell, seed=0)).score for sample in samples]
    assert np.ptp(expected) > 1e-4
    for _ in range(2):
        assert scorer(weights)(images) == pytest.approx(expected, abs=1e-5)


def test_a_corruption_is_computed_once(samples: list[Sample], tmp_path: Path) -> None:
    kept, cell = tmp_path / "kept", Cell("crop", 0.5)
    first = np.array(pictures(samples, kept, cell))
    for sample in samples:
        sample.path.unlink()
    assert np.array_equal(pictures(samples, kept, cell), first)
    with pytest.raises(UndecodableImage):
        pictures(samples, kept, Cell("crop", 0.75))
