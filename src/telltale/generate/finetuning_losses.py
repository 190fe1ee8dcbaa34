"""A generator's own loss, beside which equation 4 puts the classifier's: what keeps its pictures what they were.

Three kinds: against a critic that goes on learning (GANs), re-synthesis of photographs (decoders of autoencoders), and
staying near where one was (latents that move while the generator stays).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.finetuning_config import FinetuneConfig
from telltale.generate.gan_training import augmented, drawn, squared_slope
from telltale.generate.latents import normal_latents

# Streams of random numbers that must not meet: steps count from 0.
_SEEDS, _CHECKED = 2**32, 2**31
_PASS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLoss:
    """What a finetuning needs to know of a generator's own training.

    Attributes:
        side: of the images it speaks of, pixels.
        inputs: what the generator is given in a step.
        checked: what it is given whenever samples are judged.
        loss: of the images of a step, differentiable.
        learn: a step of what the loss itself learns, such as a critic, on images without gradients; returns its loss.
        networks: what the loss learns, saved with the state.
        optimisers: theirs, by the same names.
    """

    side: int
    inputs: Callable[[int], Tensor]
    checked: Tensor
    loss: Callable[[Tensor, int], Tensor]
    learn: Callable[[Tensor, int], float] | None = None
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    optimisers: Mapping[str, torch.optim.Adam] = field(default_factory=dict)


def adversarial(
    critic: nn.Module,
    pictures: UInt8[Tensor, "n 3 side side"],
    settings: FinetuneConfig,
    *,
    latent: int,
    deviation: float = 1.0,
    r1: float = 0.0,
    r1_every: int = 1,
) -> OwnLoss:
    """The hinge loss of `telltale.generate.gan_training`, its critic learning on beside the generator.

    Args:
        critic: images to one logit each, higher for real.
        pictures: photographs, uint8; each is mirrored in half of its turns.
        settings: batch, samples that are checked, the critic's learning rate, seed.
        latent: length of the generator's latents.
        deviation: of the normal latents that its samples are made from.
        r1: weight of the penalty that holds a critic without normalisation, as in its training (`GanConfig`).
        r1_every: steps between two penalties, each of which then counts as often.

    Raises:
        InvalidConfig: fewer pictures than a batch.
    """
    batch, seed = settings.batch, settings.seed
    _enough(pictures, batch)
    optimiser = torch.optim.Adam(critic.parameters(), settings.critic_learning_rate, (0.0, 0.99))

    def said(images: Tensor, step: int, turn: int) -> Tensor:
        random = torch.Generator().manual_seed(_SEEDS * seed + 4 * step + turn)
        logits: Tensor = critic(augmented(images, random))
        return logits

    def learn(images: Tensor, step: int) -> float:
        critic.requires_grad_(True)
        real = drawn(pictures, batch, seed, step)
        loss = torch.relu(1 - said(real, step, 0)).mean() + torch.relu(1 + said(images, step, 1)).mean()
        penalty = torch.zeros(())
        if r1 and step % r1_every == 0:
            random = torch.Generator().manual_seed(_SEEDS * seed + 4 * step + 3)
            penalty = r1_every * r1 / 2 * squared_slope(critic, augmented(real, random))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + penalty)
        optimiser.step()
        critic.requires_grad_(False)
        return loss.item()

    return OwnLoss(
        side=pictures.shape[-1],
        inputs=lambda step: normal_latents(batch, latent, _SEEDS * seed + step) * deviation,
        checked=normal_latents(settings.checked, latent, _SEEDS * seed + _CHECKED) * deviation,
        loss=lambda images, step: -said(images, step, 2).mean(),
        learn=learn,
        networks={"critic": critic},
        optimisers={"critic": optimiser},
    )


def resynthesis(
    encode: Callable[[Tensor], Tensor],
    pictures: UInt8[Tensor, "n 3 side side"],
    settings: FinetuneConfig,
) -> OwnLoss:
    """Mean squared error of photographs that pass an encoder, which stays as it is, and the decoder being finetuned.

    Args:
        encode: images in [-1, 1] to what the decoder takes.
        pictures: photographs, uint8; re-syntheses of the first ones are checked.
        settings: batch, how many are checked, seed.

    Raises:
        InvalidConfig: fewer pictures than a batch.
    """
    batch, seed = settings.batch, settings.seed
    _enough(pictures, batch)

    @torch.no_grad()
    def inputs(step: int) -> Tensor:
        return encode(drawn(pictures, batch, seed, step))

    with torch.no_grad():
        first = torch.split(pictures[: settings.checked], _PASS)
        judged = torch.cat([encode(part.float() / 127.5 - 1) for part in first])

    def loss(images: Tensor, step: int) -> Tensor:
        return (images - drawn(pictures, batch, seed, step)).square().mean()

    return OwnLoss(side=pictures.shape[-1], inputs=inputs, checked=judged, loss=loss)


class MovedLatents(nn.Module):
    """Latents as the parameters, behind them a generator that stays as it is: places to images.

    Args:
        generator: latents (n, latent) to images in [-1, 1]; its gradients are turned off.
        latents: where they begin.
    """

    def __init__(self, generator: nn.Module, latents: Float[Tensor, "n latent"]) -> None:
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.latents = nn.Parameter(latents.clone())

    def forward(self, places: Tensor) -> Tensor:
        """Images of the latents at these places."""
        images: Tensor = self.generator(self.latents[places])
        return images


def staying(moved: MovedLatents, settings: FinetuneConfig) -> OwnLoss:
    """Mean squared distance to the images the latents began with, for `MovedLatents`.

    Args:
        moved: before any step.
        settings: batch, which is how many latents a step moves, and seed.
    """
    places = torch.arange(len(moved.latents))
    with torch.no_grad():
        began = torch.cat([moved(part) for part in torch.split(places, _PASS)])

    def inputs(step: int) -> Tensor:
        random = torch.Generator().manual_seed(_SEEDS * settings.seed + step)
        return torch.randperm(len(places), generator=random)[: settings.batch]

    def loss(images: Tensor, step: int) -> Tensor:
        return (images - began[inputs(step)]).square().mean()

    return OwnLoss(side=began.shape[-1], inputs=inputs, checked=places, loss=loss)


def _enough(pictures: Tensor, batch: int) -> None:
    if len(pictures) < batch:
        raise InvalidConfig(
            expected=f"at least {batch} pictures", found=str(len(pictures)), do="Give more, or a smaller batch."
        )
