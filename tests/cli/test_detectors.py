"""Which engine a detector's name and --backend come to."""

import pytest

from telltale.cli.detectors import load_detector
from telltale.errors import InvalidConfig


def test_a_gpu_runs_safetensors_files_only() -> None:
    with pytest.raises(InvalidConfig, match="expected a safetensors file"):
        load_detector("telltale-faces", backend="cuda")


@pytest.mark.parametrize("detector", ["telltale-faces", "weights.safetensors"])
def test_an_unknown_engine_is_named(detector: str) -> None:
    with pytest.raises(InvalidConfig, match="expected a backend out of onnxruntime, openvino, cuda; found tensorrt"):
        load_detector(detector, backend="tensorrt")
