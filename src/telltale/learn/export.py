"""From safetensors to ONNX: one file that needs no torch, checked against torch before it is written."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from telltale import __version__
from telltale.data.index import write_whole
from telltale.errors import InvalidDetector
from telltale.learn.checkpoint import file_hash, restore
from telltale.learn.classifier import PatchClassifier, PixelInput
from telltale.runtime import from_bytes
from telltale.spec import METADATA_KEY, DetectorSpec

INPUT, OUTPUT = "images", "patch_logits"
TOLERANCE = 1e-4


def export(weights: Path, out: Path, *, name: str | None = None) -> float:
    """Write a detector as ONNX: uint8 images (n, height, width, 3) in, log-odds (n, rows, columns) out.

    Scaling and channel order are inside the graph, number and size of the images are free, the spec is in the
    metadata under `telltale`.

    Args:
        weights: a safetensors file of telltale.
        out: the ONNX file, written under a temporary name first.
        name: what results will call the detector; its present name where None.

    Returns:
        The largest difference between torch and ONNX Runtime, as `disagreement` gives it.

    Raises:
        InvalidDetector: the weights cannot be read, or torch and ONNX Runtime differ by more than 1e-4, as
            `disagreement` counts it; then nothing is written.
    """
    model, spec = restore(weights)
    made_with = {**spec.made_with, "exported_with": f"telltale {__version__}", "safetensors_sha256": file_hash(weights)}
    spec = replace(spec, name=name or spec.name, made_with=made_with)
    data = to_onnx(model, spec)
    gap = disagreement(model, data)
    if not gap <= TOLERANCE:
        raise InvalidDetector(
            expected=f"torch and ONNX Runtime to agree to {TOLERANCE}",
            found=f"a difference of {gap:.2g} for {weights}",
            do="Nothing was written. Check the weights for huge or vanishing batch-norm variances.",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, data)
    return gap


def to_onnx(model: PatchClassifier, spec: DetectorSpec) -> bytes:
    """The ONNX file's bytes, batch normalisation folded into the convolutions; the same for the same weights."""
    side = model.input_side
    example = torch.zeros(2, *((side, side) if side else (131, 100)), 3, dtype=torch.uint8)
    sizes = {0: Dim("n")} if side else {0: Dim("n"), 1: Dim("height"), 2: Dim("width")}
    # A whole-image baseline's rows and columns are a plain 1; others would be a formula of the exporter's.
    return graph_bytes(
        PixelInput(model).eval(),
        example,
        sizes,
        names=(INPUT, OUTPUT),
        axes=("rows", "columns"),
        metadata={METADATA_KEY: spec.to_json()},
    )


def graph_bytes(
    module: nn.Module,
    example: Tensor,
    sizes: Mapping[int, Any],
    *,
    names: tuple[str, str],
    metadata: Mapping[str, str],
    axes: tuple[str, ...] = (),
) -> bytes:
    """An ONNX file's bytes for a module of one input and one output.

    Args:
        module: in inference mode.
        example: of the input.
        sizes: which axes of the input are free, and what they are called.
        names: of input and output.
        metadata: written into the file.
        axes: what the output's free axes after the first are called.
    """
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=(dict(sizes),),
            input_names=[names[0]],
            output_names=[names[1]],
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    # The exporter notes paths of the machine it ran on beside every node.
    for node in proto.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for size, name in zip(proto.graph.output[0].type.tensor_type.shape.dim[1:], axes, strict=False):
        if size.dim_param:
            size.dim_param = name
    onnx.helper.set_model_props(proto, dict(metadata))
    return bytes(proto.SerializeToString())


def disagreement(model: PatchClassifier, data: bytes) -> float:
    """The largest difference between torch and ONNX Runtime, in log-odds, on noise of two sizes and batches.

    Of log-odds beyond 1 the difference counts as a share of them: float32 keeps seven digits, and a deep network may
    say 200 of noise that it never saw.
    """
    detector = from_bytes(data, "the exported file", threads=1)
    draw = np.random.default_rng(0)
    side = model.input_side
    shapes = ((1, side, side), (3, side, side)) if side else ((1, 203, 160), (2, 97, 142))
    gaps = []
    for shape in shapes:
        images = draw.integers(0, 256, (*shape, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected: Tensor = model.eval().from_pixels(torch.from_numpy(images))
        wanted = expected.numpy()
        gaps.append((np.abs(detector.predict(images) - wanted) / np.maximum(1, np.abs(wanted))).max())
    return float(max(gaps))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress, and warns of its own insides and of packages nobody here needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            # torch copies its own deprecated records.
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
