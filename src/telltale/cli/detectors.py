"""Which detectors the words of a command line mean."""

from pathlib import Path
from typing import TYPE_CHECKING

from telltale.errors import require

if TYPE_CHECKING:
    from telltale.detector import Detector


def load_detector(name_or_path: str, *, backend: str = "onnxruntime", threads: int = 0) -> "Detector":
    """A shipped detector's name, an ONNX file, or a safetensors file, which needs torch.

    Raises:
        InvalidDetector: none of the three, or damaged.
        MissingExtra: a safetensors file without the `[learn]` extra.
    """
    if Path(name_or_path).suffix == ".safetensors":
        require("torch", "learn")
        from telltale.learn.checkpoint import load as load_weights

        return load_weights(name_or_path, threads=max(1, threads))
    from telltale.runtime import load

    return load(name_or_path, backend=backend, threads=threads)
