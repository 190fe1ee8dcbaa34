"""`telltale export`: weights that torch trained, as an ONNX file that needs no torch."""

from pathlib import Path
from typing import Annotated

import typer

from telltale.errors import require


def export(
    weights: Annotated[Path, typer.Argument(help="A safetensors file of `telltale train` or `import-original`.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    name: Annotated[str | None, typer.Option(help="What results will call the detector.")] = None,
) -> None:
    """Write a detector as ONNX, after checking that torch and ONNX Runtime agree to 1e-4."""
    require("torch", "learn")
    from telltale.learn.export import export as write

    gap = write(weights, out, name=name)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB; torch and ONNX Runtime differ by at most {gap:.1g} log-odds")
