"""A mixture of factor analysers of faces: the paper's GMM, a generator without a network.

Every component is a mean and a few directions in pixel space; what it makes is sharp nowhere and free of upsampling.
The model and its use for pictures follow Richardson and Weiss, *On GANs and GMMs*, NeurIPS 2018; fitting is expectation
maximisation for mixtures of probabilistic principal component analysers (Tipping and Bishop, 1999), which has closed
forms: noise is equal in all pixels of a component.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

SIDE = 64
# Variance below which a component's noise may not fall: half a step of 8 bits.
_LEAST_NOISE = (0.5 / 127.5) ** 2


class FactorAnalysers(nn.Module):
    """Latents (n, 1 + factors) to images (n, 3, 64, 64) in [-1, 1].

    The first latent chooses the component, through the normal distribution function, in proportion to the components'
    shares; the others move along its directions. Images are the means given the latents: without the pixels' noise.

    Args:
        components: how many.
        factors: directions of each.

    Raises:
        InvalidConfig: numbers below 1.
    """

    means: Tensor
    directions: Tensor
    noise: Tensor
    shares: Tensor

    def __init__(self, *, components: int = 24, factors: int = 24) -> None:
        super().__init__()
        if min(components, factors) < 1:
            raise InvalidConfig(
                expected="at least one component and one factor", found=f"{components}, {factors}", do="Correct them."
            )
        pixels = 3 * SIDE**2
        self.latent, self.side = 1 + factors, SIDE
        self.means = nn.Parameter(torch.zeros(components, pixels))
        self.directions = nn.Parameter(torch.zeros(components, pixels, factors))
        self.register_buffer("noise", torch.ones(components))
        self.register_buffer("shares", torch.full((components,), 1 / components))

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 64 64"]:
        """Latents to images in [-1, 1]."""
        place = torch.special.ndtr(latents[:, 0].detach())
        edges = self.shares.cumsum(0)
        chosen = torch.searchsorted(edges, place.to(edges)).clamp_max(len(edges) - 1)
        moved = self.means[chosen] + (self.directions[chosen] @ latents[:, 1:, None])[:, :, 0]
        return moved.reshape(-1, 3, SIDE, SIDE).clamp(-1, 1)

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 64 64"]:
        """Images in [-1, 1]; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, self.latent, seed).to(self.means.device))
        return images


@dataclass(frozen=True, slots=True, kw_only=True)
class FitProgress:
    """One round of expectation maximisation: mean log-likelihood of a picture before it, in nats per value."""

    round: int
    log_likelihood: float


def fit(
    model: FactorAnalysers, pictures: UInt8[Tensor, "n 3 64 64"], *, rounds: int = 15, seed: int = 0
) -> Iterator[FitProgress]:
    """Fit in place, round by round; the log-likelihood never falls.

    Args:
        model: filled anew.
        pictures: uint8.
        rounds: of expectation maximisation.
        seed: of the first assignment of pictures to components (k-means).

    Raises:
        InvalidConfig: fewer pictures than a component needs.
    """
    components, _, factors = model.directions.shape
    if len(pictures) < components * (factors + 2):
        raise InvalidConfig(
            expected=f"at least {components * (factors + 2)} pictures for {components} components of {factors} factors",
            found=str(len(pictures)),
            do="Give more pictures, or fewer components or factors.",
        )
    values = pictures.flatten(1).float() / 127.5 - 1
    weights = torch.nn.functional.one_hot(_clusters(values, components, seed), components).float()
    for number in range(1, rounds + 1):
        _maximise(model, values, weights)
        log_densities = torch.stack([_log_density(model, values, part) for part in range(components)], 1)
        joint = log_densities + model.shares.log()
        whole = joint.logsumexp(1)
        weights = (joint - whole[:, None]).exp()
        yield FitProgress(round=number, log_likelihood=float(whole.mean()) / values.shape[1])


def _clusters(values: Float[Tensor, "n pixels"], count: int, seed: int) -> Tensor:
    """K-means on pictures of 8 px a side, where it is quick."""
    from sklearn.cluster import KMeans

    small = torch.nn.functional.avg_pool2d(values.reshape(-1, 3, SIDE, SIDE), 8).flatten(1)
    found = KMeans(count, n_init=3, random_state=seed).fit(small.numpy())
    return torch.from_numpy(found.labels_.astype(np.int64))


@torch.no_grad()
def _maximise(model: FactorAnalysers, values: Float[Tensor, "n pixels"], weights: Float[Tensor, "n k"]) -> None:
    """Share, mean, directions and noise of every component: the leading part of its weighted covariance."""
    pixels, factors = model.directions.shape[1:]
    for part in range(len(model.means)):
        mine = weights[:, part]
        total = mine.sum().clamp_min(1e-6)
        mean = (mine @ values) / total
        # Pictures that hardly belong here change nothing and cost time.
        near = mine > 1e-6
        centred = (values[near] - mean) * (mine[near] / total).sqrt()[:, None]
        variance = float(centred.square().sum())
        # The covariance of many pixels has the non-zero eigenvalues of the small matrix of inner products.
        eigenvalues, vectors = torch.linalg.eigh(centred @ centred.T)
        leading, axes = eigenvalues[-factors:].clamp_min(0), vectors[:, -factors:]
        noise = max(_LEAST_NOISE, (variance - float(leading.sum())) / max(1, pixels - factors))
        directions = centred.T @ axes / leading.clamp_min(1e-12).sqrt()
        scale = (leading - noise).clamp_min(0).sqrt()
        model.means[part] = mean
        model.directions[part].zero_()
        model.directions[part, :, : directions.shape[1]] = directions * scale
        model.noise[part] = noise
        model.shares[part] = total / weights.sum()


@torch.no_grad()
def _log_density(model: FactorAnalysers, values: Float[Tensor, "n pixels"], part: int) -> Float[Tensor, " n"]:
    """Normal density with covariance A A' + noise, by the small matrix of A's inner products (Woodbury)."""
    directions, noise = model.directions[part], model.noise[part]
    pixels, factors = directions.shape
    centred = values - model.means[part]
    small = directions.T @ directions + noise * torch.eye(factors)
    projected = centred @ directions
    squared = (centred.square().sum(1) - (projected * torch.linalg.solve(small, projected.T).T).sum(1)) / noise
    log_determinant = torch.linalg.slogdet(small)[1] + (pixels - factors) * noise.log()
    log_density: Tensor = -0.5 * (squared + log_determinant + pixels * float(np.log(2 * np.pi)))
    return log_density
