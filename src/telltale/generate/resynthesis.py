"""Fakes aligned with their reals: the same picture, made anew by a generator, at the same size.

Later work trains on such pairs so that nothing but the generator's texture tells them apart (aligned re-synthesis).
"""

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.autoencoder import FACTOR as LATENT_FACTOR
from telltale.generate.autoencoder import autoencoder
from telltale.generate.srgan import FACTOR as UPSAMPLING
from telltale.generate.srgan import upsampler
from telltale.image import Pixels, Resized, resize

Resynthesise: TypeAlias = Callable[[Pixels], Pixels]
# Instance normalisation is undefined over a single pixel of the small picture.
SMALLEST_UPSAMPLED = 2


def resynthesiser(name: str, weights: Path) -> Resynthesise:
    """A function from a picture to its re-synthesis, of the same size; deterministic.

    Any size of picture is taken: the network sees it grown by mirroring to the sides it needs, the result is cropped
    back. The picture passes in one piece, because both networks normalise over all of it: "taef2" needs about 1.1 GB
    of memory per megapixel, "srgan_x4" 0.6 GB.

    Args:
        name: "taef2" encodes and decodes with a latent-diffusion model's autoencoder; "srgan_x4" scales down by four
            with Lanczos and enlarges with a GAN-trained upsampler.
        weights: the folder that holds the generators' safetensors files.

    Raises:
        InvalidConfig: an unknown name, which lists the known ones, or weights that are missing or do not fit.
    """
    if name not in RESYNTHESISERS:
        raise InvalidConfig(
            expected=f"a re-synthesis out of {', '.join(RESYNTHESISERS)}", found=repr(name), do="Choose one."
        )
    return RESYNTHESISERS[name](weights)


def _through_latents(folder: Path) -> Resynthesise:
    model = autoencoder(folder)

    def resynthesise(pixels: Pixels) -> Pixels:
        padded = _padded(pixels, LATENT_FACTOR)
        made = _pixels(_run(model, padded.astype(np.float32) / 255))
        return made[: pixels.shape[0], : pixels.shape[1]]

    return resynthesise


def _through_upsampling(folder: Path) -> Resynthesise:
    model = upsampler(folder)

    def resynthesise(pixels: Pixels) -> Pixels:
        padded = _padded(pixels, UPSAMPLING, least=SMALLEST_UPSAMPLED)
        small = resize(padded, padded.shape[0] // UPSAMPLING, padded.shape[1] // UPSAMPLING)
        made = _run(model, small.astype(np.float32) / 127.5 - 1)
        return _pixels((made + 1) / 2)[: pixels.shape[0], : pixels.shape[1]]

    return resynthesise


RESYNTHESISERS: dict[str, Callable[[Path], Resynthesise]] = {"taef2": _through_latents, "srgan_x4": _through_upsampling}


def _padded(pixels: Pixels, multiple: int, *, least: int = 1) -> Resized:
    """Grown at the lower right by mirroring, as often as a small picture needs.

    Both sides become multiples of `multiple`, `least` of them or more.
    """
    amounts = [(0, max(ceil(length / multiple), least) * multiple - length) for length in pixels.shape[:2]]
    return np.pad(pixels, [*amounts, (0, 0)], mode="symmetric")


def _run(model: nn.Module, image: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height2 width2 3"]:
    batch = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        made: Tensor = model(batch)
    return made[0].permute(1, 2, 0).numpy()


def _pixels(image: Float[np.ndarray, "height width 3"]) -> Pixels:
    pixels: Pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels
