import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from telltale.cli.train import train
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.learn.config import TrainConfig

NO_SETTINGS = {"out", "config", "resume", "dry_run"}
app = typer.Typer()
app.command()(train)
SMALL = [
    "--architecture",
    "xception_block1",
    "--crop",
    "32",
    "--batch",
    "4",
    "--steps-per-epoch",
    "2",
    "--threads",
    "1",
]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    draw = np.random.default_rng(0)
    for split in ("train", "validation"):
        for label in ("real", "fake"):
            home = folder / split / label
            home.mkdir(parents=True)
            for index in range(4):
                Image.fromarray(draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(home / f"{index}.png")
    return folder


def options() -> dict[str, Any]:
    hints = get_type_hints(train, include_extras=True)
    return {name: hints[name] for name in inspect.signature(train).parameters}


def test_every_setting_is_an_option_and_no_other() -> None:
    assert set(options()) - NO_SETTINGS == {field.name for field in fields(TrainConfig)}


def test_the_defaults_shown_are_those_of_the_config() -> None:
    config = TrainConfig(data=("x",))
    for name, hint in options().items():
        shown = get_args(hint)[1].show_default if get_origin(hint) is Annotated else None
        if name in NO_SETTINGS or not isinstance(shown, str):
            continue
        default = getattr(config, name)
        words = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert shown == ("0" if default is None else words), name


def test_help_names_the_options() -> None:
    text = run("--help")
    assert "--steps-per-epoch" in text
    assert "--dry-run" in text


def test_a_dry_run_tells_the_cost_and_writes_nothing(data: Path, tmp_path: Path) -> None:
    said = run(data, *SMALL, "--out", tmp_path / "run", "--dry-run", "--jpeg", 0.5, "--jpeg-range", 40, 90)
    assert "s a step" in said
    assert "jpeg_range        [40.0, 90.0]" in said
    assert "train      real       4" in said
    assert not (tmp_path / "run").exists()


def test_it_trains_and_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = run(data, *SMALL, "--out", out, "--epochs", 1)
    assert "epoch   1  step      2" in said
    assert json.loads((out / "run.json").read_text())["config"]["crop"] == 32
    more = run("--out", out, "--resume", "--epochs", 2)
    assert "epoch   1" not in more
    assert "epoch   2  step      4" in more
    assert (out / "best.safetensors").exists()


def test_another_runs_settings_can_be_taken_over(data: Path, tmp_path: Path) -> None:
    run(data, *SMALL, "--out", tmp_path / "first", "--epochs", 1)
    run("--config", tmp_path / "first" / "run.json", "--out", tmp_path / "second", "--seed", 3)
    first, second = (json.loads((tmp_path / name / "run.json").read_text())["config"] for name in ("first", "second"))
    assert second == first | {"seed": 3}


def test_zero_means_none(data: Path) -> None:
    said = run(data, *SMALL, "--crop", 0, "--dry-run")
    assert "crop              null" in said


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (["--epochs", "1"], InvalidConfig, "--out FOLDER"),
        (["--dry-run", "--pooling", "median"], InvalidConfig, "pooling"),
        (["--dry-run", "--architecture", "xception_block99"], InvalidConfig, "xception_block2"),
        (["--dry-run", "--exclude", "sd21"], InvalidDataset, "sd21"),
        (["--dry-run", "--config", "nowhere.json"], InvalidConfig, "nowhere.json"),
    ],
)
def test_what_is_wrong_is_said(
    data: Path, words: list[str], error: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jaxtyping

    # The type checker of the tests would get ahead of our own check, which users meet without it.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(error, match=match):
        run(data, *words)
