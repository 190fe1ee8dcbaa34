"""An unconditional diffusion pipeline of diffusers as a generator: a function of the noise it begins with.

DDIM without added noise (Song et al., *Denoising diffusion implicit models*, ICLR 2021) makes the picture a
deterministic function of the first noise, differentiable through all steps, whatever scheduler the pipeline was saved
with. U-Net and scheduler are diffusers' own: `pip install 'telltale[diffusers]'`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from telltale.errors import InvalidConfig, require
from telltale.generate.latents import normal_latents
from telltale.generate.loading import with_weights

INDEX_FILE, WEIGHTS = "model_index.json", "unet/diffusion_pytorch_model.safetensors"
PIPELINES = ("DDPMPipeline", "DDIMPipeline")
_PREDICTED = ("epsilon", "sample", "v_prediction")
_PARTS = {"unet": "unet/config.json", "scheduler": "scheduler/scheduler_config.json"}


class DenoisedNoise(nn.Module):
    """Noise (n, 3 * side * side) to images (n, 3, side, side) in about [-1, 1].

    Gradients pass all steps, at the memory of all steps.

    Args:
        unet: what diffusers writes as the U-Net's `config.json`.
        scheduler: the same of the scheduler: its betas and what the network predicts.
        steps: of DDIM; 1 or more.

    Raises:
        MissingExtra: without diffusers.
        InvalidConfig: pictures that are not square or not of three channels, less than one step, classes, or what
            diffusers itself refuses, such as more steps than the scheduler knows.
    """

    def __init__(self, *, unet: Mapping[str, Any], scheduler: Mapping[str, Any], steps: int = 25) -> None:
        super().__init__()
        diffusers = require("diffusers", "diffusers")
        side, channels = unet.get("sample_size"), (unet.get("in_channels"), unet.get("out_channels"))
        if not isinstance(side, int) or channels != (3, 3) or steps < 1:
            raise InvalidConfig(
                expected="a U-Net of square pictures with three channels in and out, and one step or more",
                found=f"sample_size {side}, channels {channels}, {steps} steps",
                do="Use an unconditional pipeline of pictures; latent ones are not read.",
            )
        if unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None:
            raise InvalidConfig(
                expected="a U-Net of pictures without classes",
                found=f"class_embed_type {unet.get('class_embed_type')}, classes {unet.get('num_class_embeds')}",
                do="Use an unconditional pipeline: nobody says which class a picture should have.",
            )
        predicted = scheduler.get("prediction_type", "epsilon")
        self.latent, self.side = 3 * side * side, side
        try:
            self.unet: nn.Module = diffusers.UNet2DModel.from_config(dict(unet))
            self.scheduler = diffusers.DDIMScheduler.from_config(dict(scheduler))
            self.scheduler.set_timesteps(steps)
            if predicted not in _PREDICTED:
                raise ValueError(f"a prediction_type of {predicted!r}")
        # Unknown blocks, lists of different lengths, an unknown schedule, more steps than it has.
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidConfig(
                expected=f"a U-Net and a scheduler of {steps} steps that diffusers can build",
                found=f"{type(error).__name__}: {' '.join(str(error).split())[:400].rstrip('.')}",
                do="Check the pipeline's config.json files, or ask for fewer steps.",
            ) from error

    def forward(self, latents: Float[Tensor, "n latent"]) -> Float[Tensor, "n 3 side side"]:
        """Noise to images."""
        images = latents.reshape(-1, 3, self.side, self.side)
        for time in self.scheduler.timesteps:
            images = self.scheduler.step(self.unet(images, time).sample, time, images, eta=0.0).prev_sample
        return images

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 side side"]:
        """Images in about [-1, 1] from standard normal noise; the first k are the same whatever n is."""
        images: Tensor = self(normal_latents(n, self.latent, seed).to(next(self.parameters()).device))
        return images


def read_pipeline(folder: Path, *, steps: int = 25) -> tuple[DenoisedNoise, dict[str, Any]]:
    """The generator in a folder that diffusers' `save_pretrained` wrote; and its sizes, to build it again.

    Raises:
        InvalidConfig: another pipeline, a file missing or damaged, weights as a pickle, or `steps` below 1.
        MissingExtra: without diffusers.
    """
    name = _json(folder / INDEX_FILE).get("_class_name")
    if name not in PIPELINES:
        raise InvalidConfig(
            expected=f"an unconditional pipeline, {' or '.join(PIPELINES)}",
            found=f"{name} in {folder / INDEX_FILE}",
            do="Sample other pipelines with diffusers, and finetune what makes pictures from noise alone.",
        )
    sizes: dict[str, Any] = {part: _json(folder / file) for part, file in _PARTS.items()}
    sizes["steps"] = steps
    if not (folder / WEIGHTS).is_file():
        found = sorted(path.name for path in (folder / "unet").glob("*"))
        raise InvalidConfig(
            expected=f"weights as safetensors: {folder / WEIGHTS}",
            found=", ".join(found) or "an empty folder",
            do="Save the pipeline again, with safe_serialization=True; pickles are not read.",
        )
    with torch.random.fork_rng(devices=[]):
        generator = DenoisedNoise(**sizes)
    with_weights(generator.unet, folder / WEIGHTS)
    return generator.eval(), sizes


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfig(
            expected=f"{path.name} of a pipeline saved by diffusers",
            found=f"{path}: {type(error).__name__}: {error}",
            do="Name the folder that save_pretrained wrote.",
        ) from error
    if not isinstance(found, dict):
        raise InvalidConfig(expected=f"an object in {path}", found=type(found).__name__, do="Save the pipeline again.")
    return found
