"""Which detectors the words of a command line mean."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from telltale.errors import InvalidConfig, InvalidDetector, require

DETECTOR = "A shipped detector's name, an ONNX file, or a safetensors file (torch)."
BACKENDS = "For ONNX files: onnxruntime or openvino. Safetensors files run on torch, with cuda on a GPU."

if TYPE_CHECKING:
    from telltale.detector import Detector


def check_backend(backend: str) -> None:
    """Refuse what is no backend, also for a detector that would run without it.

    Raises:
        InvalidConfig: an unknown name.
    """
    from telltale.runtime import Backend

    known = (*get_args(Backend), "cuda")
    if backend not in known:
        raise InvalidConfig(
            expected=f"a backend out of {', '.join(known)}", found=backend, do="Correct --backend, or leave it out."
        )


def load_detector(name_or_path: str, *, backend: str = "onnxruntime", threads: int = 0) -> "Detector":
    """A shipped detector's name, an ONNX file, or a safetensors file, which needs torch.

    Args:
        name_or_path: the detector.
        backend: "onnxruntime" or "openvino" run ONNX files; safetensors files run on torch, with "cuda" on a GPU.
        threads: tiles at the same time; 0 chooses.

    Raises:
        InvalidDetector: none of the three, which a Python function is not either, or damaged.
        InvalidConfig: an unknown backend; "cuda" with another kind of file, or without a GPU.
        MissingExtra: a safetensors file without the `[learn]` extra.
    """
    check_backend(backend)
    if Path(name_or_path).suffix == ".safetensors":
        require("torch", "learn")
        from telltale.learn.checkpoint import load as load_weights

        return load_weights(name_or_path, threads=max(1, threads), device="cuda" if backend == "cuda" else "cpu")
    if backend == "cuda":
        raise InvalidConfig(
            expected="a safetensors file, which torch runs on the GPU",
            found=name_or_path,
            do="Name the weights that `telltale train` wrote, or leave out --backend cuda.",
        )
    from telltale.evaluate.function_detector import is_function
    from telltale.runtime import load

    if is_function(name_or_path) and not Path(name_or_path).exists():
        raise InvalidDetector(
            expected="a shipped detector's name, an ONNX file, or a safetensors file",
            found=f"{name_or_path}, which names a Python function",
            do="Score functions with `telltale evaluate`, the only command that takes them.",
        )
    return load(name_or_path, backend=backend, threads=threads)
