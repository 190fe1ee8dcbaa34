"""Random weights of a small StyleGAN2, under the names and in the shapes of two implementations."""

from pathlib import Path

import torch
from generator_weights import seeded
from safetensors.torch import save_file
from torch import Tensor

LATENT, STYLE = 5, 6
CHANNELS = {4: 8, 8: 7, 16: 4}


def nvidia() -> dict[str, Tensor]:
    """Random weights under the names and in the shapes of stylegan2-ada-pytorch, for pictures of 16 px."""
    with seeded(3):
        axis = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        state = {
            "mapping.fc0.weight": torch.randn(STYLE, LATENT) * 100,
            "mapping.fc0.bias": torch.randn(STYLE) * 30,
            "mapping.fc1.weight": torch.randn(STYLE, STYLE) * 100,
            "mapping.fc1.bias": torch.randn(STYLE) * 30,
            "mapping.w_avg": torch.randn(STYLE),
            "synthesis.b4.const": torch.randn(CHANNELS[4], 4, 4),
        }
        for side, width in CHANNELS.items():
            block = f"synthesis.b{side}"
            state[f"{block}.resample_filter"] = torch.outer(axis, axis)
            for place in (0, 1) if side > 4 else (1,):
                inputs = CHANNELS[side // 2] if place == 0 else width
                name = f"{block}.conv{place}"
                state |= {
                    f"{name}.weight": torch.randn(width, inputs, 3, 3),
                    f"{name}.affine.weight": torch.randn(inputs, STYLE),
                    f"{name}.affine.bias": 1 + torch.randn(inputs) / 5,
                    f"{name}.bias": torch.randn(width) / 5,
                    f"{name}.noise_strength": torch.randn(()),
                    f"{name}.noise_const": torch.randn(side, side),
                    f"{name}.resample_filter": torch.outer(axis, axis),
                }
            state |= {
                f"{block}.torgb.weight": torch.randn(3, width, 1, 1),
                f"{block}.torgb.affine.weight": torch.randn(width, STYLE),
                f"{block}.torgb.affine.bias": 1 + torch.randn(width) / 5,
                f"{block}.torgb.bias": torch.randn(3) / 5,
            }
    return state


def rosinality(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as the common reimplementation names and shapes them."""
    axis = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    made = {
        **{f"style.{n + 1}.{kind}": state[f"mapping.fc{n}.{kind}"] for n in (0, 1) for kind in ("weight", "bias")},
        "latent_avg": state["mapping.w_avg"],
        "input.input": state["synthesis.b4.const"][None],
    }
    layers = {"conv1": "b4.conv1", "convs.0": "b8.conv0", "convs.1": "b8.conv1"}
    layers |= {"convs.2": "b16.conv0", "convs.3": "b16.conv1"}
    for number, (ours, theirs) in enumerate(layers.items()):
        given = {kind: state[f"synthesis.{theirs}.{kind}"] for kind in ("weight", "bias", "noise_strength")}
        made |= {
            f"{ours}.conv.weight": given["weight"][None],
            f"{ours}.conv.modulation.weight": state[f"synthesis.{theirs}.affine.weight"],
            f"{ours}.conv.modulation.bias": state[f"synthesis.{theirs}.affine.bias"],
            f"{ours}.activate.bias": given["bias"],
            f"{ours}.noise.weight": given["noise_strength"][None],
            f"noises.noise_{number}": state[f"synthesis.{theirs}.noise_const"][None, None],
        }
        if theirs.endswith("conv0"):
            made[f"{ours}.conv.blur.kernel"] = torch.outer(axis, axis) * 4
    for ours, theirs in {"to_rgb1": "b4", "to_rgbs.0": "b8", "to_rgbs.1": "b16"}.items():
        made |= {
            f"{ours}.conv.weight": state[f"synthesis.{theirs}.torgb.weight"][None],
            f"{ours}.conv.modulation.weight": state[f"synthesis.{theirs}.torgb.affine.weight"],
            f"{ours}.conv.modulation.bias": state[f"synthesis.{theirs}.torgb.affine.bias"],
            f"{ours}.bias": state[f"synthesis.{theirs}.torgb.bias"][None, :, None, None],
        }
        if ours != "to_rgb1":
            made[f"{ours}.upsample.kernel"] = torch.outer(axis, axis) * 4
    return made


def written(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    return path
