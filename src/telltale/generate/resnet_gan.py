"""A residual GAN of 64-px faces: nearest-neighbour enlarging in residual blocks, and a critic without normalisation.

Structure after the residual networks of Gulrajani et al., *Improved training of Wasserstein GANs*, NeurIPS 2017, with
widths for a CPU. The critic's slope is held by the R1 penalty in training (`GanConfig.r1`), not by spectral norms.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from telltale.errors import InvalidConfig
from telltale.generate.latents import normal_latents

SIDE, STAGES = 64, 4
# Channels from 4 to 64 px, in widths.
_CHANNELS = (8, 4, 3, 2, 1)
# Of a sum of two paths, so that depth does not make it grow.
_HALF = 0.5**0.5
# Of the critic's leaky rectifiers, below 0.
_SLOPE = 0.2


class ResidualGenerator(nn.Module):
    """Latents (n, latent) to images (n, 3, 64, 64) in [-1, 1]; four residual stages double the side from 4 px on.

    Args:
        latent: length of a latent vector, standard normal.
        width: channels of the last stage; the first has eight times as many.

    Raises:
        InvalidConfig: a latent or a width below 1.
    """

    def __init__(self, *, latent: int = 64, width: int = 16) -> None:
        super().__init__()
        if min(latent, width) < 1:
            raise InvalidConfig(
                expected="a latent and a width of 1 or more",
                found=f"latent {latent}, width {width}",
                do="Correct the settings.",
            )
        self.latent, self.side = latent, SIDE
        channels = [width * times for times in _CHANNELS]
        self.first = nn.Linear(latent, channels[0] * 16)
        self.stages = nn.Sequential(*(_Enlarging(channels[n], channels[n + 1]) for n in range(STAGES)))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.rgb = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 64 64"]:
        """Latents to images in [-1, 1]."""
        small = self.first(latents).reshape(len(latents), -1, 4, 4)
        images: Tensor = torch.tanh(self.rgb(torch.relu(self.norm(self.stages(small)))))
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 64 64"]:
        """Images in [-1, 1] from standard normal latents; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, self.latent, seed).to(self.rgb.weight.device))
        return images


class _Enlarging(nn.Module):
    """Two convolutions, the second on the enlarged features, beside an enlarged shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList((nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)))
        self.before = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.after = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Float[Tensor, "n inputs h w"]) -> Float[Tensor, "n outputs h2 w2"]:
        """Twice the size."""
        changed = self.before(torch.relu(self.norms[0](features)))
        changed = self.after(torch.relu(self.norms[1](interpolate(changed, scale_factor=2.0))))
        answer: Tensor = (changed + interpolate(self.shortcut(features), scale_factor=2.0)) * _HALF
        return answer


class ResidualCritic(nn.Module):
    """Images (n, 3, 64, 64) in [-1, 1] to one logit each, higher for real; without any normalisation.

    Args:
        width: channels of the first stage; the last has eight times as many.
    """

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        channels = [width * times for times in reversed(_CHANNELS)]
        self.rgb = nn.Conv2d(3, channels[0], 3, padding=1)
        self.stages = nn.Sequential(*(_Reducing(channels[n], channels[n + 1]) for n in range(STAGES)))
        self.last = nn.Linear(channels[-1] * 16, 1)
        # Without normalisation nothing else holds the scale: from torch's usual weights, which shrink what passes
        # through, the logits of real and made pictures stayed equal for a thousand steps.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, " n"]:
        """One logit per image."""
        logits: Tensor = self.last(leaky_relu(self.stages(self.rgb(images)), _SLOPE).flatten(1))[:, 0]
        return logits


class _Reducing(nn.Module):
    """Two convolutions, the second on averages of 2 x 2 pixels, beside an averaged shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.before = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.after = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Float[Tensor, "n inputs h w"]) -> Float[Tensor, "n outputs h2 w2"]:
        """Half the size."""
        changed = leaky_relu(self.before(leaky_relu(features, _SLOPE)), _SLOPE)
        answer: Tensor = (self.after(avg_pool2d(changed, 2)) + self.shortcut(avg_pool2d(features, 2))) * _HALF
        return answer
