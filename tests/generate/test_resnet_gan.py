"""The residual GAN's networks: shapes, ranges, seeds, gradients, and the penalty that holds its critic's slope."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.gan_training import GanConfig, squared_slope, train_gan
from telltale.generate.latents import normal_latents
from telltale.generate.resnet_gan import ResidualCritic, ResidualGenerator

SETTINGS = GanConfig(steps=4, batch=4, save_every=2, r1=1.0, r1_every=3)


def networks() -> tuple[ResidualGenerator, ResidualCritic]:
    torch.manual_seed(0)
    return ResidualGenerator(latent=8, width=2), ResidualCritic(width=2)


def pictures() -> Tensor:
    return (torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255).byte()


def test_images_and_gradients() -> None:
    generator, critic = networks()
    latents = normal_latents(2, 8, 0).requires_grad_()
    images = generator.eval()(latents)
    assert images.shape == (2, 3, 64, 64)
    assert float(images.detach().abs().max()) <= 1
    said = critic(images)
    assert said.shape == (2,)
    torch.autograd.backward(said.sum())
    assert latents.grad is not None
    assert float(latents.grad.abs().min()) > 0
    assert all(one.grad is not None for one in (*generator.parameters(), *critic.parameters()))


def test_samples_by_seed() -> None:
    generator = networks()[0].eval()
    with torch.inference_mode():
        torch.testing.assert_close(generator.sample(5, 1)[:2], generator.sample(2, 1))
        assert not torch.equal(generator.sample(2, 1), generator.sample(2, 2))


def test_a_new_critic_holds_the_scale_of_what_passes_through() -> None:
    torch.manual_seed(0)
    critic = ResidualCritic(width=8)
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        inside = critic.stages(critic.rgb(images))
    assert 0.2 < float(inside.std()) < 5, "torch's usual weights give 0.03, and logits that hardly differ"


class Sloped(nn.Module):
    """A plane whose gradient is known."""

    def forward(self, images: Tensor) -> Tensor:
        return 3 * images[:, 0, 0, 0] + 4 * images[:, 2, 5, 7]


def test_the_penalty_is_the_squared_slope_at_real_pictures() -> None:
    assert float(squared_slope(Sloped(), torch.rand(3, 3, 8, 8))) == pytest.approx(25)
    critic = networks()[1]
    images = torch.rand(2, 3, 64, 64)
    step = torch.zeros_like(images[:1])
    step[0, 1, 30, 30] = 1e-2
    with torch.no_grad():
        along = (critic(images + step) - critic(images - step)) / 2e-2
    penalty = squared_slope(critic, images)
    assert float(penalty.detach()) > float(along.square().mean()), "one direction's part of it"
    torch.autograd.backward(penalty)
    assert critic.rgb.weight.grad is not None


def learned(folder: Path, settings: GanConfig, parts: int | None = None) -> dict[str, Tensor]:
    generator, critic = networks()
    assert list(islice(train_gan(generator, critic, pictures(), settings, folder), parts))
    return generator.state_dict() | critic.state_dict()


def test_training_with_the_penalty_goes_on_as_if_never_interrupted(tmp_path: Path) -> None:
    whole = learned(tmp_path / "whole", SETTINGS)
    learned(tmp_path / "parts", SETTINGS, parts=1)
    resumed = learned(tmp_path / "parts", SETTINGS)
    without = learned(tmp_path / "without", GanConfig(steps=4, batch=4, save_every=2))
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, resumed[name], rtol=0, atol=0, msg=name)
    assert any(not torch.equal(tensor, without[name]) for name, tensor in whole.items())


def test_settings_that_mean_nothing() -> None:
    with pytest.raises(InvalidConfig, match="1 or more"):
        ResidualGenerator(latent=8, width=0)
    for wrong in ({"r1": -1.0}, {"r1": float("nan")}, {"r1_every": 0}):
        with pytest.raises(InvalidConfig, match="r1"):
            GanConfig(**wrong)
