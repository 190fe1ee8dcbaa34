"""Weights of generators: safetensors only, every name accounted for."""

from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from telltale.errors import InvalidConfig

Module = TypeVar("Module", bound=nn.Module)


def with_weights(module: Module, path: Path) -> Module:
    """Fill a module from a safetensors file; ready for inference, as float32.

    Raises:
        InvalidConfig: the file is missing, damaged, or made for another structure; names the file and up to five keys.
    """
    if not path.is_file():
        raise InvalidConfig(
            expected=f"the weights {path.name}",
            found=f"no such file: {path}",
            do="Point --generators at the folder that holds the generators' safetensors files.",
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise InvalidConfig(expected="a safetensors file", found=f"{path}: {error}", do="Fetch it again.") from error
    own = module.state_dict()
    # Some exporters leave out this counter, which inference never reads.
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    given = {name for name in tensors if not name.endswith("num_batches_tracked")}
    wrong = sorted(wanted ^ given) + sorted(n for n in wanted & given if own[n].shape != tensors[n].shape)
    if wrong:
        raise InvalidConfig(
            expected=f"the weights of a {type(module).__name__}",
            found=f"{path} with {len(wrong)} names or shapes that do not fit: {', '.join(wrong[:5])}",
            do="Name the file made for this generator.",
        )
    module.load_state_dict({name: tensors[name].float() for name in wanted}, strict=False)
    return module.float().eval()
