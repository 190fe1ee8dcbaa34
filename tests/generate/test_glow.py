"""The flow: its inverse is exact, its likelihood is that of its Jacobian, its samples are named by seeds."""

import pytest
import torch
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.glow import ActNorm, Coupling, Glow, Mixing


def shaken(module: nn.Module) -> nn.Module:
    """Away from its first state, where much of it does nothing."""
    torch.manual_seed(0)
    with torch.no_grad():
        for one in module.parameters():
            one.add_(torch.randn(one.shape) * 0.02)
    return module.eval()


def glow(side: int = 64, width: int = 4) -> Glow:
    torch.manual_seed(0)
    made = shaken(Glow(width=width, side=side))
    assert isinstance(made, Glow)
    return made


@pytest.mark.parametrize("side", [8, 16, 64])
def test_there_and_back(side: int) -> None:
    flow = glow(side)
    images = torch.rand(2, 3, side, side) * 2 - 1
    with torch.inference_mode():
        latents, _ = flow.encode(images)
        assert latents.shape == (2, flow.latent)
        assert float((flow.decode(latents) - images).abs().max()) < 1e-4
        drawn = torch.randn(2, flow.latent)
        assert float((flow.encode(flow.decode(drawn))[0] - drawn).abs().max()) < 1e-3


@pytest.mark.parametrize("layer", [ActNorm(4), Mixing(4), Coupling(4, 5)], ids=lambda one: type(one).__name__)
def test_each_layer_says_by_how_much_it_changes_volume(layer: nn.Module) -> None:
    shaken(layer)
    x = torch.randn(1, 4, 2, 3)
    z, volume = layer(x)
    jacobian = torch.autograd.functional.jacobian(lambda given: layer(given)[0], x).reshape(24, 24)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(volume[0], torch.linalg.slogdet(jacobian)[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(layer.inverse(z), x, atol=1e-5, rtol=1e-4)  # type: ignore[operator]


def test_the_likelihood_is_that_of_the_jacobian() -> None:
    flow = glow(16)
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latents, volume = flow.encode(images)
        said = flow.log_likelihood(images)
    jacobian: Tensor = torch.autograd.functional.jacobian(lambda one: flow.encode(one)[0], images)  # type: ignore[no-untyped-call]
    determinant = torch.linalg.slogdet(jacobian.reshape(768, 768).double())[1]
    assert float(volume) == pytest.approx(float(determinant), abs=0.01)
    density = -0.5 * (latents.square() + torch.tensor(2 * torch.pi).log()).sum() + determinant
    assert float(said) == pytest.approx(float(density), rel=1e-4)


def test_the_first_batch_decides_scale_and_shift_once() -> None:
    norm = ActNorm(3).train()
    x = torch.randn(50, 3, 4, 4) * 7 + 2
    z, _ = norm(x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)
    before = norm.shift.detach().clone()
    norm(x + 5)
    torch.testing.assert_close(norm.shift.detach(), before)


def test_images_gradients_and_seeds() -> None:
    flow = glow()
    latents = (torch.randn(2, flow.latent) * 0.1).requires_grad_()
    images = flow(latents)
    assert images.shape == (2, 3, 64, 64)
    assert float(images.detach().abs().max()) <= 1
    torch.autograd.backward(images.square().sum())
    assert latents.grad is not None
    assert float(latents.grad.abs().sum()) > 0
    with torch.inference_mode():
        torch.testing.assert_close(flow.sample(3, 1)[:2], flow.sample(2, 1), atol=1e-5, rtol=1e-4)
        assert not torch.equal(flow.sample(2, 1), flow.sample(2, 2))


@pytest.mark.parametrize("sizes", [{"width": 0}, {"side": 48}])
def test_sizes_that_mean_nothing(sizes: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match="1 or more"):
        Glow(**sizes)
