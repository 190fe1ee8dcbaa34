"""Load an ONNX file as a detector: ONNX Runtime by default, OpenVINO where asked. Nothing here touches a network."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from telltale.detector import Detector, Predict
from telltale.errors import InvalidConfig, InvalidDetector, require
from telltale.spec import METADATA_KEY, DetectorSpec

Backend = Literal["onnxruntime", "openvino"]
# An engine's own run, whose answers and errors are not yet ours.
Run: TypeAlias = Callable[[UInt8[np.ndarray, "n height width 3"]], Shaped[np.ndarray, "..."]]

WEIGHTS = Path(__file__).parent / "weights"
# How every protobuf writer encodes the key under which a tensor names a file beside the model.
_EXTERNAL_DATA = b"\x0a\x08location"


def shipped() -> list[str]:
    """Names of the detectors that come with telltale, for `load`."""
    return sorted(path.stem for path in WEIGHTS.glob("*.onnx"))


def load(name_or_path: str | Path, *, backend: str = "onnxruntime", threads: int = 0) -> Detector:
    """A detector from an ONNX file that `telltale export` wrote.

    Args:
        name_or_path: a shipped detector's name (`shipped()` lists them), or a path; a file of that name wins.
        backend: "onnxruntime", or "openvino" (`[openvino]` extra; bfloat16 where the processor has it).
        threads: tiles predicted at the same time; 0 takes every core this process may use.

    Raises:
        InvalidDetector: an unknown name, no such file, not an ONNX file, one without telltale's spec or with weights in
            other files, or a graph that does not do what the spec says.
        InvalidConfig: an unknown backend, or a negative number of threads.
        MissingExtra: OpenVINO is not installed.
    """
    path = find(name_or_path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidDetector(
            expected="a file that can be read", found=f"{path}: {error.strerror}", do="Check its permissions."
        ) from error
    return from_bytes(data, str(path), backend=backend, threads=threads)


def from_bytes(data: bytes, name: str, *, backend: str = "onnxruntime", threads: int = 0) -> Detector:
    """`load`, for a file already in memory; `name` is what errors call it."""
    if backend not in get_args(Backend):
        raise InvalidConfig(
            expected=f"a backend out of {', '.join(get_args(Backend))}", found=backend, do="Choose one."
        )
    if threads < 0:
        raise InvalidConfig(expected="0 threads (every core) or more", found=str(threads), do="Give a number.")
    _check_whole(data, name)
    threads = threads or _cores()
    run, metadata = _onnxruntime(data, name) if backend == "onnxruntime" else _openvino(data, name, threads)
    detector = Detector(
        spec=stored_spec(metadata, name),
        predict=_predict(run, name),
        sha256=hashlib.sha256(data).hexdigest(),
        threads=threads,
    )
    _try(detector)
    return detector


def _check_whole(data: bytes, name: str) -> None:
    if _EXTERNAL_DATA in data:
        # Engines would look for such a file in the working directory.
        raise InvalidDetector(
            expected="an ONNX file that holds its own weights",
            found=f"{name}, which names other files for them",
            do="Export it with `telltale export`, which writes one file.",
        )


def stored_spec(metadata: Mapping[str, str], name: str) -> DetectorSpec:
    """The spec in a weights file's metadata.

    Raises:
        InvalidDetector: none there, or one that cannot be read; says of which file.
    """
    if METADATA_KEY not in metadata:
        raise InvalidDetector(
            expected="a weights file that telltale wrote",
            found=f"{name} without a detector's spec in its metadata",
            do="Name a file that `telltale train`, `import-original` (safetensors) or `export` (ONNX) wrote.",
        )
    try:
        return DetectorSpec.from_json(metadata[METADATA_KEY])
    except InvalidDetector as error:
        raise InvalidDetector(expected=error.expected, found=f"{error.found} in {name}", do=error.do) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """An ONNX graph that is no detector, such as a face parser: one array in, its first output out.

    Attributes:
        run: the graph.
        dtype: numpy's name of what it takes, such as "uint8" or "float32".
        metadata: what the file says of itself.
    """

    run: Callable[[Shaped[np.ndarray, "..."]], Shaped[np.ndarray, "..."]]
    dtype: str
    metadata: Mapping[str, str]


def open_graph(path: Path) -> Graph:
    """Any ONNX graph of one input, on ONNX Runtime with one thread; may be run from several threads.

    Raises:
        InvalidDetector: no such file, not an ONNX file, weights in other files, or more than one input.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidDetector(
            expected="an ONNX file", found=f"{path}: {error.strerror}", do="Check name and permissions."
        ) from error
    _check_whole(data, str(path))
    session = _session(data, str(path))
    taken = session.get_inputs()
    if len(taken) != 1:
        raise _no_graph(path, f"{len(taken)} inputs")

    def run(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        try:
            return np.asarray(session.run(None, {taken[0].name: values})[0])
        except Exception as error:
            raise _no_graph(path, f"an error for input of shape {values.shape} ({_brief(error)})") from error

    dtype = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}.get(taken[0].type, taken[0].type)
    return Graph(run=run, dtype=dtype, metadata=session.get_modelmeta().custom_metadata_map)


