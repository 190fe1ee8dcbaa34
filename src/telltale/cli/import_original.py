"""`telltale import-original`: a checkpoint of the paper's released code as a telltale detector."""

from pathlib import Path
from typing import Annotated

import typer

from telltale.errors import require


def import_original(
    checkpoint: Annotated[Path, typer.Argument(help="A *_net_D.pth file of the paper's released code.")],
    architecture: Annotated[str, typer.Option(help="What it was trained as, such as xception_block2.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    side: Annotated[int | None, typer.Option(min=1, help="Input side; default 299 for Xception, 224 else.")] = None,
    stored_side: Annotated[int, typer.Option(min=1, help="Side at which its images were stored.")] = 128,
) -> None:
    """Read the checkpoint without unpickling anything but tensors, and write weights and spec as safetensors."""
    require("torch", "learn")
    from telltale.learn.original import import_checkpoint

    spec = import_checkpoint(checkpoint, architecture, out, side=side, stored_side=stored_side)
    print(f"{out}: {spec.architecture}, prepared at {spec.preparation.side} px, not calibrated")
