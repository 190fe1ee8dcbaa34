"""Training of a small GAN on a CPU: few pictures, augmented for the critic, resumable, every random number a function
of (seed, step).

Losses: hinge (Lim and Ye, *Geometric GAN*, 2017). Both real and made pictures reach the critic shifted and with their
brightness changed, by the same random function, so that few pictures last longer without the changes appearing in what
is made (Zhao et al., *Differentiable augmentation for data-efficient GAN training*, NeurIPS 2020). A critic without
normalisation needs its slope held: the R1 penalty (Mescheder et al., ICML 2018), every few steps (Karras et al., CVPR
2020, appendix B). What is kept is the running average of the generator's weights.
"""

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.latents import normal_latents
from telltale.generate.training_state import read_facts, restore, save

STATE_FILE = "state.safetensors"
# Of the averaged weights, per step; the average starts short and grows to this.
_MEMORY = 0.998
_SHIFT, _BRIGHTNESS = 8, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class GanConfig:
    """How a GAN is trained.

    Attributes:
        steps: updates of the generator; each after one of the critic.
        batch: pictures per update, real and made alike.
        learning_rate: of Adam (betas 0 and 0.99), for both networks; falls linearly to zero over the last half.
        critic_learning_rate: the critic's where it is another: higher where it falls behind (Heusel et al., NIPS 2017).
        seed: of weights, order of pictures, latents and augmentation.
        save_every: steps between two states on the disk, each of which yields a record.
        r1: weight of the critic's squared slope at real pictures; 0 is without, for a critic normalised otherwise.
        r1_every: steps between two of these penalties, each of which then counts as often.
    """

    steps: int = 4000
    batch: int = 32
    learning_rate: float = 2e-4
    critic_learning_rate: float | None = None
    seed: int = 0
    save_every: int = 250
    r1: float = 0.0
    r1_every: int = 16

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: a count below 1, a learning rate that is not positive, or a negative penalty.
        """
        counts = min(self.steps, self.batch, self.save_every, self.r1_every)
        if counts < 1 or not (all(rate > 0 for rate in self.learning_rates().values()) and self.r1 >= 0):
            raise InvalidConfig(
                expected="steps, batch, save_every and r1_every of 1 or more, a positive learning rate, and an r1 of 0 "
                "or more",
                found=str(asdict(self)),
                do="Correct the numbers.",
            )

    def learning_rates(self) -> dict[str, float]:
        """Of each network, at the start."""
        critic = self.learning_rate if self.critic_learning_rate is None else self.critic_learning_rate
        return {"generator": self.learning_rate, "critic": critic}


@dataclass(frozen=True, slots=True, kw_only=True)
class GanProgress:
    """The state of a training when it was last saved: means since the save before.

    Attributes:
        step: updates done.
        critic_loss, generator_loss: hinge losses.
        real_logit, made_logit: what the critic says of pictures of each kind; equal where it cannot tell.
        seconds: since this process began or went on.
    """

    step: int
    critic_loss: float
    generator_loss: float
    real_logit: float
    made_logit: float
    seconds: float


def train_gan(
    generator: nn.Module,
    critic: nn.Module,
    pictures: UInt8[Tensor, "n 3 side side"],
    settings: GanConfig,
    folder: Path,
) -> Iterator[GanProgress]:
    """Train both networks in place, saving the state to `folder` as it goes; goes on where an earlier run stopped.

    When it ends, `generator` holds the averaged weights.

    Args:
        generator: latents (n, generator.latent) to images in [-1, 1].
        critic: images to one logit each, higher for real.
        pictures: uint8; each is mirrored in half of its turns.
        settings: how.
        folder: where the state is kept.

    Raises:
        InvalidConfig: fewer pictures than a batch.
        TrainingStopped: a state of other settings, a damaged one, or losses that are no longer finite; the last good
            state stays on the disk.
    """
    if len(pictures) < settings.batch:
        raise InvalidConfig(
            expected=f"at least {settings.batch} pictures",
            found=str(len(pictures)),
            do="Give more, or a smaller batch.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    average = deepcopy(generator).requires_grad_(False)
    networks = {"generator": generator, "critic": critic, "average": average}
    optimisers = {
        name: torch.optim.Adam(networks[name].parameters(), rate, (0.0, 0.99))
        for name, rate in settings.learning_rates().items()
    }
    done = _resumed(folder / STATE_FILE, settings, networks, optimisers)
    begin, sums = time.perf_counter(), np.zeros(4)
    for step in range(done, settings.steps):
        _set_learning_rate(optimisers, settings, step)
        real = drawn(pictures, settings.batch, settings.seed, step)
        sums += _update(generator, critic, optimisers, real, settings, step)
        follow(average, generator, min(_MEMORY, (step + 1) / (step + 10)))
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            means = sums / (step + 1 - done)
            if not np.isfinite(means).all():
                raise TrainingStopped(
                    expected="finite losses",
                    found=f"{means.tolist()} at step {step + 1}",
                    do=f"Lower the learning rate; the last good state is {folder / STATE_FILE}.",
                )
            save(folder / STATE_FILE, networks, optimisers, {"settings": asdict(settings), "step": step + 1})
            yield GanProgress(
                step=step + 1,
                critic_loss=means[0],
                generator_loss=means[1],
                real_logit=means[2],
                made_logit=means[3],
                seconds=time.perf_counter() - begin,
            )
            done, sums = step + 1, np.zeros(4)
    generator.load_state_dict(average.state_dict())


def _resumed(
    path: Path, settings: GanConfig, networks: dict[str, nn.Module], optimisers: dict[str, torch.optim.Adam]
) -> int:
    """Steps done by an earlier run, whose state the networks and optimisers then have; 0 where there is none."""
    facts = read_facts(path)
    if facts is None:
        return 0
    # A state from before a setting existed was made with what is now its default.
    if asdict(GanConfig()) | facts["settings"] != asdict(settings):
        raise TrainingStopped(
            expected=f"the settings the run began with: {facts['settings']}",
            found=str(asdict(settings)),
            do="Go on with the first settings, or begin in another folder.",
        )
    restore(path, networks, optimisers)
    return int(facts["step"])


def _set_learning_rate(optimisers: dict[str, torch.optim.Adam], settings: GanConfig, step: int) -> None:
    share = min(1.0, 2 * (1 - step / settings.steps))
    for name, rate in settings.learning_rates().items():
        for group in optimisers[name].param_groups:
            group["lr"] = rate * share


def drawn(
    pictures: UInt8[Tensor, "n 3 side side"], batch: int, seed: int, step: int
) -> Float[Tensor, "batch 3 side side"]:
    """Pictures of a step in [-1, 1]: without replacement within it, each mirrored or not."""
    order = np.random.default_rng([seed, step])
    chosen = pictures[torch.from_numpy(order.choice(len(pictures), batch, replace=False))].float() / 127.5 - 1
    mirrored = torch.from_numpy(order.random(batch) < 0.5)[:, None, None, None]
    return torch.where(mirrored, chosen.flip(-1), chosen)


def _update(
    generator: nn.Module,
    critic: nn.Module,
    optimisers: dict[str, torch.optim.Adam],
    real: Float[Tensor, "batch 3 side side"],
    settings: GanConfig,
    step: int,
) -> np.ndarray:
    """One step of each network; returns both losses and what the critic said of real and of made pictures.

    Numbers are drawn on the CPU, so that a seed means the same on every device.
    """
    seed, device = settings.seed * 2**32 + step, next(generator.parameters()).device
    real = real.to(device)
    random = torch.Generator().manual_seed(seed)
    latent = int(getattr(generator, "latent"))  # noqa: B009 (a Module's attributes have no type)
    with torch.no_grad():
        made = generator(normal_latents(len(real), latent, 2 * seed).to(device))
    of_real, of_made = critic(augmented(real, random)), critic(augmented(made, random))
    critic_loss = torch.relu(1 - of_real).mean() + torch.relu(1 + of_made).mean()
    penalty = torch.zeros(())
    if settings.r1 and step % settings.r1_every == 0:
        penalty = settings.r1_every * settings.r1 / 2 * squared_slope(critic, augmented(real, random))
    optimisers["critic"].zero_grad(set_to_none=True)
    torch.autograd.backward(critic_loss + penalty)
    optimisers["critic"].step()

    critic.requires_grad_(False)
    of_new: Tensor = critic(augmented(generator(normal_latents(len(real), latent, 2 * seed + 1).to(device)), random))
    generator_loss = -of_new.mean()
    optimisers["generator"].zero_grad(set_to_none=True)
    torch.autograd.backward(generator_loss)
    optimisers["generator"].step()
    critic.requires_grad_(True)
    return np.array([critic_loss.item(), generator_loss.item(), of_real.mean().item(), of_made.mean().item()])


def squared_slope(critic: nn.Module, images: Float[Tensor, "n 3 side side"]) -> Float[Tensor, ""]:
    """Mean over images of the squared length of the critic's gradient with respect to them; differentiable."""
    images = images.detach().requires_grad_()
    said: Tensor = critic(images)
    (slope,) = torch.autograd.grad(said.sum(), images, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def augmented(images: Float[Tensor, "n 3 side side"], random: torch.Generator) -> Float[Tensor, "n 3 side side"]:
    """Each image shifted by up to an eighth of its side, grey where nothing comes in, and made brighter or darker."""
    n, _, side, _ = images.shape
    most = side // _SHIFT
    brightness = ((torch.rand(n, 1, 1, 1, generator=random) - 0.5) * 2 * _BRIGHTNESS).to(images.device)
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1), generator=random).to(images.device)
    padded = nn.functional.pad(images + brightness, (most, most, most, most))
    steps, each = torch.arange(side, device=images.device), torch.arange(n, device=images.device)
    rows, columns = down + steps, right + steps
    shifted: Tensor = padded[each[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


@torch.no_grad()
def follow(average: nn.Module, generator: nn.Module, memory: float) -> None:
    """Move the average towards the weights; running statistics of normalisations are averaged like weights."""
    own = generator.state_dict()
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(own[name], 1 - memory)
        else:
            tensor.copy_(own[name])
