"""Photographs through a generator: which latents make a picture most like this one?

The paper's second kind of fakes to learn from, beside samples: with the same content as the photographs, so that little
but the generator's texture tells them apart. Where a generator has an encoder its answer is the start; latents then
move down the gradient of the squared error, held near the prior (as in Zhu et al., *Generative visual manipulation on
the natural image manifold*, ECCV 2016).
"""

from dataclasses import asdict, dataclass
from math import isfinite

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.finetuning_errors import NotDifferentiable, NotFinite, WrongImages
from telltale.generate.latents import normal_latents


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionConfig:
    """How latents are sought.

    Attributes:
        steps: of Adam, for each batch of photographs.
        learning_rate: its learning rate, which falls to zero along a cosine.
        prior: weight of the latents' mean square beside the mean squared error of pixels in [-1, 1].
        starts: random latents tried for each photograph, of which the best is where it begins; not used with a start.
        batch: photographs at a time; each is inverted by itself, whatever the batch.
        seed: of the random starts.
    """

    steps: int = 100
    learning_rate: float = 0.1
    prior: float = 1e-3
    starts: int = 32
    batch: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: a count below its least, or a rate or weight that is not finite and positive.
        """
        counts = min(self.starts, self.batch) >= 1 and min(self.steps, self.seed) >= 0
        if not (counts and isfinite(self.learning_rate) and self.learning_rate > 0 and self.prior >= 0):
            raise InvalidConfig(
                expected="starts and batch of 1 or more, steps of 0 or more, positive rates",
                found=str(asdict(self)),
                do="Correct the numbers.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversion:
    """What was found.

    Attributes:
        latents: one row a photograph.
        errors: root mean square difference to it, grey levels of 0 to 255.
    """

    latents: Float[Tensor, "n latent"]
    errors: Float[Tensor, " n"]


def invert(
    generator: nn.Module,
    photographs: UInt8[Tensor, "n 3 side side"],
    settings: InversionConfig,
    *,
    start: Float[Tensor, "n latent"] | None = None,
) -> Inversion:
    """The latents whose pictures are nearest; the generator stays as it is.

    Args:
        generator: latents (n, generator.latent) to images (n, 3, side, side) in [-1, 1].
        photographs: uint8, of the generator's size.
        settings: how.
        start: where the latents begin, such as an encoder's answer; the nearest of some random ones if not given.

    Raises:
        WrongImages: no photographs, other values than uint8, or another size than the generator's pictures.
        InvalidConfig: a start of another shape than a latent for each photograph.
        NotDifferentiable: no gradient reaches the latents.
        NotFinite: an error that is not finite.
    """
    _check(generator, photographs, start)
    moving = [one for one in generator.parameters() if one.requires_grad]
    generator.eval().requires_grad_(False)
    try:
        parts = [
            _inverted(generator, photographs[at : at + settings.batch], settings, at, start)
            for at in range(0, len(photographs), settings.batch)
        ]
    finally:
        for one in moving:
            one.requires_grad_(True)
    latents, errors = (torch.cat(each) for each in zip(*parts, strict=True))
    return Inversion(latents=latents, errors=errors)


def _check(generator: nn.Module, photographs: Tensor, start: Tensor | None) -> None:
    # Values in [0, 1] would be taken for a picture that is nearly black.
    if photographs.dtype != torch.uint8 or not len(photographs):
        raise WrongImages(
            expected="photographs (n, 3, side, side) as uint8, at least one",
            found=f"{len(photographs)} of {photographs.dtype}",
            do="Give pixels of 0 to 255.",
        )
    shape = (len(photographs), int(getattr(generator, "latent")))  # noqa: B009 (a Module's attributes have no type)
    if start is not None and tuple(start.shape) != shape:
        raise InvalidConfig(
            expected=f"a start of shape {shape}", found=str(tuple(start.shape)), do="Give a latent for each photograph."
        )


def _inverted(
    generator: nn.Module, photographs: Tensor, settings: InversionConfig, at: int, start: Tensor | None
) -> tuple[Tensor, Tensor]:
    wanted = photographs.float() / 127.5 - 1
    begin = _nearest(generator, wanted, settings) if start is None else start[at : at + len(wanted)]
    latents = begin.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([latents], settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, settings.steps))
    for step in range(settings.steps):
        images = _checked(generator(latents), wanted)
        if not images.requires_grad:
            raise NotDifferentiable(
                expected="images with a gradient to their latents", found="none", do="Use a generator in plain torch."
            )
        # Sums over photographs: each moves as if it were alone.
        error = (images - wanted).square().mean((1, 2, 3)).sum()
        if at == step == 0:
            _check_reach(error, latents)
        loss = error + settings.prior * latents.square().mean(1).sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        errors = _checked(generator(latents), wanted).sub(wanted).square().mean((1, 2, 3)).sqrt() * 127.5
    if not bool(errors.isfinite().all()):
        raise NotFinite(expected="finite errors", found="NaN or infinity", do="Lower the learning rate.")
    return latents.detach(), errors


def _check_reach(error: Tensor, latents: Tensor) -> None:
    """Rounding lets gradients pass that are 0: the prior alone would move the latents, away from the photographs."""
    reach: tuple[Tensor | None, ...] = torch.autograd.grad(error, latents, retain_graph=True, allow_unused=True)
    if float(error.detach()) > 0 and not any(one is not None and bool(one.any()) for one in reach):
        raise NotDifferentiable(
            expected="images with a gradient to their latents",
            found="none, or 0 everywhere, as behind rounding",
            do="Use a generator in plain torch.",
        )


@torch.no_grad()
def _nearest(generator: nn.Module, wanted: Tensor, settings: InversionConfig) -> Tensor:
    """For each photograph the random latents whose picture is nearest; the same ones are tried for all."""
    length = int(getattr(generator, "latent"))  # noqa: B009 (a Module's attributes have no type)
    tried = normal_latents(settings.starts, length, settings.seed)
    made = _checked(generator(tried), wanted).flatten(1)
    return tried[torch.cdist(wanted.flatten(1), made).argmin(1)]


def _checked(images: Tensor, wanted: Tensor) -> Tensor:
    if images.shape[1:] != wanted.shape[1:]:
        raise WrongImages(
            expected=f"photographs of the generator's size, {tuple(images.shape[1:])}",
            found=str(tuple(wanted.shape[1:])),
            do="Prepare them first.",
        )
    return images
