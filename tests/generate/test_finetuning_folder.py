"""What a finetuning reads and leaves: photographs of one size, figures, pictures at their places."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import InvalidDataset
from telltale.generate import finetuning_folder
from telltale.generate.finetuning_config import Step
from telltale.generate.finetuning_folder import (
    nearness,
    photographs,
    write_before_after,
    write_failures,
    write_steps,
)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    draw = np.random.default_rng(0)
    found = []
    for name, size in (("own", (64, 64)), ("wide", (64, 128)), ("large", (128, 128)), ("fake", (64, 64))):
        Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        found.append(Sample(path=tmp_path / f"{name}.png", is_fake=name == "fake"))
    return found


def test_photographs_keep_their_pixels_where_they_fit_and_fakes_stay_out(samples: list[Sample]) -> None:
    found, failures = photographs(samples, 64)
    assert tuple(found.shape) == (3, 3, 64, 64)
    assert failures == []
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), samples[0].pixels())
    np.testing.assert_array_equal(found[1].permute(1, 2, 0).numpy(), samples[1].pixels()[:, 32:96])


def test_what_cannot_be_read_is_listed_and_nothing_at_all_is_an_error(samples: list[Sample], tmp_path: Path) -> None:
    gone = Sample(path=tmp_path / "gone.png", is_fake=False)
    found, failures = photographs([samples[0], gone], 64)
    assert len(found) == 1
    write_failures(tmp_path, failures)
    rows = list(csv.DictReader((tmp_path / "failures.csv").read_text().splitlines()))
    assert [Path(row["path"]).name for row in rows] == ["gone.png"]
    assert "cannot be read" in rows[0]["error"]
    with pytest.raises(InvalidDataset, match="photographs to learn on"):
        photographs([gone, samples[3]], 64)


def test_steps_are_rows_and_what_was_not_measured_is_empty(tmp_path: Path) -> None:
    step = Step(
        step=0,
        own_loss=None,
        classifier_loss=None,
        critic_loss=None,
        fooled=0.25,
        patches_fooled=0.125,
        distance=0.0,
        diversity=51.0,
        quality=None,
        quality_error=None,
        seconds=1.23456789,
    )
    write_steps(tmp_path, [step])
    (row,) = csv.DictReader((tmp_path / "steps.csv").read_text().splitlines())
    assert row["own_loss"] == ""
    assert row["quality"] == ""
    assert (row["fooled"], row["seconds"]) == ("0.25", "1.234568")


def test_before_and_after_stand_at_the_same_place(tmp_path: Path) -> None:
    levels = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    write_before_after(tmp_path, levels, levels + 100, ("before", "after"))
    with Image.open(tmp_path / "before_after.png") as sheet:
        drawn = np.asarray(sheet)
    width, top = 6 * 8, 14
    for place in (0, 5, 6, 35):
        y, x = top + place // 6 * 8 + 4, place % 6 * 8 + 4
        assert drawn[y, x, 0] == place
        assert drawn[y, x + width + 8, 0] == place + 100


def test_samples_that_are_the_photographs_are_nearer_than_noise(samples: list[Sample]) -> None:
    draw = np.random.default_rng(1)
    smooth = np.repeat(np.repeat(draw.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8), 8, 1), 8, 2)
    measure = nearness(torch.from_numpy(smooth).permute(0, 3, 1, 2).contiguous())
    same, error = measure(smooth[::-1].copy())
    noise, _ = measure(draw.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8))
    assert same < noise
    assert error >= 0


def test_of_many_photographs_the_last_source_counts_like_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may come source by source."""
    seen: list[np.ndarray] = []

    def features(shown: np.ndarray) -> np.ndarray:
        seen.append(shown[:, 0, 0, 0])
        return shown.reshape(len(shown), -1)[:, :4].astype(np.float64)

    monkeypatch.setattr(finetuning_folder, "face_features", features)
    monkeypatch.setattr(finetuning_folder, "_COMPARED", 10)
    nearness(torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(100, 3, 8, 8))
    assert seen[0].tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
