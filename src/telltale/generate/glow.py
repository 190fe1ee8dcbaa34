"""A small normalising flow of 64-px faces: every picture has one latent vector, exactly, and a likelihood.

Glow (Kingma and Dhariwal, NeurIPS 2018): activation normalisation, invertible 1 x 1 convolutions as LU decompositions,
affine couplings, at 32, 16, 8 and 4 px, with depths and widths for a CPU. Half of what each resolution makes is done;
the rest goes on to the next.
"""

from math import log, pi
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

# Steps and hidden channels (in widths) at 32, 16, 8 and 4 px.
_DEPTHS, _WIDTHS = (4, 6, 6, 6), (1, 2, 3, 3)
# Most by which a coupling scales, as a logarithm: so that no inverse divides by next to nothing.
_MOST = 1.5
# Of latents in sampling, as Kingma and Dhariwal draw their pictures.
TEMPERATURE = 0.7


class ActNorm(nn.Module):
    """A scale and a shift per channel; the first batch in training decides them, to mean 0 and deviation 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("begun", torch.zeros(()))
        self.begun: Tensor

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        """Towards the latents; the logarithm of the volume's change."""
        if self.training and not self.begun:
            self._begin(x)
        z = (x + self.shift[:, None, None]) * self.log_scale.exp()[:, None, None]
        return z, (self.log_scale.sum() * x.shape[2] * x.shape[3]).expand(len(x))

    def inverse(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Towards the picture."""
        x: Tensor = z * (-self.log_scale).exp()[:, None, None] - self.shift[:, None, None]
        return x

    @torch.no_grad()
    def _begin(self, x: Float[Tensor, "n c h w"]) -> None:
        self.shift.copy_(-x.mean((0, 2, 3)))
        self.log_scale.copy_(-x.std((0, 2, 3)).clamp_min(1e-3).log())
        self.begun.fill_(1)


class Mixing(nn.Module):
    """An invertible 1 x 1 convolution: a fixed permutation times triangular matrices that learn."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", upper.diagonal().sign())
        self.permutation: Tensor
        self.sign: Tensor
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(upper.diagonal().abs().log())

    def _triangular(self) -> tuple[Float[Tensor, "c c"], Float[Tensor, "c c"]]:
        one = torch.eye(len(self.sign), device=self.sign.device)
        return self.lower.tril(-1) + one, self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        """Towards the latents; the logarithm of the volume's change."""
        lower, upper = self._triangular()
        z = torch.einsum("dc,nchw->ndhw", self.permutation @ lower @ upper, x)
        return z, (self.log_diagonal.sum() * x.shape[2] * x.shape[3]).expand(len(x))

    def inverse(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Towards the picture."""
        lower, upper = self._triangular()
        turned = torch.einsum("cd,nchw->dnhw", self.permutation, z)
        unmixed = torch.linalg.solve_triangular(lower, turned.flatten(1), upper=False, unitriangular=True)
        flat: Tensor = torch.linalg.solve_triangular(upper, unmixed, upper=True)
        return flat.reshape(turned.shape).transpose(0, 1)


class Coupling(nn.Module):
    """One half of the channels scales and shifts the other by what a small network says."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        last = nn.Conv2d(hidden, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias if last.bias is not None else last.weight)
        self.network = nn.Sequential(
            nn.Conv2d(channels // 2, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), last
        )

    def _said(self, kept: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
        scale, shift = torch.chunk(self.network(kept), 2, 1)
        return torch.tanh(scale) * _MOST, shift

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        """Towards the latents; the logarithm of the volume's change."""
        kept, changed = x.chunk(2, 1)
        log_scale, shift = self._said(kept)
        return torch.cat([kept, (changed + shift) * log_scale.exp()], 1), log_scale.flatten(1).sum(1)

    def inverse(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Towards the picture."""
        kept, changed = z.chunk(2, 1)
        log_scale, shift = self._said(kept)
        return torch.cat([kept, changed * (-log_scale).exp() - shift], 1)


class Glow(nn.Module):
    """Latents (n, 3 side^2) to images (n, 3, side, side) in [-1, 1], and back.

    Args:
        width: hidden channels of the couplings at half the side; at lower resolutions two and three times as many.
        side: of images, pixels.

    Raises:
        InvalidConfig: a width below 1, or another side than 8, 16, 32 or 64.
    """

    def __init__(self, *, width: int = 32, side: int = 64) -> None:
        super().__init__()
        if width < 1 or side not in (8, 16, 32, 64):
            raise InvalidConfig(
                expected="a width of 1 or more, and a side of 8, 16, 32 or 64",
                found=f"width {width}, side {side}",
                do="Correct the settings.",
            )
        self.latent, self.side = 3 * side**2, side
        self.levels = nn.ModuleList()
        # Down to 4 px.
        count = side.bit_length() - 3
        for n, (depth, times) in enumerate(zip(_DEPTHS[:count], _WIDTHS[:count], strict=True)):
            channels = 12 * 2**n
            parts = ((ActNorm(channels), Mixing(channels), Coupling(channels, times * width)) for _ in range(depth))
            self.levels.append(nn.ModuleList(one for step in parts for one in step))

    def encode(self, images: Float[Tensor, "n 3 side side"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, " n"]]:
        """Latents of images, and the logarithm of the volume's change on the way there."""
        latents, volume, x = [], images.new_zeros(len(images)), images
        for n, level in enumerate(self.levels):
            x = pixel_unshuffle(x, 2)
            for step in level.children():
                x, change = step(x)
                volume = volume + change
            if n + 1 < len(self.levels):
                x, done = x.chunk(2, 1)
                latents.append(done.flatten(1))
        return torch.cat([*latents, x.flatten(1)], 1), volume

    def decode(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 side side"]:
        """The one picture with these latents; may leave [-1, 1]."""
        sizes = [self.latent >> n for n in range(1, len(self.levels))]
        parts = list(torch.split(latents, [*sizes, self.latent - sum(sizes)], 1))
        x = parts.pop().reshape(len(latents), -1, 4, 4)
        for n in reversed(range(len(self.levels))):
            if n + 1 < len(self.levels):
                x = torch.cat([x, parts.pop().reshape(x.shape)], 1)
            for step in reversed(list(self.levels[n].children())):
                x = cast(ActNorm | Mixing | Coupling, step).inverse(x)
            x = pixel_shuffle(x, 2)
        return x

    def log_likelihood(self, images: Float[Tensor, "n 3 side side"]) -> Float[Tensor, " n"]:
        """Natural logarithm of the density of each image in [-1, 1]."""
        latents, volume = self.encode(images)
        return volume - 0.5 * (latents.square().sum(1) + self.latent * log(2 * pi))

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 side side"]:
        """Latents to images in [-1, 1]: `decode`, cut to the range."""
        return self.decode(latents).clamp(-1, 1)

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 side side"]:
        """Images in [-1, 1] from normal latents of deviation 0.7; the first k are the same whatever n is."""
        latents = normal_latents(n, self.latent, seed) * TEMPERATURE
        images: Tensor = self(latents.to(next(self.parameters()).device))
        return images
