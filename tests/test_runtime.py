"""Loading ONNX files: what is accepted, what is refused and how it is said, on both engines."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale import runtime
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDetector, MissingExtra
from telltale.geometry import PatchGrid
from telltale.image import Pixels
from telltale.runtime import from_bytes, load, shipped
from telltale.spec import METADATA_KEY, DetectorSpec

onnx = pytest.importorskip("onnx")
BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    return name


def picture(height: int = 70, width: int = 93) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(path: Path, image: Pixels) -> np.ndarray[Any, Any]:
    """What `tiny_detector`'s one convolution gives: 8 x 8 windows, 4 apart."""
    kept = {found.name: onnx.numpy_helper.to_array(found) for found in onnx.load(path).graph.initializer}
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float64), (8, 8), axis=(0, 1))[::4, ::4]
    found: np.ndarray[Any, Any] = np.einsum("rcdyx,odyx->rc", windows, kept["weight"]) + kept["bias"][0]
    return found


def test_a_detector(tiny_detector: Path, tiny_spec: DetectorSpec, backend: str) -> None:
    detector = load(tiny_detector, backend=backend)
    assert detector.spec == tiny_spec
    assert detector.sha256 == hashlib.sha256(tiny_detector.read_bytes()).hexdigest()
    tolerance = 1e-5 if backend == "onnxruntime" else 0.05  # bfloat16 on processors that have it
    found = detector(picture()).patch_logits
    assert found.dtype == np.float32
    assert np.abs(found - by_hand(tiny_detector, picture())).max() < tolerance


def test_several_images_at_once(tiny_detector: Path, backend: str) -> None:
    predict = load(tiny_detector, backend=backend, threads=1).predict
    images = np.stack([picture(), picture()[::-1], picture()[:, ::-1]])
    together = predict(images)
    assert together.shape == (3, 16, 22)
    assert np.allclose(together, np.concatenate([predict(image[None]) for image in images]), atol=1e-5)


def test_threads_change_nothing(tiny_detector: Path, backend: str) -> None:
    image = picture(203, 301)
    one = replace(load(tiny_detector, backend=backend, threads=1), tile=40)
    four = replace(load(tiny_detector, backend=backend, threads=4), tile=40)
    for _ in range(10):
        assert np.allclose(one(image).patch_logits, four(image).patch_logits, atol=1e-5)


def test_more_callers_than_threads(tiny_detector: Path, backend: str) -> None:
    """Whoever comes too many waits; nobody gets another's answer."""
    detector = replace(load(tiny_detector, backend=backend, threads=2), threads=8, tile=24)
    expected = replace(detector, threads=1)(picture(300, 200)).patch_logits
    for _ in range(5):
        assert np.allclose(detector(picture(300, 200)).patch_logits, expected, atol=1e-5)


def test_an_answer_is_not_overwritten_by_the_next(tiny_detector: Path, backend: str) -> None:
    predict = load(tiny_detector, backend=backend, threads=1).predict
    first = predict(picture()[None])
    kept = first.copy()
    predict(255 - picture()[None])
    assert np.array_equal(first, kept)


def test_zero_threads_are_all_cores(tiny_detector: Path) -> None:
    assert load(tiny_detector).threads == len(os.sched_getaffinity(0))
    assert load(tiny_detector, threads=3).threads == 3


@pytest.mark.parametrize(
    ("wrong", "words"), [({"backend": "tensorrt"}, "out of onnxruntime, openvino"), ({"threads": -1}, "or more")]
)
def test_impossible_settings(tiny_detector: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        load(tiny_detector, **wrong)


def test_shipped_detectors_have_names(
    tiny_detector: Path, uncalibrated_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "WEIGHTS", tmp_path)
    (tmp_path / "second.onnx").write_bytes(tiny_detector.read_bytes())
    (tmp_path / "first.onnx").write_bytes(uncalibrated_detector.read_bytes())
    assert shipped() == ["first", "second"]
    assert load("second").spec.name == "tiny"
    assert load(tmp_path / "first.onnx").spec.name == "raw"
    with pytest.raises(InvalidDetector, match=r"\(first, second\); found third, which is neither"):
        load("third")
    for outside in ("../second", "./second", "", ".", "a\0b"):
        with pytest.raises(InvalidDetector, match="neither"):
            load(outside)


@pytest.mark.parametrize("name", ["absent.onnx", "folder"])
def test_nothing_to_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidDetector, match=f"{name}, which is neither"):
        load(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(range(256)) * 40])
