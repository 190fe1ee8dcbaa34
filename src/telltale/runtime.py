"""Load an ONNX file as a detector: ONNX Runtime by default, OpenVINO where asked. Nothing here touches a network."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8

from telltale.detector import Detector, Predict
from telltale.errors import InvalidConfig, InvalidDetector, require
from telltale.spec import METADATA_KEY, DetectorSpec

Backend = Literal["onnxruntime", "openvino"]

WEIGHTS = Path(__file__).parent / "weights"


def shipped() -> list[str]:
    """Names of the detectors that come with telltale, for `load`."""
    return sorted(path.stem for path in WEIGHTS.glob("*.onnx"))


def load(name_or_path: str | Path, *, backend: str = "onnxruntime", threads: int = 0) -> Detector:
    """A detector from an ONNX file that `telltale export` wrote.

    Args:
        name_or_path: a shipped detector's name (`shipped()` lists them), or a path.
        backend: "onnxruntime", or "openvino" (`[openvino]` extra; bfloat16 where the processor has it).
        threads: tiles predicted at the same time; 0 takes every core this process may use.

    Raises:
        InvalidDetector: an unknown name, no such file, not an ONNX file, or one without telltale's spec.
        InvalidConfig: an unknown backend, or a negative number of threads.
        MissingExtra: OpenVINO is not installed.
    """
    if backend not in get_args(Backend):
        raise InvalidConfig(
            expected=f"a backend out of {', '.join(get_args(Backend))}", found=backend, do="Choose one."
        )
    if threads < 0:
        raise InvalidConfig(expected="0 threads (every core) or more", found=str(threads), do="Give a number.")
    path = _find(name_or_path)
    return from_bytes(path.read_bytes(), str(path), backend=backend, threads=threads)


def from_bytes(data: bytes, name: str, *, backend: str = "onnxruntime", threads: int = 0) -> Detector:
    """`load`, for a file already in memory; `name` is what errors call it."""
    predict, metadata = _BACKENDS[backend](data, name)
    if METADATA_KEY not in metadata:
        raise InvalidDetector(
            expected="an ONNX file that `telltale export` wrote",
            found=f"{name} without a detector's spec in its metadata",
            do="Export it with `telltale export`.",
        )
    return Detector(
        spec=DetectorSpec.from_json(metadata[METADATA_KEY]),
        predict=predict,
        sha256=hashlib.sha256(data).hexdigest(),
        threads=threads or _cores(),
    )


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.is_file():
        return path
    named = WEIGHTS / f"{name_or_path}.onnx"
    if named.is_file() and path.name == str(name_or_path):
        return named
    raise InvalidDetector(
        expected=f"an ONNX file, or a shipped detector ({', '.join(shipped()) or 'none here'})",
        found=f"{name_or_path}, which is neither",
        do="Check the name or path.",
    )


def _cores() -> int:
    """Cores this process may use: fewer than the machine has inside a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _onnxruntime(data: bytes, path: str) -> tuple[Predict, dict[str, str]]:
    """One session of one thread, called from several: tiles in parallel scale better than operators in parallel."""
    engine: Any = require("onnxruntime", "detect")
    options = engine.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = engine.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _not_onnx(path, error) from error
    name = session.get_inputs()[0].name

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        return np.asarray(session.run(None, {name: images})[0])

    return predict, dict(session.get_modelmeta().custom_metadata_map)


def _openvino(data: bytes, path: str) -> tuple[Predict, dict[str, str]]:
    """One infer request per thread; bfloat16 where the processor multiplies it natively, float32 elsewhere."""
    engine: Any = require("openvino", "openvino")
    core = engine.Core()
    half = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {"INFERENCE_PRECISION_HINT": "bf16" if half else "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    try:
        model = core.read_model(data, b"")
        metadata = {key: model.get_rt_info(["framework", key]).astype(str) for key in (METADATA_KEY,)}
        compile_model: Callable[[], Any] = lambda: core.compile_model(model, "CPU", settings)  # noqa: E731
    except RuntimeError as error:
        raise _not_onnx(path, error) from error
    local = threading.local()

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        if not hasattr(local, "request"):
            local.request = compile_model().create_infer_request()
        return np.array(local.request.infer({0: images})[0])

    return predict, metadata


def _not_onnx(path: str, error: Exception) -> InvalidDetector:
    return InvalidDetector(expected="an ONNX file", found=f"{path}: {error}", do="Export it again.")


_BACKENDS = {"onnxruntime": _onnxruntime, "openvino": _openvino}
