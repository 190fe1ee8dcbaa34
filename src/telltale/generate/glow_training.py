"""Training of the small normalising flow by likelihood: resumable, every random number a function of (seed, step)."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import cos, log, pi
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from telltale.errors import InvalidConfig
from telltale.generate.gan_training import drawn, follow
from telltale.generate.glow import Glow
from telltale.generate.training_loop import Schedule, require_pictures, saved_steps

# Of the averaged weights, per step; the average starts short and grows to this.
_MEMORY = 0.998
# A step of 8 bits in [-1, 1].
_LEVEL = 1 / 127.5


@dataclass(frozen=True, slots=True, kw_only=True)
class GlowConfig(Schedule):
    """How a flow is trained.

    Attributes:
        steps: updates.
        batch: pictures per update.
        learning_rate: of Adam; rises over the first twentieth, then falls to zero along a cosine.
        seed: of weights, order and noise.
        save_every: steps between two states on the disk, each of which yields a record.
        levels: width of the even noise that is added to pixels, in steps of 8 bits: 1 fills the gaps between them, 8 is
            what five bits per channel leave (Kingma and Dhariwal's choice for faces): less to learn that nobody sees.
    """

    steps: int = 1500
    batch: int = 16
    learning_rate: float = 1e-3
    levels: float = 8.0

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: a count below 1, or a learning rate or levels that are not positive.
        """
        Schedule.__post_init__(self)
        if not self.levels > 0:
            raise InvalidConfig(expected="positive levels", found=str(self.levels), do="Correct the number.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GlowProgress:
    """The state of a training when it was last saved: means since the save before.

    Attributes:
        step: updates done.
        bits: per pixel and channel, of the noisy pictures in steps of `levels`; lower is likelier.
        seconds: since this process began or went on.
    """

    step: int
    bits: float
    seconds: float


def train_glow(
    model: Glow, pictures: UInt8[Tensor, "n 3 side side"], settings: GlowConfig, folder: Path
) -> Iterator[GlowProgress]:
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
    model.train()
    average = deepcopy(model).requires_grad_(False)
    optimiser = torch.optim.Adam(model.parameters(), settings.learning_rate)

    def update(step: int) -> Float64[np.ndarray, " figures"]:
        for group in optimiser.param_groups:
            rise = min(1.0, 20 * (step + 1) / settings.steps)
            group["lr"] = settings.learning_rate * rise * (1 + cos(pi * step / settings.steps)) / 2
        bits = _bits(model, pictures, settings, step)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(bits)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, min(_MEMORY, (step + 1) / (step + 10)))
        return np.array([bits.item()])

    networks = {"model": model, "average": average}
    for step, (bits,), seconds in saved_steps(folder, settings, networks, {"model": optimiser}, update):
        yield GlowProgress(step=step, bits=float(bits), seconds=seconds)
    model.load_state_dict(average.state_dict())
    model.eval()


def _bits(model: Glow, pictures: UInt8[Tensor, "n 3 side side"], settings: GlowConfig, step: int) -> Tensor:
    # Drawn on the CPU, so that a seed means the same on every device.
    real = drawn(pictures, settings.batch, settings.seed, step)
    random = torch.Generator().manual_seed(settings.seed * 2**32 + step)
    noisy = real + (torch.rand(real.shape, generator=random) - 0.5) * settings.levels * _LEVEL
    noisy = noisy.to(next(model.parameters()).device)
    bits: Tensor = -model.log_likelihood(noisy).mean() / model.latent / log(2) - log(settings.levels * _LEVEL) / log(2)
    return bits
