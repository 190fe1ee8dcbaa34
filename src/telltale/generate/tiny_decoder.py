"""Decoders of the TAESD family as generators: latents of a photograph, or near it, to a picture of one size.

Files come in two layouts: two files of bare numbers (`taesd_encoder`, `taesd_decoder`, `taef2_...`: "0.weight"), and
diffusers' `AutoencoderTiny` (one file, "encoder.layers.0.weight", whose decoder does not count the clamp).
"""

import re
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from telltale.errors import InvalidConfig
from telltale.generate.autoencoder import FACTOR, Autoencoder

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
_SHOWN = 5


class TinyDecoder(Autoencoder):
    """Latents (n, latent), those of a picture flattened, to images (n, 3, side, side) in about [-1, 1].

    Args:
        side: of the images, pixels; a multiple of 8.
        latent_channels, gated: as of `Autoencoder`.

    Raises:
        InvalidConfig: another side.
    """

    def __init__(self, *, side: int, latent_channels: int, gated: bool) -> None:
        super().__init__(latent_channels=latent_channels, gated=gated)
        if side < FACTOR or side % FACTOR:
            raise InvalidConfig(expected=f"a side that is a multiple of {FACTOR}", found=f"{side} px", do="Choose one.")
        self.side, self.latent = side, latent_channels * (side // FACTOR) ** 2

    def encode(self, images: Float[Tensor, "n 3 side side"]) -> tuple[Float[Tensor, "n latent"]]:
        """The latents of images in [-1, 1]; alone in a tuple, since nothing here is drawn around them."""
        return (self.encoder((images + 1) / 2).flatten(1),)

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 side side"]:
        """Latents to images in about [-1, 1]."""
        small = self.side // FACTOR
        images: Tensor = self.decoder(latents.reshape(len(latents), -1, small, small))
        return images * 2 - 1

    def sample(self, n: int, seed: int) -> Tensor:
        """Refused: which latents are pictures only a diffusion model knows.

        Raises:
            InvalidConfig: always.
        """
        raise InvalidConfig(
            expected="a generator that knows which latents are pictures",
            found=f"an autoencoder, asked for {n} samples of seed {seed}",
            do="Encode photographs and decode what you get: re-synthesis.",
        )


def tiny_decoder(path: Path, side: int) -> TinyDecoder:
    """The autoencoder in a file or folder of either layout, ready for inference, as float32.

    Args:
        path: diffusers' folder or its weights file; or a folder with one `*encoder.safetensors` and one
            `*decoder.safetensors`.
        side: of its images, pixels; a multiple of 8.

    Raises:
        InvalidConfig: a file missing, damaged or of another structure; names what was found.
    """
    tensors = _tensors(path)
    first = tensors.get("decoder.1.weight")
    if first is None or first.ndim != 4:
        raise InvalidConfig(
            expected="a tiny autoencoder's decoder, which begins with a convolution of the latents",
            found=f"{path} with {', '.join(sorted(tensors)[:_SHOWN]) or 'nothing'}",
            do="Name diffusers' AutoencoderTiny, or a folder with an encoder and a decoder of the TAESD family.",
        )
    model = TinyDecoder(side=side, latent_channels=first.shape[1], gated=any(".pool." in name for name in tensors))
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors))
    wrong += sorted(name for name in set(wanted) & set(tensors) if wanted[name].shape != tensors[name].shape)
    if wrong:
        raise InvalidConfig(
            expected="an autoencoder of the TAESD family, 64 channels, three blocks a stage",
            found=f"{path} with {len(wrong)} names or shapes that do not fit: {', '.join(wrong[:_SHOWN])}",
            do="Other autoencoders are not read.",
        )
    model.load_state_dict(tensors)
    return model.eval()


def is_tiny(names: set[str]) -> bool:
    """Whether a file's names are those of diffusers' layout."""
    return {"decoder.layers.0.weight", "encoder.layers.0.weight"} <= names


def _tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor under our names: "encoder." or "decoder.", then the place with the clamp counted."""
    if path.is_dir() and not (path / DIFFUSERS_WEIGHTS).is_file():
        return {
            f"{half}.{name}": tensor
            for half in ("encoder", "decoder")
            for name, tensor in _read(_half(path, half)).items()
        }
    found = _read(path / DIFFUSERS_WEIGHTS if path.is_dir() else path)
    return {_ours(name): tensor for name, tensor in found.items()}


def _ours(name: str) -> str:
    parts = re.fullmatch(r"(encoder|decoder)\.layers\.(\d+)\.(.+)", name)
    return name if parts is None else f"{parts[1]}.{int(parts[2]) + (parts[1] == 'decoder')}.{parts[3]}"


def _half(folder: Path, half: str) -> Path:
    found = sorted(folder.glob(f"*{half}.safetensors"))
    if len(found) != 1:
        raise InvalidConfig(
            expected=f"one file that ends in {half}.safetensors in {folder}",
            found=", ".join(path.name for path in found) or "none",
            do="Put one encoder and its decoder into a folder of their own.",
        )
    return found[0]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return {name: tensor.to(torch.float32) for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise InvalidConfig(expected=f"a safetensors file: {path}", found=str(error), do="Fetch it again.") from error
