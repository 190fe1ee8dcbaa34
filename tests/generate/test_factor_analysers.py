"""Expectation maximisation climbs, finds what made the pictures, and agrees with the plain formula."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from telltale.errors import InvalidConfig
from telltale.generate import factor_analysers
from telltale.generate.factor_analysers import FactorAnalysers, _log_density, fit
from telltale.generate.latents import normal_latents


@pytest.fixture
def pictures() -> Tensor:
    """Two kinds: dark ones that are brighter on the left or not, and bright ones that are brighter above or not."""
    random = np.random.default_rng(0)
    values = random.normal(0, 4, (60, 3, 64, 64))
    values[:30] += 60
    values[:30, :, :, :32] += random.normal(0, 25, (30, 1, 1, 1))
    values[30:] += 180
    values[30:, :, :32] += random.normal(0, 25, (30, 1, 1, 1))
    return torch.from_numpy(values.clip(0, 255)).byte()


def test_it_climbs_and_finds_both_kinds(pictures: Tensor) -> None:
    model = FactorAnalysers(components=2, factors=1)
    said = [one.log_likelihood for one in fit(model, pictures, rounds=4)]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(said))
    torch.testing.assert_close(model.shares, torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    dark = int(model.means.mean(1).argmin())
    directions = model.directions.detach().reshape(2, 3, 64, 64)
    assert float(directions[dark, :, :, :32].abs().mean()) > 5 * float(directions[dark, :, :, 32:].abs().mean())
    bright = directions[1 - dark]
    assert float(bright[:, :32].abs().mean()) > 5 * float(bright[:, 32:].abs().mean())
    assert float(model.noise.sqrt().mean()) == pytest.approx(4 / 127.5, rel=0.1)


def test_the_density_is_the_normal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor_analysers, "SIDE", 2)
    model = FactorAnalysers(components=1, factors=2)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.means.copy_(torch.randn(1, 12, generator=random))
        model.directions.copy_(torch.randn(1, 12, 2, generator=random))
    model.noise.fill_(0.3)
    values = torch.randn(5, 12, generator=random)
    directions = model.directions[0].detach().double().numpy()
    covariance = directions @ directions.T + 0.3 * np.eye(12)
    expected = multivariate_normal(model.means[0].detach().numpy(), covariance).logpdf(values.numpy())
    np.testing.assert_allclose(_log_density(model, values, 0).numpy(), expected, rtol=1e-4)


def test_samples_are_the_pictures_statistics(pictures: Tensor) -> None:
    model = FactorAnalysers(components=2, factors=1)
    list(fit(model, pictures, rounds=2))
    made = model.sample(400, 0).detach()
    assert float((made.mean((1, 2, 3)) > 0).float().mean()) == pytest.approx(0.5, abs=0.08)
    torch.testing.assert_close(model.sample(3, 0).detach(), made[:3])
    latents = normal_latents(3, model.latent, 0).requires_grad_()
    torch.autograd.backward(model(latents).square().sum())
    assert latents.grad is not None
    assert float(latents.grad[:, 1].abs().min()) > 0


def test_too_few_pictures(pictures: Tensor) -> None:
    with pytest.raises(InvalidConfig, match="at least 78 pictures"):
        next(fit(FactorAnalysers(components=3, factors=24), pictures))
    with pytest.raises(InvalidConfig, match="one component"):
        FactorAnalysers(components=0)