def find(name_or_path: str | Path) -> Path:
    """The ONNX file that `load` would read.

    Raises:
        InvalidDetector: neither a file nor a shipped detector.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    named = WEIGHTS / f"{name_or_path}.onnx"
    if path.name == str(name_or_path) and named.is_file():
        return named
    raise InvalidDetector(
        expected=f"an ONNX file, or a shipped detector ({', '.join(shipped()) or 'none here'})",
        found=f"{name_or_path}, which is neither",
        do="Check the name or path.",
    )


def _cores() -> int:
    """Cores this process may use: fewer than the machine has inside a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _predict(run: Run, name: str) -> Predict:
    """The engine's run with our errors: a picture too large for memory, or a graph other than the spec says."""

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        try:
            found = run(images)
        # Engines raise their own kinds, or RuntimeError, for everything.
        except Exception as error:
            if "alloc" in str(error):
                raise MemoryError(f"no memory for images of shape {images.shape}") from error
            raise _unfit(name, f"an error ({_brief(error)})") from error
        if found.dtype != np.float32 or found.ndim != 3:
            raise _unfit(name, f"{found.dtype} of shape {found.shape}")
        return found

    return predict


def _try(detector: Detector) -> None:
    """Score the smallest image: what does not fit together shows now, and not at the first of a million files."""
    grid, side = detector.spec.grid, detector.spec.preparation.side
    smallest = max(1, grid.size + 2 * grid.start) if grid is not None else side or 64
    detector.patch_logits(np.zeros((smallest, smallest, 3), np.uint8))


def _session(data: bytes, name: str) -> Any:
    # Here and not above: `import telltale` and `telltale --help` answer without it.
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Plans memory ahead for each new image size: slower and twice as large where sizes vary.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _not_onnx(name, error) from error


def _onnxruntime(data: bytes, name: str) -> tuple[Run, Mapping[str, str]]:
    """One session of one thread, called from several: tiles in parallel scale better than operators in parallel."""
    session = _session(data, name)
    try:
        (images,) = (found.name for found in session.get_inputs())
    except ValueError as error:
        raise _not_onnx(name, error) from error

    def run(pixels: UInt8[np.ndarray, "n height width 3"]) -> Shaped[np.ndarray, "..."]:
        return np.asarray(session.run(None, {images: pixels})[0])

    return run, session.get_modelmeta().custom_metadata_map


def _openvino(data: bytes, name: str, threads: int) -> tuple[Run, Mapping[str, str]]:
    """One compiled model, one stream and one infer request for each thread; bfloat16 where the processor has it."""
    engine: Any = require("openvino", "openvino")
    core = engine.Core()
    native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if native else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "ENABLE_CPU_PINNING": False,
        # Or it keeps kernels for every image size it has met, a megabyte each; to make them anew costs next to nothing.
        "CPU_RUNTIME_CACHE_CAPACITY": 0,
    }
    try:
        model = core.read_model(data, b"")
        place = ["framework", METADATA_KEY]
        metadata = {METADATA_KEY: model.get_rt_info(place).astype(str)} if model.has_rt_info(place) else {}
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise _not_onnx(name, error) from error
    idle: SimpleQueue[Any] = SimpleQueue()
    for _ in range(threads):
        idle.put(compiled.create_infer_request())

    def run(pixels: UInt8[np.ndarray, "n height width 3"]) -> Shaped[np.ndarray, "..."]:
        request = idle.get()
        try:
            # A copy: the request's own memory is overwritten by its next image.
            return np.array(request.infer({0: pixels})[0])
        finally:
            idle.put(request)

    return run, metadata


def _not_onnx(name: str, error: Exception) -> InvalidDetector:
    return InvalidDetector(
        expected="an ONNX file that `telltale export` wrote",
        found=f"{name}, which does not load ({_brief(error)})",
        do="Check the file, or export it again.",
    )


def _unfit(name: str, found: str) -> InvalidDetector:
    return InvalidDetector(
        expected="float32 log-odds (n, rows, columns) for uint8 images (n, height, width, 3)",
        found=f"{found} from {name}",
        do="Export it with `telltale export`.",
    )


def _no_graph(path: Path, found: str) -> InvalidDetector:
    return InvalidDetector(
        expected=f"a graph that takes one picture: {path}", found=found, do="Check what the file is, and its class map."
    )


def _brief(error: Exception) -> str:
    """The beginning of an engine's message, on one line."""
    return " ".join(str(error).split())[:200]
