"""Training of the small variational autoencoder: resumable, every random number a function of (seed, step).

The evidence lower bound of Kingma and Welling (ICLR 2014): pixels are normal around what the decoder says, with one
fixed variance; latents are pulled towards the standard normal distribution. That variance decides what samples look
like, and the likeliest one is far too small for them: at a deviation of 0.3, near the decoder's own error, the codes of
faces leave most of the prior empty, and a sample is noise. A larger one is a greater weight of the prior (Higgins et
al., *beta-VAE*, ICLR 2017, whose beta is its square over the likeliest one's); that weight grows over the first steps,
so that the encoder has something to say before it is told to be brief.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.training_state import read_facts, restore, save
from telltale.generate.vae import LATENT, Vae

STATE_FILE = "state.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeConfig:
    """How the autoencoder is trained.

    Attributes:
        steps: updates.
        batch: pictures per update.
        learning_rate: of Adam; falls to zero along a cosine.
        deviation: of pixels around the decoder's answer, where black is -1 and white 1; smaller is sharper and farther
            from the latents' prior.
        warm_up: share of the steps over which the prior's weight grows from 0 to its whole, in [0, 1].
        seed: of order and latents.
        save_every: steps between two states on the disk, each of which yields a record.
    """

    steps: int = 4000
    batch: int = 32
    learning_rate: float = 1e-3
    deviation: float = 3.0
    warm_up: float = 0.2
    seed: int = 0
    save_every: int = 500

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: a count below 1, a learning rate or deviation that is not positive, or a share out of range.
        """
        positive = self.learning_rate > 0 and self.deviation > 0
        if min(self.steps, self.batch, self.save_every) < 1 or not (positive and 0 <= self.warm_up <= 1):
            raise InvalidConfig(
                expected="steps, batch and save_every of 1 or more, a positive learning rate and deviation, and a "
                "warm_up in [0, 1]",
                found=str(asdict(self)),
                do="Correct the numbers.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeProgress:
    """The state of a training when it was last saved: means since the save before.

    Attributes:
        step: updates done.
        error: root mean square of pixel errors, in [-1, 1] units.
        divergence: from the prior, nats per picture.
        seconds: since this process began or went on.
    """

    step: int
    error: float
    divergence: float
    seconds: float


def train_vae(
    model: Vae, pictures: UInt8[Tensor, "n 3 64 64"], settings: VaeConfig, folder: Path
) -> Iterator[VaeProgress]:
    """Train in place, saving the state to `folder`; goes on where an earlier run stopped.

    Args:
        model: encoder and decoder.
        pictures: uint8; each is mirrored in half of its turns.
        settings: how.
        folder: where the state is kept.

    Raises:
        InvalidConfig: fewer pictures than a batch.
        TrainingStopped: a state of other settings, a damaged one, or a loss that is no longer finite; the last good
            state stays on the disk.
    """
    if len(pictures) < settings.batch:
        raise InvalidConfig(
            expected=f"at least {settings.batch} pictures", found=str(len(pictures)), do="Give more pictures."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path, optimiser = folder / STATE_FILE, torch.optim.Adam(model.parameters(), settings.learning_rate)
    done = _resumed(path, settings, model, optimiser)
    begin, sums = time.perf_counter(), np.zeros(2)
    model.train()
    for step in range(done, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 + np.cos(np.pi * step / settings.steps)) / 2
        sums += _update(model, optimiser, _batch(pictures, settings, step), settings, step)
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            means = sums / (step + 1 - done)
            if not np.isfinite(means).all():
                raise TrainingStopped(
                    expected="a finite loss",
                    found=f"{means.tolist()} at step {step + 1}",
                    do=f"Lower the learning rate; the last good state is {path}.",
                )
            save(path, {"vae": model}, {"vae": optimiser}, {"settings": asdict(settings), "step": step + 1})
            seconds = time.perf_counter() - begin
            yield VaeProgress(step=step + 1, error=float(means[0]) ** 0.5, divergence=float(means[1]), seconds=seconds)
            done, sums = step + 1, np.zeros(2)
    model.eval()


def _resumed(path: Path, settings: VaeConfig, model: Vae, optimiser: torch.optim.Adam) -> int:
    facts = read_facts(path)
    if facts is None:
        return 0
    if facts["settings"] != asdict(settings):
        raise TrainingStopped(
            expected=f"the settings the run began with: {facts['settings']}",
            found=str(asdict(settings)),
            do="Go on with the first settings, or begin in another folder.",
        )
    restore(path, {"vae": model}, {"vae": optimiser})
    return int(facts["step"])


def _batch(pictures: UInt8[Tensor, "n 3 64 64"], settings: VaeConfig, step: int) -> Float[Tensor, "batch 3 64 64"]:
    order = np.random.default_rng([settings.seed, step])
    chosen = pictures[torch.from_numpy(order.choice(len(pictures), settings.batch, replace=False))].float() / 127.5 - 1
    mirrored = torch.from_numpy(order.random(settings.batch) < 0.5)[:, None, None, None]
    return torch.where(mirrored, chosen.flip(-1), chosen)


def _update(
    model: Vae, optimiser: torch.optim.Adam, real: Float[Tensor, "batch 3 64 64"], settings: VaeConfig, step: int
) -> np.ndarray:
    """One step; returns mean squared error and divergence."""
    random = torch.Generator().manual_seed(settings.seed * 2**32 + step)
    # Drawn on the CPU, so that a seed means the same on every device.
    real = real.to(model.d1.weight.device)
    middle, log_variance = model.encode(real)
    noise = torch.randn(len(real), LATENT, generator=random).to(real.device)
    latents = middle + noise * (0.5 * log_variance).exp()
    squared = (model(latents) - real).square().flatten(1)
    divergence = 0.5 * (middle.square() + log_variance.exp() - 1 - log_variance).sum(1)
    weight = min(1.0, (step + 1) / max(1.0, settings.warm_up * settings.steps))
    loss = (squared.sum(1) / (2 * settings.deviation**2) + weight * divergence).mean()
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimiser.step()
    return np.array([squared.mean().item(), divergence.mean().item()])
