"""The classifier a generator is finetuned against: fixed, and shown exactly the pixels it would get from a file.

A generator's numbers reach a detector as 8-bit pixels, perhaps after JPEG, prepared as the detector's spec says. None
of that has a gradient. Here the values are those pixels, to the bit, and the gradient is that of the plain path without
rounding (straight-through: Bengio et al., *Estimating or propagating gradients through stochastic neurons*, 2013), so
that nobody fools a classifier with differences that no file can hold.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from telltale.image import Pixels, Preparation, prepare
from telltale.pooling import Pooling, pool
from telltale.spec import DetectorSpec

_PASS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A fixed classifier, and what happens to a picture before it sees it.

    Attributes:
        name: what records call it.
        classifier: images (n, 3, height, width), scaled as (pixels / 255 - mean) / std, to log-odds of fake per patch;
            in inference mode, its parameters without gradients.
        mean, std: one number a channel.
        preparation: how its pixels are prepared.
        pooling: how patches become an image's score.
        saved: what being saved and read does to pixels, such as JPEG; None where files keep them (PNG).
    """

    name: str
    classifier: nn.Module
    mean: Float[Tensor, "3"]
    std: Float[Tensor, "3"]
    preparation: Preparation
    pooling: Pooling = "mean_probability"
    saved: Callable[[Pixels], Pixels] | None = None

    def logits(self, images: Float[Tensor, "n 3 side side"]) -> Float[Tensor, "n rows columns"]:
        """Log-odds that each patch is fake, of images in [-1, 1]; differentiable with respect to the images.

        Raises:
            UnsuitableImage: of another size than the classifier takes.
        """
        exact = torch.from_numpy(self._seen(images.detach())).permute(0, 3, 1, 2) / 255
        plain = (images + 1) / 2
        if plain.shape != exact.shape:
            plain = interpolate(plain, size=(exact.shape[2], exact.shape[3]), mode="bicubic", antialias=True)
        scaled = (exact + plain - plain.detach() - self.mean[:, None, None]) / self.std[:, None, None]
        logits: Tensor = self.classifier(scaled)
        return logits

    def towards_real(self, images: Float[Tensor, "n 3 side side"]) -> Float[Tensor, ""]:
        """Cross-entropy per patch with the label real: the term that equation 4 adds to a generator's own loss."""
        # Binary cross-entropy with the label 0 is the softplus of the log-odds.
        return softplus(self.logits(images)).mean()

    def scores_and_patches(self, images: Float[Tensor, "n 3 side side"]) -> tuple[Float[np.ndarray, " n"], float]:
        """Each image's score in [0, 1], higher for fake, and the share of all patches that look real."""
        with torch.no_grad():
            logits = torch.cat([self.logits(part) for part in torch.split(images, _PASS)]).float().numpy()
        return np.array([pool(one, self.pooling) for one in logits]), float((logits < 0).mean())

    def _seen(self, images: Float[Tensor, "n 3 side side"]) -> UInt8[np.ndarray, "n height width 3"]:
        """Pixels after saving, reading and preparing."""
        ready = []
        for one in as_pixels(images):
            kept = one if self.saved is None else self.saved(one)
            ready.append(prepare(kept, self.preparation))
        return np.stack(ready)


def as_pixels(images: Float[Tensor, "n 3 side side"]) -> UInt8[np.ndarray, "n side side 3"]:
    """Images in [-1, 1] as 8-bit pixels."""
    levels = ((images.detach() + 1) * 127.5).round().clamp(0, 255)
    return np.ascontiguousarray(levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())


def judge_of(classifier: nn.Module, spec: DetectorSpec, *, saved: Callable[[Pixels], Pixels] | None = None) -> Judge:
    """A trained detector as a judge: what `telltale.learn.checkpoint.restore` gives.

    Args:
        classifier: see `Judge`, with buffers "mean" and "std".
        spec: its own.
        saved: see `Judge`.
    """
    return Judge(
        name=spec.name,
        classifier=classifier.eval().requires_grad_(False),
        mean=classifier.get_buffer("mean"),
        std=classifier.get_buffer("std"),
        preparation=spec.preparation,
        pooling=spec.pooling,
        saved=saved,
    )
