"""Inversion finds latents whose pictures are near, each photograph by itself, and leaves the generator alone."""

import pytest
import torch
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.finetuning import fingerprint
from telltale.generate.finetuning_errors import NotDifferentiable, WrongImages
from telltale.generate.gan import ConvolutionalGenerator
from telltale.generate.inversion import InversionConfig, invert
from telltale.generate.vae import Vae

SETTINGS = InversionConfig(steps=40, learning_rate=0.1, prior=0.0, starts=8, batch=3)


@pytest.fixture(scope="module")
def generator() -> nn.Module:
    torch.manual_seed(7)
    made = ConvolutionalGenerator(upsampling="nearest", latent=8, width=4).eval()
    with torch.no_grad():  # an untrained generator hardly differs from picture to picture
        made.rgb.weight.mul_(30)
    return made


@pytest.fixture(scope="module")
def photographs(generator: nn.Module) -> Tensor:
    """Pictures that the generator can make."""
    with torch.no_grad():
        images: Tensor = generator(torch.randn(5, 8, generator=torch.Generator().manual_seed(3)))
    return ((images + 1) * 127.5).round().byte()


def test_moving_latents_comes_nearer_than_the_best_start(generator: nn.Module, photographs: Tensor) -> None:
    before = fingerprint(generator)
    began = invert(generator, photographs, InversionConfig(steps=0, starts=8))
    found = invert(generator, photographs, SETTINGS)
    assert bool((found.errors <= began.errors).all())
    assert float(found.errors.mean()) < 0.7 * float(began.errors.mean())
    assert fingerprint(generator) == before
    assert all(one.requires_grad for one in generator.parameters())


def test_a_photograph_is_inverted_by_itself(generator: nn.Module, photographs: Tensor) -> None:
    together = invert(generator, photographs, SETTINGS)
    alone = invert(generator, photographs[4:], SETTINGS)
    torch.testing.assert_close(together.latents[4:], alone.latents, rtol=1e-3, atol=1e-3)


def test_a_start_is_where_it_begins(photographs: Tensor) -> None:
    torch.manual_seed(0)
    vae = Vae().eval()
    with torch.no_grad():
        start = vae.encode(photographs.float() / 127.5 - 1)[0]
    still = invert(vae, photographs, InversionConfig(steps=0), start=start)
    torch.testing.assert_close(still.latents, start)
    moved = invert(vae, photographs, SETTINGS, start=start)
    assert float(moved.errors.sum()) < float(still.errors.sum())


class Steps(nn.Module):
    latent, side = 8, 64

    def forward(self, latents: Tensor) -> Tensor:
        return latents.detach()[:, :3, None, None].expand(-1, 3, 64, 64)


class Rounded(nn.Module):
    """Keeps a gradient, of 0."""

    latent, side = 8, 64

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.generator(latents)
        return (images * 127.5).round() / 127.5


def test_rounding_is_no_gradient_and_the_prior_does_not_move_latents_alone(
    generator: nn.Module, photographs: Tensor
) -> None:
    with pytest.raises(NotDifferentiable, match="0 everywhere"):
        invert(Rounded(generator), photographs, SETTINGS)
    assert all(one.requires_grad for one in generator.parameters())


def test_what_cannot_be_inverted_is_said(generator: nn.Module, photographs: Tensor) -> None:
    with pytest.raises(NotDifferentiable, match="gradient to their latents"):
        invert(Steps(), photographs, SETTINGS)
    with pytest.raises(WrongImages, match="the generator's size"):
        invert(generator, photographs[:, :, :32, :32], SETTINGS)
    for wrong in ({"steps": -1}, {"starts": 0}, {"learning_rate": float("nan")}, {"prior": -1.0}):
        with pytest.raises(InvalidConfig, match="1 or more"):
            InversionConfig(**wrong)


def test_no_pictures_and_starts_that_do_not_fit_are_said(generator: nn.Module, photographs: Tensor) -> None:
    """Other wrong shapes and types are met by jaxtyping before, but only in tests."""
    with pytest.raises(WrongImages, match="as uint8, at least one"):
        invert(generator, photographs[:0], SETTINGS)
    with pytest.raises(InvalidConfig, match=r"shape \(5, 8\)"):
        invert(generator, photographs, SETTINGS, start=torch.zeros(5, 7))
