"""Weights and spec in one safetensors file: the round trip, and files that are refused."""

import csv
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from random_weights import noise, randomised, spec_of
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from telltale import learn
from telltale.cli import app
from telltale.errors import InvalidConfig, InvalidDetector
from telltale.evaluate.evaluation import COLUMNS
from telltale.evaluate.results import read_rows
from telltale.geometry import PatchGrid
from telltale.learn.checkpoint import file_hash, load, read_spec, restore, save
from telltale.pooling import POOLINGS
from telltale.spec import METADATA_KEY, DetectorSpec

NAME = "xception_block1"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    model = randomised(NAME)
    save(tmp_path / "best.safetensors", model, spec_of(model))
    return tmp_path / "best.safetensors"


def rewritten(path: Path, spec: DetectorSpec | str | None, **changes: torch.Tensor | None) -> Path:
    """The same file with another spec, or with tensors changed, added or left out."""
    tensors = {**load_file(path), **changes}
    header = spec.to_json() if isinstance(spec, DetectorSpec) else spec
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, path, None if header is None else {METADATA_KEY: header})
    return path


def figures(path: Path) -> list[float]:
    """Every number of a table, row by row."""
    with path.open(newline="") as stream:
        cells = [cell for row in csv.DictReader(stream) for cell in row.values()]
    return [float(cell) for cell in cells if cell and cell.lstrip("-").replace(".", "", 1).isdigit()]


@pytest.mark.parametrize("architecture", [NAME, "resnet18_layer1", "mesoinception4"])
def test_round_trip(architecture: str, tmp_path: Path) -> None:
    """To the bit, batch-norm statistics included, and ready to predict."""
    model = randomised(architecture)
    path = tmp_path / "new" / "folder" / "best.safetensors"
    save(path, model, spec_of(model))
    found, spec = restore(path)
    assert spec == spec_of(model) == read_spec(path)
    assert (found.architecture, found.grid, found.training) == (architecture, model.grid, False)
    assert found.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_channels_last_weights(tmp_path: Path) -> None:
    """Training leaves them so."""
    model = randomised(NAME)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save(tmp_path / "last.safetensors", model.to(memory_format=torch.channels_last), spec_of(model))  # type: ignore[call-overload]
    found = restore(tmp_path / "last.safetensors")[0].state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_the_header_is_plain_json(stored: Path) -> None:
    """Anybody can read what a file is, without telltale or torch."""
    data = stored.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert json.loads(header["__metadata__"]["telltale"])["architecture"] == NAME


def test_nothing_is_left_beside_the_file(stored: Path) -> None:
    assert [path.name for path in stored.parent.iterdir()] == ["best.safetensors"]
    model = randomised(NAME)
    (stored.parent / "taken.safetensors").mkdir()
    with pytest.raises(OSError, match="taken"):
        save(stored.parent / "taken.safetensors", model, spec_of(model))
    assert sorted(path.name for path in stored.parent.iterdir()) == ["best.safetensors", "taken.safetensors"]


def test_the_file_is_as_readable_as_any_other(stored: Path) -> None:
    """safetensors' own writer leaves a file that only its owner may read."""
    other = stored.with_name("other")
    other.touch()
    assert stored.stat().st_mode == other.stat().st_mode


def test_an_older_file_is_replaced_whole(stored: Path) -> None:
    before = file_hash(stored)
    model = randomised(NAME, seed=1)
    save(stored, model, spec_of(model))
    assert file_hash(stored) != before
    assert torch.equal(restore(stored)[0].convout.weight, model.convout.weight)


def test_a_spec_of_another_model_is_not_stored(tmp_path: Path) -> None:
    model = randomised(NAME)
    for wrong in (
        replace(spec_of(model), architecture="xception_block2"),
        replace(spec_of(model), grid=PatchGrid(1, 1, 0)),
        replace(spec_of(model), grid=None),
    ):
        with pytest.raises(InvalidDetector, match="a spec of xception_block1"):
            save(tmp_path / "wrong.safetensors", model, wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is no weights file", b"\x80\x04\x95pickle" + bytes(50), bytes(200), b"\xff" * 100]
)
def test_no_safetensors_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(data)
    for read in (restore, read_spec, load):
        with pytest.raises(InvalidDetector, match=r"other\.safetensors"):
            read(path)


def test_damaged_files(stored: Path) -> None:
    data = stored.read_bytes()
    for length in (4, 50, len(data) // 2, len(data) - 1):
        stored.write_bytes(data[:length])
        with pytest.raises(InvalidDetector, match=r"best\.safetensors"):
            restore(stored)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InvalidDetector, match=path.name):
            restore(path)


def test_somebody_elses_safetensors(stored: Path) -> None:
    with pytest.raises(InvalidDetector, match=r"best\.safetensors without a detector's spec"):
        restore(rewritten(stored, None))
    with pytest.raises(InvalidDetector, match=r"format 1 or 2; found .* in .*best\.safetensors"):
        restore(rewritten(stored, "{}"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"convout.bias": None}, r"Missing key.*convout\.bias"),
        ({"surprise": torch.zeros(1)}, "Unexpected key.*surprise"),
        ({"convout.bias": torch.zeros(3)}, "size mismatch for convout.bias"),
    ],
)
def test_every_parameter_and_no_other(changes: dict[str, torch.Tensor | None], words: str, stored: Path) -> None:
    spec = read_spec(stored)
    with pytest.raises(InvalidDetector, match=words) as caught:
        restore(rewritten(stored, spec, **changes))
    assert "\n" not in str(caught.value)


