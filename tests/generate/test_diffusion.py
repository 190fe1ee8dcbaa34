"""The diffusion model: sampling is a function of the noise, differentiable, and exact where the network is."""

import pytest
import torch
from torch import Tensor

from telltale.errors import InvalidConfig
from telltale.generate.diffusion import LATENT, DiffusionModel, signal_and_noise
from telltale.generate.latents import normal_latents


def model(steps: int = 3) -> DiffusionModel:
    torch.manual_seed(0)
    made = DiffusionModel(width=8, steps=steps).eval()
    with torch.no_grad():
        for one in made.parameters():
            if not one.any():
                one.normal_(0, 0.02)
    return made


def test_images_and_gradients() -> None:
    network = model()
    latents = normal_latents(2, LATENT, 0).requires_grad_()
    images = network(latents)
    assert images.shape == (2, 3, 64, 64)
    assert float(images.detach().abs().max()) <= 1
    torch.autograd.backward(images.square().sum())
    assert latents.grad is not None
    assert float(latents.grad.abs().sum()) > 0
    assert all(one.grad is not None for one in network.parameters())


def test_samples_by_seed_and_by_number_of_steps() -> None:
    network = model()
    with torch.inference_mode():
        first = network.sample(2, 1)
        torch.testing.assert_close(network.sample(3, 1)[:2], first, rtol=1e-4, atol=1e-5)
        assert not torch.equal(network.sample(2, 2), first)
        network.steps = 5
        assert not torch.equal(network.sample(2, 1), first)


def test_amplitudes() -> None:
    signal, noise = signal_and_noise(torch.linspace(0, 1, 50))
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(50, 1, 1, 1))
    assert (signal.diff(dim=0) < 0).all()
    assert float(signal[0]) > 0.999
    assert float(signal[-1]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_network_that_knows_the_picture_gives_the_picture(steps: int) -> None:
    network = model(steps)
    truth = torch.rand(1, 3, 64, 64) * 2 - 1

    def velocity(images: Tensor, times: Tensor) -> Tensor:
        signal, noise = signal_and_noise(times)
        return signal * (images - signal * truth) / noise - noise * truth

    network.velocity = velocity  # type: ignore[method-assign]
    torch.testing.assert_close(network(normal_latents(2, LATENT, 0)), truth.expand(2, -1, -1, -1), atol=1e-3, rtol=0)


def test_a_network_that_knows_the_distribution_gives_its_spread() -> None:
    """Of pixels that are normal with deviation 0.2, the way back from noise is a scaling by 0.2."""
    network = model(200)
    variance = 0.2**2

    def velocity(images: Tensor, times: Tensor) -> Tensor:
        signal, noise = signal_and_noise(times)
        picture = variance * signal * images / (variance * signal**2 + noise**2)
        return signal * (images - signal * picture) / noise - noise * picture

    network.velocity = velocity  # type: ignore[method-assign]
    latents = normal_latents(1, LATENT, 0)
    made = network(latents).flatten(1)
    assert float((made / latents).median()) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("sizes", [{"width": 0}, {"width": 12}, {"steps": 0}])
def test_sizes_that_mean_nothing(sizes: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match="multiple of 8"):
        DiffusionModel(**sizes)
