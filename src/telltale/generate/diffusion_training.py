"""Training of the small diffusion model: resumable, every random number a function of (seed, step).

The loss is the mean squared error of the velocity at times drawn evenly (Salimans and Ho, ICLR 2022), which weighs
noise and picture alike. What is kept is the running average of the weights.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from telltale.generate.diffusion import DiffusionModel, signal_and_noise
from telltale.generate.gan_training import drawn, follow
from telltale.generate.training_loop import Schedule, require_pictures, saved_steps

# Of the averaged weights, per step; the average starts short and grows to this.
_MEMORY = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig(Schedule):
    """How a diffusion model is trained.

    Attributes:
        steps: updates.
        batch: pictures per update, each at a time of its own.
        learning_rate: of Adam; rises over the first twentieth, then falls to zero along a cosine.
        seed: of weights, order, times and noise.
        save_every: steps between two states on the disk, each of which yields a record.
    """

    steps: int = 5500
    batch: int = 16
    learning_rate: float = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionProgress:
    """The state of a training when it was last saved: means since the save before.

    Attributes:
        step: updates done.
        error: mean squared error of the velocity, whose variance is about 1.
        seconds: since this process began or went on.
    """

    step: int
    error: float
    seconds: float


def train_diffusion(
    model: DiffusionModel, pictures: UInt8[Tensor, "n 3 64 64"], settings: DiffusionConfig, folder: Path
) -> Iterator[DiffusionProgress]:
    """Train in place, saving the state to `folder`; goes on where an earlier run stopped.

    When it ends, `model` holds the averaged weights.

    Args:
        model: untrained, or as it was when an earlier run began.
        pictures: uint8; each is mirrored in half of its turns.
        settings: how.
        folder: where the state is kept.

    Raises:
        InvalidConfig: fewer pictures than a batch.
        TrainingStopped: a state of other settings, a damaged one, or a loss that is no longer finite; the last good
            state stays on the disk.
    """
    require_pictures(len(pictures), settings.batch)
    average = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.Adam(model.parameters(), settings.learning_rate, (0.9, 0.99))

    def update(step: int) -> Float64[np.ndarray, " figures"]:
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * _share(step, settings.steps)
        error = _error(model, pictures, settings, step)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(error)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, min(_MEMORY, (step + 1) / (step + 10)))
        return np.array([error.item()])

    networks = {"model": model, "average": average}
    for step, (error,), seconds in saved_steps(folder, settings, networks, {"model": optimiser}, update):
        yield DiffusionProgress(step=step, error=float(error), seconds=seconds)
    model.load_state_dict(average.state_dict())


def _share(step: int, steps: int) -> float:
    return min(1.0, 20 * (step + 1) / steps) * (1 + cos(pi * step / steps)) / 2


def _error(model: DiffusionModel, pictures: UInt8[Tensor, "n 3 64 64"], settings: DiffusionConfig, step: int) -> Tensor:
    # Drawn on the CPU, so that a seed means the same on every device.
    device = model.into.weight.device
    real = drawn(pictures, settings.batch, settings.seed, step).to(device)
    random = torch.Generator().manual_seed(settings.seed * 2**32 + step)
    # Evenly spread over the batch, so that no step sees only late times.
    times = ((torch.arange(len(real)) + torch.rand(len(real), generator=random)) / len(real)).to(device)
    signal, noise = signal_and_noise(times)
    drawn_noise = torch.randn(real.shape, generator=random).to(device)
    said = model.velocity(signal * real + noise * drawn_noise, times)
    return (said - (signal * drawn_noise - noise * real)).square().mean()
