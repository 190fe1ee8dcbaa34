"""A network that is done is taken for what it was trained with, and for nothing else."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import trained_networks
from sharing import alone
from telltale.data.sample import Sample
from telltale.learn.config import TrainConfig
from trained_networks import told_apart, trained_once

CONFIG = TrainConfig(data=("pictures",), architecture="resnet18_layer1", crop=96)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were trained in; nothing is learned."""
    made: list[Path] = []

    def learned(config: TrainConfig, out: Path, **_: Any) -> Iterator[None]:
        made.append(out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "run.json").write_text(json.dumps({"config": config.to_dict()}))
        yield

    monkeypatch.setattr(trained_networks, "train", learned)
    return made


def test_a_network_is_trained_once(tmp_path: Path, trainings: list[Path]) -> None:
    weights = trained_once(tmp_path, tmp_path / "one", CONFIG, [], "pictures")
    assert trained_once(tmp_path, tmp_path / "one", CONFIG, [], "pictures") == weights
    assert trainings == [tmp_path / "one"]


def test_a_network_that_another_process_trained_meanwhile_is_not_trained_again(
    tmp_path: Path, trainings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wants, out = Event(), tmp_path / "one"

    def entering(work: Path, name: str) -> AbstractContextManager[None]:
        wants.set()
        return alone(work, name)

    monkeypatch.setattr(trained_networks, "alone", entering)
    with ThreadPoolExecutor(1) as thread:
        with alone(tmp_path, "train one"):
            found = thread.submit(trained_once, tmp_path, out, CONFIG, [], "pictures")
            assert wants.wait(60)
            out.mkdir()
            (out / "run.json").write_text(json.dumps({"config": CONFIG.to_dict()}))
            (out / "done").write_text("pictures")
        assert found.result(60) == out / "best.safetensors"
    assert trainings == []


def test_a_network_of_other_pictures_or_settings_is_not_taken_for_this_one(
    tmp_path: Path, trainings: list[Path]
) -> None:
    trained_once(tmp_path, tmp_path / "one", CONFIG, [], "pictures")
    with pytest.raises(SystemExit, match="one was trained on other pictures"):
        trained_once(tmp_path, tmp_path / "one", CONFIG, [], "others")
    with pytest.raises(SystemExit, match="one was trained with another crop, seed"):
        trained_once(tmp_path, tmp_path / "one", replace(CONFIG, seed=1, crop=64), [], "pictures")
    assert len(trainings) == 1


def test_a_network_from_before_its_pictures_were_written_down_is_taken(tmp_path: Path, trainings: list[Path]) -> None:
    trained_once(tmp_path, tmp_path / "one", CONFIG, [], "pictures")
    (tmp_path / "one" / "done").write_text("")
    trained_once(tmp_path, tmp_path / "one", CONFIG, [], "pictures")
    assert len(trainings) == 1


def test_samples_of_another_generator_are_told_apart_by_their_folder() -> None:
    def of(making: str) -> list[Sample]:
        return [Sample(path=Path(f"work/{making}/00000.jpg"), is_fake=True, source="gan", split="train")]

    assert told_apart(of("train-aaaa")) == told_apart(of("train-aaaa")) != told_apart(of("train-bbbb"))
