"""Which engine a detector's name and --backend come to."""

from pathlib import Path

import pytest

from telltale.cli.detectors import load_detector
from telltale.errors import InvalidConfig, InvalidDetector


def test_a_gpu_runs_safetensors_files_only() -> None:
    with pytest.raises(InvalidConfig, match="expected a safetensors file"):
        load_detector("telltale-faces", backend="cuda")


@pytest.mark.parametrize("detector", ["telltale-faces", "weights.safetensors"])
def test_an_unknown_engine_is_named(detector: str) -> None:
    with pytest.raises(InvalidConfig, match="expected a backend out of onnxruntime, openvino, cuda; found tensorrt"):
        load_detector(detector, backend="tensorrt")


@pytest.mark.parametrize("word", ["theirs.py:score", "package.module:score"])
def test_a_function_is_sent_to_the_command_that_takes_it(word: str) -> None:
    with pytest.raises(InvalidDetector, match=f"found {word}, which names a Python function. .*`telltale evaluate`"):
        load_detector(word)


def test_a_file_with_a_colon_in_its_name_is_a_file(
    tiny_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine:tiny").write_bytes(tiny_detector.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert load_detector("mine:tiny").spec.name == "tiny"
