"""A small diffusion model of 64-px faces, sampled without chance: from noise to a picture by a fixed number of steps.

The network works on blocks of 2 x 2 pixels, so that its highest resolution is 32; a U-Net (Ho et al., *Denoising
diffusion probabilistic models*, NeurIPS 2020) with the cosine schedule (Nichol and Dhariwal, ICML 2021) that says the
velocity (Salimans and Ho, *Progressive distillation*, ICLR 2022). Sampling is DDIM (Song et al., ICLR 2021): a
function of the noise, differentiable through all its steps, whose latents are that noise.
"""

from itertools import pairwise
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

SIDE, LATENT = 64, 3 * 64 * 64
_BLOCK = 2
# Channels at 32, 16, 8 and 4 px, in widths.
_CHANNELS = (1, 2, 3, 4)
# Offset of the cosine schedule, so that the first noise is not negligible.
_OFFSET = 0.008


def signal_and_noise(times: Float[Tensor, " n"]) -> tuple[Float[Tensor, "n 1 1 1"], Float[Tensor, "n 1 1 1"]]:
    """Amplitudes of picture and noise at times from 0 (a picture) to 1 (noise); their squares add up to 1."""
    angles = ((times + _OFFSET) / (1 + _OFFSET) * pi / 2)[:, None, None, None]
    return angles.cos(), angles.sin()


class DiffusionModel(nn.Module):
    """Latents (n, 12288), the noise to start from, to images (n, 3, 64, 64) in [-1, 1].

    Args:
        width: channels at 32 px; multiples of 8.
        steps: of DDIM, evaluations of the network per image; any number goes with the same weights.

    Raises:
        InvalidConfig: sizes out of range.
    """

    def __init__(self, *, width: int = 24, steps: int = 25) -> None:
        super().__init__()
        if width < 8 or width % 8 or steps < 1:
            raise InvalidConfig(
                expected="a width that is a multiple of 8, and 1 step or more",
                found=f"width {width}, steps {steps}",
                do="Correct the settings.",
            )
        self.latent, self.side, self.steps = LATENT, SIDE, steps
        self.width, known = width, 4 * width
        channels = [width * times for times in _CHANNELS]
        self.time = nn.Sequential(nn.Linear(width, known), nn.SiLU(), nn.Linear(known, known), nn.SiLU())
        self.into = nn.Conv2d(3 * _BLOCK**2, width, 3, padding=1)
        before = [width, *channels[:-1]]
        self.down = nn.ModuleList(_Residual(before[n], channels[n], known) for n in range(len(channels)))
        self.middle = nn.ModuleList((_Attention(channels[-1]), _Residual(channels[-1], channels[-1], known)))
        self.up = nn.ModuleList(
            _Residual(channels[n] + channels[min(n + 1, 3)], channels[n], known) for n in range(len(channels))
        )
        self.attention = _Attention(channels[2])
        last = nn.Conv2d(width, 3 * _BLOCK**2, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.out = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), last)

    def velocity(self, images: Float[Tensor, "n 3 64 64"], times: Float[Tensor, " n"]) -> Float[Tensor, "n 3 64 64"]:
        """Signal times noise minus noise times picture, as the network sees it in a noisy image of these times."""
        half = self.width // 2
        waves = times[:, None] * 1000 ** torch.linspace(0, 1, half, device=times.device)[None]
        known = self.time(torch.cat([waves.sin(), waves.cos()], 1))
        features = self.into(pixel_unshuffle(images, _BLOCK))
        seen = []
        for n, block in enumerate(self.down):
            features = block(features if n == 0 else avg_pool2d(features, 2), known)
            seen.append(features)
        features = self.middle[1](self.middle[0](features), known)
        for n in reversed(range(len(self.up))):
            features = features if n == 3 else interpolate(features, scale_factor=2.0)
            features = self.up[n](torch.cat([features, seen[n]], 1), known)
            if n == 2:
                features = self.attention(features)
        return pixel_shuffle(self.out(features), _BLOCK)

    def forward(self, latents: Float[Tensor, "n 12288"]) -> Float[Tensor, "n 3 64 64"]:
        """Latents to images in [-1, 1], by DDIM; differentiable, at the memory of all steps."""
        images = latents.reshape(-1, 3, SIDE, SIDE)
        times = torch.linspace(1, 0, self.steps + 1, device=latents.device)
        for now, then in pairwise(times):
            here = now.expand(len(images))
            (signal, noise), (next_signal, next_noise) = signal_and_noise(here), signal_and_noise(then.expand(1))
            said = self.velocity(images, here)
            picture = (signal * images - noise * said).clamp(-1, 1)
            left = (images - signal * picture) / noise
            # The schedule never quite reaches the picture; what is returned is the last guess at it.
            images = picture if then == 0 else next_signal * picture + next_noise * left
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 64 64"]:
        """Images in [-1, 1] from standard normal latents; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, LATENT, seed).to(self.into.weight.device))
        return images


class _Residual(nn.Module):
    """Two convolutions around a shortcut, told the time between them."""

    def __init__(self, inputs: int, outputs: int, known: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.GroupNorm(8, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.known = nn.Linear(known, outputs)
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.after = nn.Sequential(nn.GroupNorm(8, outputs), nn.SiLU(), last)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(
        self, features: Float[Tensor, "n inputs h w"], known: Float[Tensor, "n k"]
    ) -> Float[Tensor, "n outputs h w"]:
        """The same size."""
        changed = self.after(self.before(features) + self.known(known)[:, :, None, None])
        answer: Tensor = self.shortcut(features) + changed
        return answer


class _Attention(nn.Module):
    """Every place looks at every other, by one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.asked = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The same size."""
        query, key, value = self.asked(self.norm(features)).flatten(2).transpose(1, 2).chunk(3, 2)
        found = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(features.shape)
        answer: Tensor = features + self.out(found)
        return answer