def test_no_onnx_file(data: bytes, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(data)
    with pytest.raises(InvalidDetector, match=r"other\.onnx, which does not load") as caught:
        load(path, backend=backend)
    assert "\n" not in str(caught.value)


def test_half_a_file(tiny_detector: Path, backend: str) -> None:
    data = tiny_detector.read_bytes()
    with pytest.raises(InvalidDetector, match="half"):
        from_bytes(data[: len(data) // 2], "half", backend=backend)


Change = Callable[[Any], None]


def changed(path: Path, change: Change) -> bytes:
    model = onnx.load(path)
    change(model)
    return bytes(model.SerializeToString())


def without_spec(model: Any) -> None:
    del model.metadata_props[:]


def with_damaged_spec(model: Any) -> None:
    onnx.helper.set_model_props(model, {METADATA_KEY: '{"format": 1}'})


def with_external_data(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"


def with_float_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def with_second_input(model: Any) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))


def without_squeeze(model: Any) -> None:
    del model.graph.node[-1], model.graph.output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, None))


def with_other_stride(model: Any) -> None:
    (conv,) = (node for node in model.graph.node if node.op_type == "Conv")
    (stride,) = (found for found in conv.attribute if found.name == "strides")
    del stride.ints[:]
    stride.ints.extend([2, 3])
    spec = DetectorSpec.from_json(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {METADATA_KEY: replace(spec, grid=PatchGrid(8, 4, -3)).to_json()})


def with_no_number(model: Any) -> None:
    (bias,) = (found for found in model.graph.initializer if found.name == "bias")
    bias.raw_data = np.array([np.nan], np.float32).tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_spec, "strange without a detector's spec"),
        (with_damaged_spec, "spec, format 1 or 2; found .* in strange"),
        (with_external_data, "strange, which names other files"),
        (without_squeeze, "from strange"),
        (with_other_stride, "strange|do not belong together"),
        (with_no_number, "finite"),
    ],
)
def test_refused_when_loaded(change: Change, words: str, tiny_detector: Path, backend: str) -> None:
    """And not at the first picture."""
    with pytest.raises(InvalidDetector, match=words):
        from_bytes(changed(tiny_detector, change), "strange", backend=backend)


@pytest.mark.parametrize("change", [with_float_input, with_second_input])
def test_another_kind_of_input(change: Change, tiny_detector: Path) -> None:
    """OpenVINO converts numbers by itself, and rightly."""
    with pytest.raises(InvalidDetector, match="strange"):
        from_bytes(changed(tiny_detector, change), "strange")


def test_weights_beside_the_file_are_not_read(
    tiny_detector: Path, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both engines would take them from the working directory."""
    (tmp_path / "weights.bin").write_bytes(bytes(3 * 8 * 8 * 4))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidDetector, match="other files"):
        from_bytes(changed(tiny_detector, with_external_data), "strange", backend=backend)


def test_a_picture_too_large_for_memory_is_no_fault_of_the_weights(
    tiny_detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scoring turns MemoryError into that picture's failure."""
    ort = pytest.importorskip("onnxruntime")
    detector = load(tiny_detector, threads=1)

    def exhausted(*_: object) -> None:
        raise RuntimeError("bfc_arena.cc: Failed to allocate memory for requested buffer")

    monkeypatch.setattr(ort.InferenceSession, "run", exhausted)
    with pytest.raises(MemoryError):
        detector(picture())


def test_openvino_is_an_extra(tiny_detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"pip install 'telltale\[openvino\]'"):
        load(tiny_detector, backend="openvino")


QUIET = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import numpy as np
import telltale
detector = telltale.load(sys.argv[1], backend=sys.argv[2], threads=2)
print(detector(np.zeros((600, 500, 3), np.uint8)).shape)
"""


def with_unused_weights(model: Any) -> None:
    """ONNX Runtime warns of these on standard error by default."""
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, np.float32), "unused"))


def test_no_network_and_no_noise(tiny_detector: Path, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "noisy.onnx"
    path.write_bytes(changed(tiny_detector, with_unused_weights))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET, str(path), backend], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "(600, 500)\n", "")


def test_replaced_threads_share_the_engine(tiny_detector: Path, backend: str) -> None:
    """Scoring many files takes one thread an image."""
    detector = load(tiny_detector, backend=backend, threads=2)
    single: Detector = replace(detector, threads=1)
    assert np.allclose(single(picture()).patch_logits, detector(picture()).patch_logits, atol=1e-5)
