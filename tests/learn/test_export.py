"""ONNX files: what torch says, ONNX Runtime says too; or nothing is written."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomised, spec_of

import telltale
from telltale.errors import InvalidDetector
from telltale.learn import export as exporting
from telltale.learn.checkpoint import file_hash, load, restore, save
from telltale.learn.export import disagreement, export, to_onnx
from telltale.runtime import from_bytes
from telltale.spec import Calibration

onnx = pytest.importorskip("onnx")
NAME = "xception_block1"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    model = randomised(NAME)
    calibration = Calibration(slope=1.5, intercept=0.2, fitted_on="nothing, a test", fingerprint="0")
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save(path, model, replace(spec_of(model), calibration=calibration))
    return path


@pytest.fixture(scope="module")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "new" / "mine.onnx"
    assert 0 <= export(weights, path, name="mine") < 1e-4
    return path


def test_the_graph(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    (images,), (answers,) = model.graph.input, model.graph.output
    kinds = onnx.TensorProto

    def described(value: Any) -> tuple[Any, ...]:
        tensor = value.type.tensor_type
        return value.name, tensor.elem_type, [size.dim_param or size.dim_value for size in tensor.shape.dim]

    assert described(images) == ("images", kinds.UINT8, ["n", "height", "width", 3])
    assert described(answers) == ("patch_logits", kinds.FLOAT, ["n", "rows", "columns"])
    operators = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in operators, "folded into the convolutions"
    assert operators.count("Conv") == 8
    assert {node.domain for node in model.graph.node} == {""}, "standard operators only"


def test_one_file_that_says_nothing_of_the_machine(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["mine.onnx"]
    data = exported.read_bytes()
    for trace in (b"site-packages", os.fsencode(Path(telltale.__file__).parent), b"stack_trace"):
        assert trace not in data
    assert not any(tensor.external_data for tensor in onnx.load(exported).graph.initializer)


def test_the_spec_goes_along(weights: Path, exported: Path) -> None:
    before, after = load(weights).spec, telltale.load(exported).spec
    assert after.name == "mine"
    assert replace(after, name=before.name, made_with=before.made_with) == before
    assert after.made_with == {
        **before.made_with,
        "exported_with": f"telltale {telltale.__version__}",
        "safetensors_sha256": file_hash(weights),
    }


@settings(derandomize=True, deadline=None, max_examples=15)
@given(height=st.integers(7, 90), width=st.integers(7, 90), count=st.integers(1, 3))
def test_any_size_and_number_of_images(weights: Path, exported: Path, height: int, width: int, count: int) -> None:
    images = np.stack([noise(height, width, seed) for seed in range(count)])
    expected = load(weights).predict(images)
    found = telltale.load(exported, threads=1).predict(images)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_the_same_prediction(weights: Path, exported: Path) -> None:
    """Tiles, threads, pooling, calibration: all of a detector, on either engine."""
    image = noise(500, 411)
    one, other = load(weights)(image), telltale.load(exported, threads=2)(image)
    assert other.score == pytest.approx(one.score, abs=1e-5)
    assert other.probability == pytest.approx(one.probability, abs=1e-5)
    assert np.abs(other.patch_logits - one.patch_logits).max() < 1e-4


def test_openvino_reads_the_same_file(exported: Path) -> None:
    pytest.importorskip("openvino")
    image = noise(300, 211)
    one, other = (telltale.load(exported, backend=name)(image) for name in ("onnxruntime", "openvino"))
    # Where the processor has bfloat16, its 8 bits of mantissa show.
    assert other.score == pytest.approx(one.score, abs=0.01)
    assert np.abs(other.patch_logits - one.patch_logits).max() < 0.1


def test_nothing_is_written_where_engines_disagree(
    weights: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "to_onnx", lambda model, spec: exported.read_bytes())
    other = randomised(NAME, seed=1)
    save(tmp_path / "other.safetensors", other, spec_of(other))
    with pytest.raises(InvalidDetector, match=r"agree to 0\.0001; found a difference of .*other\.safetensors"):
        export(tmp_path / "other.safetensors", tmp_path / "out" / "other.onnx")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_where_weights_are_no_numbers(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "disagreement", lambda model, data: float("nan"))
    monkeypatch.setattr(exporting, "to_onnx", lambda model, spec: b"")
    with pytest.raises(InvalidDetector, match="difference of nan"):
        export(weights, tmp_path / "other.onnx")
    assert not list(tmp_path.iterdir())


def test_an_older_file_survives_a_failure(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"older")
    monkeypatch.setattr(exporting, "disagreement", lambda model, data: 0.0)
    monkeypatch.setattr(exporting, "to_onnx", lambda model, spec: b"newer")

    def full(self: Path, target: Path) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        export(weights, tmp_path / "mine.onnx")
    assert (tmp_path / "mine.onnx").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_fixed_input_size() -> None:
    """MesoInception4 takes 256 px alone; the number of images is free all the same."""
    model = randomised("mesoinception4")
    data = to_onnx(model, spec_of(model))
    assert disagreement(model, data) < 1e-4
    detector = from_bytes(data, "meso")
    assert detector(noise(300, 200)).patch_logits.shape == (1, 1)
    with pytest.raises(InvalidDetector, match="meso"):
        detector.predict(np.zeros((1, 200, 200, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["xception_block3", "resnet50_layer1", "resnet18"])
def test_more_architectures(architecture: str) -> None:
    model = randomised(architecture)
    data = to_onnx(model, spec_of(model))
    assert disagreement(model, data) < 1e-4
    assert b"BatchNormalization" not in data


@pytest.mark.slow
def test_the_same_weights_give_the_same_bytes(weights: Path, exported: Path, tmp_path: Path) -> None:
    export(weights, tmp_path / "again.onnx", name="mine")
    assert file_hash(tmp_path / "again.onnx") == file_hash(exported)


MEMORY = """
import json, re, sys
import numpy as np
import telltale

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

detector = telltale.load(sys.argv[1], threads=4)
height, width = 3000, 4000
pixels = np.empty((height, width, 3), np.uint8)
for row in range(height):
    pixels[row] = row % 251
before = peak()
shape = detector(pixels).patch_logits.shape
print(json.dumps([before, peak(), shape]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc")
def test_memory_of_a_large_picture(tmp_path: Path) -> None:
    """12 megapixels in tiles; the whole would take 8 GB. `benchmarks/speed.py --large` does 100."""
    model = randomised("xception_block2")
    (tmp_path / "two.onnx").write_bytes(to_onnx(model, spec_of(model)))
    words = [sys.executable, "-c", MEMORY, str(tmp_path / "two.onnx")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    before, after, shape = json.loads(done.stdout)
    assert shape == [375, 500]
    assert after - before < 450


def test_large_log_odds_are_compared_by_their_size(weights: Path) -> None:
    """Of a network that says hundreds no engine keeps the fifth digit; of one that says the wrong hundreds it tells."""
    model, spec = restore(weights)
    head = [one for one in model.modules() if isinstance(one, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        head.weight.mul_(1e4)
    data = to_onnx(model, spec)
    detector = from_bytes(data, "large")
    assert np.abs(detector.predict(noise(97, 142)[None])).max() > 100
    assert disagreement(model, data) < 1e-4
    with torch.no_grad():
        head.weight.mul_(1.001)
    assert disagreement(model, data) > 5e-4
