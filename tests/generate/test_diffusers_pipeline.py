"""A pipeline of diffusers as a generator: the picture diffusers itself makes, and gradients to the noise.

Importing diffusers takes many seconds, so everything here is slow but the errors that come before.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from generator_weights import one_thread, seeded

from telltale.errors import InvalidConfig
from telltale.generate.adapters import open_generator
from telltale.generate.diffusers_pipeline import DenoisedNoise
from telltale.generate.families import load_generator, save_generator
from telltale.generate.latents import normal_latents
from telltale.generate.tiny_decoder import tiny_decoder

SIDE, STEPS = 8, 3


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def diffusers() -> Any:
    return pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def folder(diffusers: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random DDPM pipeline, as diffusers saves it."""
    out = tmp_path_factory.mktemp("pipeline")
    with seeded(0):
        unet = diffusers.UNet2DModel(
            sample_size=SIDE,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
        )
    diffusers.DDPMPipeline(unet=unet, scheduler=diffusers.DDPMScheduler()).save_pretrained(out)
    return out


@pytest.mark.slow
def test_it_is_the_picture_diffusers_makes(diffusers: Any, folder: Path) -> None:
    generator = open_generator(folder, steps=STEPS).generator
    assert isinstance(generator, DenoisedNoise)
    assert generator.side == SIDE
    noise = normal_latents(2, 3 * SIDE**2, 0)
    theirs = diffusers.DDIMPipeline.from_pretrained(folder)
    scheduler = theirs.scheduler
    scheduler.set_timesteps(STEPS)
    images = noise.reshape(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        for time in scheduler.timesteps:
            said = theirs.unet(images, time).sample
            # Equation 12 of the DDIM paper without added noise, written out.
            now = scheduler.alphas_cumprod[time]
            before = int(time) - scheduler.config.num_train_timesteps // STEPS
            then = scheduler.alphas_cumprod[before] if before >= 0 else torch.tensor(1.0)
            picture = ((images - (1 - now).sqrt() * said) / now.sqrt()).clamp(-1, 1)
            images = then.sqrt() * picture + (1 - then).sqrt() * said
        torch.testing.assert_close(generator(noise), images, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(generator.sample(2, 0), images, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(generator(noise), generator(noise), rtol=0, atol=0)


@pytest.mark.slow
def test_gradients_reach_noise_and_weights(folder: Path) -> None:
    generator = open_generator(folder, steps=STEPS).generator
    noise = normal_latents(1, 3 * SIDE**2, 1).requires_grad_()
    generator(noise).square().sum().backward()
    assert noise.grad is not None
    assert float((noise.grad != 0).float().mean()) > 0.5
    assert any(one.grad is not None and bool(one.grad.any()) for one in generator.parameters())


@pytest.mark.slow
def test_what_was_read_can_be_written_and_read_again(folder: Path, tmp_path: Path) -> None:
    opened = open_generator(folder, steps=STEPS)
    save_generator(tmp_path / "one.safetensors", opened.generator, opened.facts)
    again = load_generator(tmp_path / "one.safetensors")
    with torch.inference_mode():
        made, before = (one.sample(2, 0) for one in (again, opened.generator))  # type: ignore[operator]
    torch.testing.assert_close(made, before, rtol=0.02, atol=0.02)


@pytest.mark.slow
def test_pickles_and_odd_sizes_are_refused(diffusers: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="0 steps"):
        open_generator(folder, steps=0)
    for part in ("unet", "scheduler"):
        (tmp_path / part).mkdir()
    for name in ("model_index.json", "unet/config.json", "scheduler/scheduler_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InvalidConfig, match=r"diffusion_pytorch_model\.bin.*safe_serialization"):
        open_generator(tmp_path)
    config = json.loads((folder / "unet" / "config.json").read_text()) | {"in_channels": 4}
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidConfig, match="three channels"):
        open_generator(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "changed", "said"),
    [
        ("unet/config.json", {"up_block_types": ["UpBlock2D"]}, "diffusers can build; found ValueError"),
        ("unet/config.json", {"down_block_types": ["Odd", "Odd"]}, "diffusers can build; found ValueError"),
        ("unet/config.json", {"num_class_embeds": 3}, "without classes; found .*classes 3"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 2}, "of 3 steps .* found ValueError"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "odd"}, "found NotImplementedError: odd"),
        ("scheduler/scheduler_config.json", {"prediction_type": "odd"}, "prediction_type of 'odd'"),
    ],
)
def test_what_diffusers_cannot_build_is_said(
    folder: Path, tmp_path: Path, part: str, changed: dict[str, Any], said: str
) -> None:
    copytree(folder, tmp_path / "pipeline")
    file = tmp_path / "pipeline" / part
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(InvalidConfig, match=said):
        open_generator(tmp_path / "pipeline", steps=STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [4, 32])
def test_the_tiny_autoencoder_of_diffusers_is_read(diffusers: Any, tmp_path: Path, channels: int) -> None:
    with seeded(channels):
        theirs = diffusers.AutoencoderTiny(latent_channels=channels).eval()
        images = torch.rand(1, 3, 24, 24) * 2 - 1
    theirs.save_pretrained(tmp_path)
    ours = open_generator(tmp_path, side=24).generator
    with torch.inference_mode():
        latents = theirs.encode(images).latents
        torch.testing.assert_close(ours.encode(images)[0], latents.flatten(1), rtol=1e-4, atol=1e-5)  # type: ignore[operator]
        made = theirs.decode(latents).sample
        torch.testing.assert_close(ours(latents.flatten(1)), made, rtol=1e-4, atol=1e-4)
    alone = tiny_decoder(tmp_path / "diffusion_pytorch_model.safetensors", 24)
    torch.testing.assert_close(alone.state_dict()["decoder.1.bias"], ours.state_dict()["decoder.1.bias"])


def test_other_pipelines_are_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(InvalidConfig, match="StableDiffusionPipeline"):
        open_generator(tmp_path)
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(InvalidConfig, match="found list"):
        open_generator(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "DDIMPipeline"}))
    with pytest.raises(InvalidConfig, match=r"config\.json of a pipeline"):
        open_generator(tmp_path)
