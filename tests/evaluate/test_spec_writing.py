"""Another spec in the same file: the network's bytes stay, and so does every prediction."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import InvalidDetector
from telltale.evaluate.spec_writing import with_spec
from telltale.image import Preparation
from telltale.runtime import from_bytes
from telltale.spec import DetectorSpec


@pytest.fixture(scope="module")
def data(tiny_detector: Path) -> bytes:
    return tiny_detector.read_bytes()


def test_onnx_keeps_everything_but_the_spec(data: bytes, tiny_spec: DetectorSpec) -> None:
    onnx = pytest.importorskip("onnx")
    other = replace(tiny_spec, name="a longer name " * 40)
    model = onnx.load_from_string(data)
    onnx.helper.set_model_props(model, {"telltale": tiny_spec.to_json(), "another": "x" * 300})
    written = with_spec(model.SerializeToString(), other, ending=".onnx")
    found = onnx.load_from_string(written)
    assert found.graph.SerializeToString() == model.graph.SerializeToString()
    assert {prop.key: prop.value for prop in found.metadata_props} == {
        "another": "x" * 300,
        "telltale": other.to_json(),
    }
    found.ClearField("metadata_props")
    model.ClearField("metadata_props")
    assert found.SerializeToString() == model.SerializeToString()


def test_predictions_are_the_very_same(data: bytes, tiny_spec: DetectorSpec) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 41, 3), dtype=np.uint8)
    other = from_bytes(with_spec(data, replace(tiny_spec, name="other"), ending=".onnx"), "other", threads=1)
    assert other.spec.name == "other"
    np.testing.assert_array_equal(other.predict(images), from_bytes(data, "tiny", threads=1).predict(images))


def test_writing_twice_is_writing_once(data: bytes, tiny_spec: DetectorSpec) -> None:
    once = with_spec(data, tiny_spec, ending=".onnx")
    assert with_spec(once, tiny_spec, ending=".onnx") == once


def test_safetensors_keep_every_tensor(tmp_path: Path, tiny_spec: DetectorSpec) -> None:
    numpy_files = pytest.importorskip("safetensors.numpy")
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([7], np.int64)}
    data = numpy_files.save(tensors, {"telltale": tiny_spec.to_json(), "format": "pt"})
    written = with_spec(data, replace(tiny_spec, name="other " * 50), ending=".safetensors")
    found = numpy_files.load(written)
    assert found.keys() == tensors.keys()
    assert all((found[name] == tensors[name]).all() for name in tensors)
    length = int.from_bytes(written[:8], "little")
    assert length % 8 == 0
    said = json.loads(written[8 : 8 + length])["__metadata__"]
    assert said["format"] == "pt"
    assert DetectorSpec.from_json(said["telltale"]).name == "other " * 50
    assert written[8 + length :] == data[8 + int.from_bytes(data[:8], "little") :]


@pytest.mark.parametrize("ending", [".onnx", ".safetensors"])
def test_a_file_cut_short_is_refused(data: bytes, tiny_spec: DetectorSpec, ending: str) -> None:
    with pytest.raises(InvalidDetector):
        with_spec(data[:-3] if ending == ".onnx" else data[:20], tiny_spec, ending=ending)
    with pytest.raises(InvalidDetector, match="Name one of the two"):
        with_spec(data, tiny_spec, ending=".pth")


@given(st.binary(max_size=60), st.sampled_from((".onnx", ".safetensors")))
def test_junk_gets_no_further_than_our_own_error(junk: bytes, ending: str) -> None:
    spec = DetectorSpec(name="x", architecture="y", preparation=Preparation(), grid=None)
    with suppress(InvalidDetector):
        with_spec(junk, spec, ending=ending)
