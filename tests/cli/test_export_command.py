"""`telltale import-original` and `telltale export`: a released checkpoint becomes a detector that needs no torch."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

import telltale
from telltale.cli import app
from telltale.errors import InvalidConfig, InvalidDetector, MissingExtra
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.learn.checkpoint import file_hash, read_spec
from telltale.learn.classifier import build


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """As the released code stores them: bare names under `state_dict`, an optimiser beside it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    state = {
        name.removeprefix("backbone."): tensor
        for name, tensor in build("xception_block1").state_dict().items()
        if name not in ("mean", "std")
    }
    torch.save({"state_dict": state, "optimizer": {"state": {}}, "epoch": 3}, tmp_path / "7_net_D.pth")
    return tmp_path / "7_net_D.pth"


def test_from_the_released_checkpoint_to_a_prediction(checkpoint: Path) -> None:
    weights, onnx = checkpoint.with_name("theirs.safetensors"), checkpoint.with_name("theirs.onnx")
    done = run("import-original", checkpoint, "--architecture", "xception_block1", "--out", weights)
    assert (done.exit_code, done.exception) == (0, None)
    assert done.stdout == f"{weights}: xception_block1, prepared at 299 px, not calibrated\n"

    spec = read_spec(weights)
    assert spec.name == "theirs"
    assert spec.preparation == Preparation(side=299, fit="square", stored_side=128)
    assert (spec.pooling, spec.calibration, spec.thresholds) == ("mean_probability", None, None)
    assert spec.grid == PatchGrid(19, 4, -6)
    assert (spec.made_with["imported_from"], spec.made_with["imported_sha256"]) == (
        "7_net_D.pth",
        file_hash(checkpoint),
    )

    done = run("export", weights, "--out", onnx, "--name", "released")
    assert (done.exit_code, done.exception) == (0, None)
    assert "torch and ONNX Runtime differ by at most" in done.stdout
    prediction = telltale.load(onnx)(np.zeros((200, 300, 3), np.uint8))
    assert prediction.shape == (299, 299)
    assert prediction.patch_logits.shape == (74, 74)
    assert telltale.load(onnx).spec.name == "released"


def test_another_preparation(checkpoint: Path) -> None:
    out = checkpoint.with_name("theirs.safetensors")
    words = ("import-original", checkpoint, "--architecture", "xception_block1", "--out", out)
    assert run(*words, "--side", "128", "--stored-side", "64").exit_code == 0
    assert read_spec(out).preparation == Preparation(side=128, fit="square", stored_side=64)


def test_what_cannot_be_done_is_said(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    found = run("import-original", checkpoint, "--architecture", "resnet18_layer1", "--out", out).exception
    assert isinstance(found, InvalidDetector)
    found = run("import-original", checkpoint, "--architecture", "vgg", "--out", out).exception
    assert isinstance(found, InvalidConfig)
    found = run("export", checkpoint, "--out", tmp_path / "x.onnx").exception
    assert isinstance(found, InvalidDetector)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]


@pytest.mark.parametrize(
    "words",
    [("export", "a.safetensors", "--out", "a.onnx"), ("import-original", "a.pth", "--architecture", "x", "--out", "a")],
    ids=lambda words: words[0],
)
def test_torch_is_an_extra(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = run(*words).exception
    assert isinstance(found, MissingExtra)
    assert "telltale[learn]" in str(found)
