"""Classifiers whose every parameter matters: batch norm in particular, which fresh weights leave at the identity."""

import numpy as np
import torch
from torch import nn

from telltale.image import Pixels, Preparation
from telltale.learn.classifier import PatchClassifier, build
from telltale.spec import DetectorSpec


def randomised(architecture: str, seed: int = 0) -> PatchClassifier:
    """In inference mode; log-odds of order 1, so that an absolute tolerance means something."""
    torch.manual_seed(seed)
    model = build(architecture).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    side = model.input_side or 128
    with torch.inference_mode():
        spread = model.pair(model.scaled(torch.from_numpy(noise(side, side)[None]))).abs().mean()
    model.convout.weight.data /= spread
    assert model.convout.bias is not None
    model.convout.bias.data /= spread
    return model


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Blocks of 3 px, so that deep features see contrast too."""
    drawn = np.random.default_rng(seed).integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
    return np.ascontiguousarray(drawn.repeat(3, axis=0).repeat(3, axis=1)[:height, :width])


def spec_of(model: PatchClassifier) -> DetectorSpec:
    """Native pixels, or the one size that fits."""
    side = model.input_side
    preparation = Preparation() if side is None else Preparation(side=side, fit="square")
    return DetectorSpec(
        name="random",
        architecture=model.architecture,
        preparation=preparation,
        grid=model.grid,
        made_with={"by": "a test"},
    )
