"""StyleGAN2 generators from files of others: two layouts of parameter names, told apart by the names themselves.

- "nvidia": the names of stylegan2-ada-pytorch and of what came after (`mapping.fc0.weight`, `synthesis.b4.const`).
- "rosinality": those of the common reimplementation (`style.1.weight`, `input.input`, `convs.0.conv.weight`).

Both hold the same numbers in other shapes. Only safetensors are read; docs/generators.md says how to write one from a
pickle that you trust. A file without the average style can be read, but not truncated.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from telltale.errors import InvalidConfig
from telltale.generate.stylegan2 import FILTER, SMALLEST, StyleGan2

_AVERAGE = {"nvidia": "mapping.w_avg", "rosinality": "latent_avg"}
_START = {"nvidia": "synthesis.b4.const", "rosinality": "input.input"}
# Where a checkpoint of several networks was written whole.
_PREFIXES = ("g_ema.", "G_ema.")
# Buffers that repeat the filter.
_FILTERS = (".resample_filter", ".kernel")
_SHOWN = 5


def layout_of(names: Mapping[str, object]) -> str | None:
    """ "nvidia" or "rosinality" where the names are those of a StyleGAN2 generator, else None."""
    plain = {_plain(name) for name in names}
    return next((layout for layout, start in _START.items() if start in plain), None)


def stylegan2(path: Path, *, truncation: float = 1.0, clamp: float | None = None) -> StyleGan2:
    """The generator in a safetensors file of either layout, ready for inference, as float32.

    Args:
        path: the file.
        truncation: how far styles are drawn towards the average, in [0, 1]; 1 is not at all.
        clamp: what activations are kept within; the file does not say. 256 where it was trained so, as NVIDIA's are.

    Raises:
        InvalidConfig: missing, damaged, of neither layout, parameters missing or left over, another filter, a
            truncation without the average in the file.
    """
    try:
        tensors = {_plain(name): tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InvalidConfig(expected=f"a safetensors file: {path}", found=str(error), do="Fetch it again.") from error
    layout = layout_of(tensors)
    if layout is None:
        raise InvalidConfig(
            expected=f"a StyleGAN2 generator, which has a {' or a '.join(_START.values())}",
            found=f"{path} with {', '.join(sorted(tensors)[:_SHOWN]) or 'nothing'}",
            do="Write the generator's state alone into a safetensors file: docs/generators.md.",
        )
    filters = {name: tensors.pop(name) for name in list(tensors) if name.endswith(_FILTERS)}
    _check_filters(path, filters)
    average = tensors.pop(_AVERAGE[layout], None)
    if average is None and truncation != 1:
        raise InvalidConfig(
            expected=f"the average style, {_AVERAGE[layout]}, since a truncation of {truncation} was asked for",
            found=f"{path} without it",
            do="Leave the truncation at 1, or add the average to the file.",
        )
    model = _sized(path, tensors, layout, truncation, clamp)
    state = _renamed(path, tensors, model.state_dict(), layout)
    state["average"] = model.average if average is None else average.reshape(model.average.shape)
    model.load_state_dict(state)
    return model.eval()


def _plain(name: str) -> str:
    return next((name.removeprefix(one) for one in _PREFIXES if name.startswith(one)), name)


def _check_filters(path: Path, filters: Mapping[str, Tensor]) -> None:
    axis = torch.tensor(FILTER) / sum(FILTER)
    for name, given in filters.items():
        whole = torch.outer(axis, axis)
        if given.shape != whole.shape or not torch.allclose(given / given.sum(), whole, atol=1e-5):
            raise InvalidConfig(
                expected=f"the filter {FILTER} in both directions",
                found=f"{name} of shape {tuple(given.shape)} in {path}",
                do="Only generators with StyleGAN2's own filter can be read.",
            )


def _sized(path: Path, tensors: Mapping[str, Tensor], layout: str, truncation: float, clamp: float | None) -> StyleGan2:
    """An empty generator of the sizes that the tensors have."""
    foreign = _name_in(layout)
    mapped = 0
    while foreign(f"mapping.{mapped}.weight") in tensors:
        mapped += 1
    try:
        first, last = (tensors[foreign(f"mapping.{place}.weight")] for place in (0, mapped - 1))
        channels = [tensors[foreign("colours.0.weight")].shape[-3]]
        while foreign(f"colours.{len(channels)}.weight") in tensors:
            channels.append(tensors[foreign(f"colours.{len(channels)}.weight")].shape[-3])
        return StyleGan2(
            latent=first.shape[1],
            style=last.shape[0],
            layers=mapped,
            channels=channels,
            truncation=truncation,
            clamp=clamp,
        )
    except (KeyError, IndexError) as error:
        raise InvalidConfig(
            expected=f"a mapping network and colours in the {layout} layout",
            found=f"{path} without {error}",
            do="Write the whole generator's state into the file.",
        ) from error


def _renamed(path: Path, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], layout: str) -> dict[str, Tensor]:
    """The tensors under our names, in our shapes."""
    foreign = _name_in(layout)
    names = {own: foreign(own) for own in wanted if own != "average"}
    missing = sorted(name for name in names.values() if name not in tensors)
    left = sorted(set(tensors) - set(names.values()))
    # Both layouts write what we keep as (3,) or () with ones around it.
    misfits = sorted(
        name
        for own, name in names.items()
        if name in tensors and _without_ones(tensors[name]) != _without_ones(wanted[own])
    )
    if missing or left or misfits:
        said = (("missing", missing), ("left over", left), ("of other shapes", misfits))
        raise InvalidConfig(
            expected=f"a StyleGAN2 generator without classes, with skips, in the {layout} layout",
            found=f"{path}: "
            + "; ".join(f"{len(which)} {what}, such as {', '.join(which[:_SHOWN])}" for what, which in said if which),
            do="Write the generator's state alone into a safetensors file: docs/generators.md.",
        )
    return {own: tensors[name].reshape(wanted[own].shape) for own, name in names.items()}


def _without_ones(tensor: Tensor) -> list[int]:
    return [length for length in tensor.shape if length != 1]


def _name_in(layout: str) -> Callable[[str], str]:
    return _nvidia if layout == "nvidia" else _rosinality


def _nvidia(own: str) -> str:
    """One of our names as NVIDIA's."""
    if own == "start":
        return _START["nvidia"]
    group, number, rest = _parts(own)
    if group == "mapping":
        return f"mapping.fc{number}.{rest}"
    if group == "colours":
        return f"synthesis.b{SMALLEST << number}.torgb.{rest}"
    # The smallest resolution has the second of two convolutions alone.
    side, place = SMALLEST << ((number + 1) // 2), (number + 1) % 2
    rest = {"strength": "noise_strength", "noise": "noise_const"}.get(rest, rest)
    return f"synthesis.b{side}.conv{place}.{rest}"


def _rosinality(own: str) -> str:
    """One of our names as rosinality's."""
    if own == "start":
        return _START["rosinality"]
    group, number, rest = _parts(own)
    if group == "mapping":
        # Place 0 is a normalisation without parameters.
        return f"style.{number + 1}.{rest}"
    if rest == "noise":
        return f"noises.noise_{number}"
    rest = rest.replace("affine.", "conv.modulation.")
    if group == "colours":
        return f"{'to_rgb1' if number == 0 else f'to_rgbs.{number - 1}'}.{'conv.weight' if rest == 'weight' else rest}"
    rest = {"weight": "conv.weight", "bias": "activate.bias", "strength": "noise.weight"}.get(rest, rest)
    return f"{'conv1' if number == 0 else f'convs.{number - 1}'}.{rest}"


def _parts(own: str) -> tuple[str, int, str]:
    found = re.fullmatch(r"(mapping|layers|colours)\.(\d+)\.(.+)", own)
    assert found is not None, f"{own}: a parameter that no layout names"
    return found[1], int(found[2]), found[3]
