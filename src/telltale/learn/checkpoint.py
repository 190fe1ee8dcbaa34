"""Weights on disk: safetensors with the detector's spec in the header, never a pickle."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised

from telltale.data.index import write_whole
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDetector
from telltale.learn.classifier import PatchClassifier, build
from telltale.learn.precision import full_float32
from telltale.runtime import stored_spec
from telltale.spec import METADATA_KEY, DetectorSpec


def save(path: Path, model: PatchClassifier, spec: DetectorSpec) -> None:
    """Write weights and spec, under a temporary name first, so that a file of this name is always whole.

    Raises:
        InvalidDetector: the spec describes another model.
        OSError: the file cannot be written; nothing is left behind.
    """
    if (spec.architecture, spec.grid) != (model.architecture, model.grid):
        raise InvalidDetector(
            expected=f"a spec of {model.architecture} with {model.grid}",
            found=f"one of {spec.architecture} with {spec.grid}",
            do="Store the model with its own spec.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # Channels-last training leaves strides that safetensors refuses; the numbers are the same.
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # safetensors' own writer makes files that only their owner may read, whatever the umask.
    write_whole(path, serialised(tensors, {METADATA_KEY: spec.to_json()}))


def restore(path: Path) -> tuple[PatchClassifier, DetectorSpec]:
    """The classifier and spec of a file that `save` wrote; the classifier is in inference mode.

    Raises:
        InvalidDetector: no such file, damaged, not telltale's, or weights that do not fit the architecture.
    """
    spec = read_spec(path)
    try:
        # Drawing the fresh weights must not move the random numbers of whoever loads a file.
        with torch.random.fork_rng(devices=[]):
            model = build(spec.architecture)
        with safe_open(path, "pt") as stream:
            model.load_state_dict({name: stream.get_tensor(name) for name in stream.keys()})  # noqa: SIM118
    except (InvalidConfig, RuntimeError, SafetensorError) as error:
        raise InvalidDetector(
            expected=f"the weights of {spec.architecture}",
            found=f"{path}: {' '.join(str(error).split())[:400]}",  # torch lists every parameter
            do="Train or import it again.",
        ) from error
    if model.grid != spec.grid:
        raise InvalidDetector(
            expected=f"the grid of {spec.architecture}, {model.grid}",
            found=f"{spec.grid} in {path}",
            do="Train or import it again.",
        )
    return model.eval(), spec


def read_spec(path: Path) -> DetectorSpec:
    """The spec in the header; no weights are read.

    Raises:
        InvalidDetector: no such file, not a safetensors file, or no telltale spec in it.
    """
    try:
        with safe_open(path, "pt") as stream:
            metadata = stream.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InvalidDetector(
            expected="a safetensors file of telltale", found=f"{path}: {error}", do="Check the path."
        ) from error
    return stored_spec(metadata, str(path))


def load(path: str | Path, *, threads: int = 1, device: Literal["cpu", "cuda"] = "cpu") -> Detector:
    """A detector that runs on torch: for measuring weights before they are exported, or on a GPU.

    Args:
        path: a safetensors file of telltale.
        threads: tiles predicted at the same time; torch's own threads come on top.
        device: where it runs; in full float32 (`full_float32`), so that scores are the CPU's to 1e-5.

    Raises:
        InvalidDetector: as `restore`.
        InvalidConfig: "cuda" where torch finds no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidConfig(
            expected="a CUDA device", found="none that torch can use", do="Leave the device at cpu, or mend the driver."
        )
    model, spec = restore(Path(path))
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        with torch.inference_mode(), full_float32():
            # Decoded pictures may be read-only, of which torch warns; only such ones are copied.
            pixels = torch.from_numpy(np.require(images, requirements=("C", "W"))).to(device)
            return np.asarray(model.from_pixels(pixels).float().cpu().numpy())

    return Detector(spec=spec, predict=predict, sha256=file_hash(Path(path)), threads=threads)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
