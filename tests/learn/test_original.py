"""Checkpoints of the paper's released code: what they hold, and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from telltale.errors import InvalidConfig, InvalidDetector
from telltale.learn.classifier import build
from telltale.learn.original import load_original


def released(architecture: str, *, head: str = "convout", flat: bool = False) -> dict[str, Tensor]:
    """Fresh weights under the names of the released code."""
    torch.manual_seed(7)
    state = {}
    for name, value in build(architecture).state_dict().items():
        if name.startswith("convout."):
            state[name.replace("convout", head)] = value.flatten(1) if flat and value.ndim == 4 else value
        elif name not in ("mean", "std"):
            state[name.removeprefix("backbone.")] = value
    return state


def with_optimiser(state: dict[str, Tensor]) -> dict[str, Any]:
    """What the released trainer writes beside the state dict."""
    moments = {"step": 3, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    optimiser = {"state": {0: moments}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0]}]}
    scheduler = {"patience": 1000, "best": float("inf"), "mode": "max"}
    return {"state_dict": state, "optimizer": optimiser, "scheduler": scheduler, "epoch": 12, "best_val_metric": 0.99}


def same_weights(path: Path, architecture: str) -> bool:
    torch.manual_seed(7)
    expected = build(architecture).state_dict()
    found = load_original(path, architecture)
    assert not found.training
    assert found.architecture == architecture
    return all(torch.equal(found.state_dict()[name], value) for name, value in expected.items())


@pytest.mark.parametrize("architecture", ["xception_block1", "xception_block2", "resnet18_layer1"])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_models(architecture: str, zipped: bool, tmp_path: Path) -> None:
    """Both file formats of torch: the checkpoints are from before and after the change of 2020."""
    path = tmp_path / "bestval_net_D.pth"
    torch.save(with_optimiser(released(architecture)), path, _use_new_zipfile_serialization=zipped)
    assert same_weights(path, architecture)


@pytest.mark.parametrize(("architecture", "head"), [("xception", "last_linear"), ("resnet18", "fc")])
def test_whole_image_baselines(architecture: str, head: str, tmp_path: Path) -> None:
    """Their fully connected layer becomes the 1x1 head."""
    path = tmp_path / "bestval_net_D.pth"
    torch.save(with_optimiser(released(architecture, head=head, flat=True)), path)
    assert same_weights(path, architecture)


@pytest.mark.parametrize("form", ["bare", "prefixed", "model", "without_counters", "bare_with_epoch"])
def test_forms_of_a_state_dict(form: str, tmp_path: Path) -> None:
    state: dict[str, Any] = released("xception_block1")
    forms: dict[str, dict[str, Any]] = {
        "bare": state,
        "prefixed": {f"module.{name}": value for name, value in state.items()},
        "model": {"model": state, "optimizer": {"state": {}}},
        "without_counters": {name: value for name, value in state.items() if "num_batches" not in name},
        "bare_with_epoch": {**state, "epoch": 4, "optimizer": {"state": {}}},
    }
    torch.save(forms[form], tmp_path / "net_D.pth")
    assert same_weights(tmp_path / "net_D.pth", "xception_block1")


def test_output_uses_the_released_channel_order(tmp_path: Path) -> None:
    state = released("xception_block1")
    state["convout.weight"] = torch.zeros_like(state["convout.weight"])
    state["convout.bias"] = torch.tensor([2.0, -1.0])
    torch.save({"state_dict": state}, tmp_path / "net_D.pth")
    model = load_original(tmp_path / "net_D.pth", "xception_block1")
    patch_logits = model.from_pixels(torch.zeros(1, 40, 40, 3, dtype=torch.uint8))
    assert (patch_logits == 3.0).all(), "fake minus real"


def test_other_architecture_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": released("xception_block2")}, tmp_path / "net_D.pth")
    with pytest.raises(
        InvalidDetector, match=r"block3\.rep\.1\.conv1\.weight is missing.*and \d+ more.*xception_block2"
    ):
        load_original(tmp_path / "net_D.pth", "xception_block3")


def test_whole_network_is_not_taken_for_its_last_layer(tmp_path: Path) -> None:
    torch.save(released("resnet18", head="fc", flat=True), tmp_path / "net_D.pth")
    with pytest.raises(
        InvalidDetector, match=r"convout\.weight is missing.*fc\.weight is unexpected.*It fits resnet18:"
    ):
        load_original(tmp_path / "net_D.pth", "resnet18_layer4")


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape"])
def test_strictness(fault: str, tmp_path: Path) -> None:
    state = released("xception_block1")
    if fault == "missing":
        del state["bn2.weight"]
    elif fault == "unexpected":
        state["surprise.weight"] = torch.zeros(1)
    else:
        state["convout.weight"] = torch.zeros(1000, 128, 1, 1)
    torch.save(state, tmp_path / "net_D.pth")
    words = {
        "missing": r"bn2\.weight is missing",
        "unexpected": r"surprise\.weight is unexpected",
        "shape": r"convout\.weight has shape \(1000, 128, 1, 1\) instead of \(2, 128, 1, 1\)",
    }
    with pytest.raises(InvalidDetector, match=words[fault]) as caught:
        load_original(tmp_path / "net_D.pth", "xception_block1")
    assert caught.value.do == "No known architecture fits this file."


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_foreign_objects_are_refused_and_never_run(zipped: bool, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    content = {"state_dict": released("xception_block1"), "extra": Payload(target)}
    torch.save(content, tmp_path / "net_D.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InvalidDetector, match=r"tensors and plain values \(posix\.system\).*not unpickled") as caught:
        load_original(tmp_path / "net_D.pth", "xception_block1")
    assert not target.exists()
    assert "weights_only" not in str(caught.value), "never advise to switch the protection off"


@pytest.mark.parametrize("content", [b"", b"hello, this is no checkpoint", b"PK\x03\x04 truncated"])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net_D.pth").write_bytes(content)
    with pytest.raises(InvalidDetector, match=r"net_D\.pth"):
        load_original(tmp_path / "net_D.pth", "xception_block1")


def test_truncated_download(tmp_path: Path) -> None:
    path = tmp_path / "net_D.pth"
    torch.save(released("xception_block1"), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InvalidDetector, match="damaged"):
        load_original(path, "xception_block1")


def test_missing_file_and_unknown_architecture(tmp_path: Path) -> None:
    with pytest.raises(InvalidDetector, match="No such file"):
        load_original(tmp_path / "absent.pth", "xception_block1")
    with pytest.raises(InvalidConfig, match="xception_block13"):
        load_original(tmp_path / "absent.pth", "xception_block13")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}])
def test_files_without_tensors(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net_D.pth")
    with pytest.raises(InvalidDetector, match="no tensors by name"):
        load_original(tmp_path / "net_D.pth", "xception_block1")
