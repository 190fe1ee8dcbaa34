"""The networks of small GANs: shapes, ranges, seeds, gradients."""

import pytest
import torch

from telltale.errors import InvalidConfig
from telltale.generate.gan import ConvolutionalCritic, ConvolutionalGenerator, Upsampling
from telltale.generate.latents import normal_latents

UPSAMPLINGS: tuple[Upsampling, ...] = ("transposed", "nearest")


@pytest.mark.parametrize("length", [1, 5, 32, 100])
def test_the_first_latents_do_not_depend_on_how_many_follow(length: int) -> None:
    many = normal_latents(50, length, 3)
    for n in (1, 2, 3, 16, 49):
        torch.testing.assert_close(normal_latents(n, length, 3), many[:n], rtol=0, atol=0)
    assert not torch.equal(normal_latents(50, length, 4), many)
    assert abs(float(normal_latents(4000, length, 0).std()) - 1) < 0.1


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_images_and_gradients(upsampling: Upsampling) -> None:
    torch.manual_seed(0)
    generator = ConvolutionalGenerator(upsampling=upsampling, latent=8, width=4).eval()
    latents = normal_latents(2, 8, 0).requires_grad_()
    images = generator(latents)
    assert images.shape == (2, 3, 64, 64)
    assert float(images.detach().abs().max()) <= 1
    torch.autograd.backward(images.square().sum())
    assert latents.grad is not None
    assert float(latents.grad.abs().min()) > 0
    assert all(one.grad is not None for one in generator.parameters())


def test_samples_by_seed() -> None:
    torch.manual_seed(0)
    generator = ConvolutionalGenerator(upsampling="nearest", latent=8, width=4).eval()
    with torch.inference_mode():
        torch.testing.assert_close(generator.sample(5, 1)[:2], generator.sample(2, 1))
        assert not torch.equal(generator.sample(2, 1), generator.sample(2, 2))


def test_the_critic_is_one_lipschitz_as_its_normalisation_says() -> None:
    """Spectral norms of 1 per layer as a matrix: the slope stays of the order of 1, whatever the weights' scale."""
    torch.manual_seed(0)
    critic = ConvolutionalCritic(width=4)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    for _ in range(30):
        critic(images)
    critic.eval()
    before = critic(images)
    with torch.no_grad():
        for layer in (*critic.stages, critic.last):
            layer.parametrizations.weight.original.mul_(100)
    torch.testing.assert_close(critic(images), before, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(("latent", "width"), [(0, 4), (8, 0)])
def test_sizes_that_mean_nothing(latent: int, width: int) -> None:
    with pytest.raises(InvalidConfig, match="1 or more"):
        ConvolutionalGenerator(upsampling="nearest", latent=latent, width=width)


@pytest.mark.parametrize("side", [8, 32, 64, 128])
def test_a_critic_of_any_power_of_two(side: int) -> None:
    critic = ConvolutionalCritic(width=2, side=side)
    assert critic(torch.zeros(3, 3, side, side)).shape == (3,)
    assert len(critic.stages) == {8: 1, 32: 3, 64: 4, 128: 5}[side]


@pytest.mark.parametrize("side", [4, 48])
def test_a_critic_of_another_side_is_refused(side: int) -> None:
    with pytest.raises(InvalidConfig, match=f"{side} px"):
        ConvolutionalCritic(side=side)