def test_a_spec_that_does_not_fit_the_weights(stored: Path) -> None:
    spec = read_spec(stored)
    with pytest.raises(InvalidDetector, match="the weights of resnet18_layer1"):
        restore(rewritten(stored, replace(spec, architecture="resnet18_layer1")))
    with pytest.raises(InvalidDetector, match="xception_block99"):
        restore(rewritten(stored, replace(spec, architecture="xception_block99")))
    with pytest.raises(InvalidDetector, match="the grid of xception_block1"):
        restore(rewritten(stored, replace(spec, grid=PatchGrid(19, 4, -5))))


def test_loading_draws_no_random_number(stored: Path) -> None:
    """A training run that looks at a file stays the run it was."""
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    restore(stored)
    assert torch.equal(torch.rand(4), expected)


def test_a_detector_on_torch(stored: Path) -> None:
    detector = load(str(stored), threads=2)
    image = noise(60, 83)
    with torch.inference_mode():
        expected = restore(stored)[0].from_pixels(torch.from_numpy(image[None])).numpy()[0]
    assert np.abs(detector(image).patch_logits - expected).max() < 1e-5
    assert (detector.sha256, detector.threads) == (file_hash(stored), 2)
    assert detector.spec == read_spec(stored)


def test_a_read_only_picture_is_scored_without_a_warning(stored: Path) -> None:
    detector, image = load(stored), noise(60, 83)
    expected = detector(image).score
    image.flags.writeable = False
    assert detector(image).score == expected


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch before 2.9")
@pytest.mark.parametrize("value", ["tf32", "bf16"])
def test_what_a_program_lets_torch_round_changes_no_score(value: str, tmp_path: Path) -> None:
    """MesoInception4 has both convolutions and a matrix product."""
    model = randomised("mesoinception4")
    save(tmp_path / "best.safetensors", model, spec_of(model))
    detector = load(tmp_path / "best.safetensors")
    expected = detector(noise(256, 256)).patch_logits
    general: Any = torch.backends
    before = general.fp32_precision
    general.fp32_precision = value
    try:
        np.testing.assert_array_equal(detector(noise(256, 256)).patch_logits, expected)
    finally:
        general.fp32_precision = before


def shuffled(layer: nn.Conv2d | nn.Linear) -> None:
    """The same layer, each of its sums over input channels taken in another order."""
    order = torch.randperm(layer.weight.shape[1])
    if isinstance(layer, nn.Linear) or layer.groups == 1:
        layer.weight.data = layer.weight.data[:, order].contiguous()
        layer.register_forward_pre_hook(lambda _, given: (given[0][:, order],))


@pytest.mark.parametrize("architecture", ["xception_block2", "resnet18_layer1", "resnet18", "mesoinception4"])
def test_the_order_of_sums_moves_no_score(architecture: str) -> None:
    """Devices differ in it, full float32 everywhere: far less than the 1e-5 that a GPU's scores may differ by."""
    model = randomised(architecture)
    side = model.input_side or 171
    pixels = torch.from_numpy(np.stack([noise(side, side, seed) for seed in range(3)]))
    with torch.inference_mode():
        exact = model.double()(model.scaled(pixels).double()).sigmoid()
        model.float()
        scores = [model.from_pixels(pixels).sigmoid()]
        torch.manual_seed(1)
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                shuffled(layer)
        scores.append(model.from_pixels(pixels).sigmoid())
    assert not torch.equal(*scores), "the order was not changed"
    for found in scores:
        np.testing.assert_allclose(found.numpy(), exact.numpy(), atol=2e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_numbers_of_the_cpu(stored: Path) -> None:
    pixels = noise(301, 217)
    here, there = load(stored), load(stored, device="cuda")
    np.testing.assert_allclose(there(pixels).patch_logits, here(pixels).patch_logits, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("architecture", ["xception_block2", "resnet18_layer1", "resnet18", "mesoinception4"])
def test_a_gpu_evaluates_as_the_cpu_does(architecture: str, tmp_path: Path) -> None:
    """One command on either: the same scores to 1e-5, and a table of the same figures."""
    pytest.importorskip("pyarrow")
    lines = ["path,label,source,split"]
    for number in range(12):
        Image.fromarray(noise(160 + 8 * number, 171, seed=number)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'fake' if number % 2 else 'real'},{'gan' if number % 2 else 'camera'},test")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    model = randomised(architecture)
    save(tmp_path / "best.safetensors", model, spec_of(model))
    words = [tmp_path / "best.safetensors", "--data", tmp_path, "--min-images", 4, "--rounds", 20, "--workers", 1]
    scores = {}
    for backend in ("onnxruntime", "cuda"):  # The first is the CPU: a safetensors file runs on torch in any case.
        out = tmp_path / backend
        done = CliRunner().invoke(app, ["evaluate", *map(str, words), "--out", str(out), "--backend", backend])
        assert done.exit_code == 0, done.output
        rows = read_rows(out / "scores.parquet", columns=COLUMNS)
        scores[backend] = np.array([[row[f"score_{pooling}"] for pooling in POOLINGS] for row in rows], np.float64)
    assert len(np.unique(scores["cuda"])) > 12, "scores that say nothing of the device"
    np.testing.assert_allclose(scores["cuda"], scores["onnxruntime"], atol=1e-5, rtol=0)
    here, there = (figures(tmp_path / backend / "table.csv") for backend in scores)
    np.testing.assert_allclose(there, here, atol=1e-4, rtol=0)  # Its last digit.


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device")
def test_a_gpu_that_is_not_there(stored: Path) -> None:
    with pytest.raises(InvalidConfig, match="CUDA device"):
        load(stored, device="cuda")


def test_public_names() -> None:
    assert learn.load is load
    assert all(hasattr(learn, name) for name in learn.__all__)
