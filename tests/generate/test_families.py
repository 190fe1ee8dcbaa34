"""A generator's file gives back the generator, and refuses what it is not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from telltale.errors import InvalidConfig
from telltale.generate.families import (
    FAMILIES,
    HEADER,
    GeneratorFacts,
    build_generator,
    load_generator,
    read_generator_facts,
    save_generator,
)
from telltale.generate.latents import normal_latents

CONVOLUTIONAL = {"latent": 8, "width": 4}
SIZES: dict[str, dict[str, Any]] = {
    "gan_transposed": CONVOLUTIONAL,
    "gan_nearest": CONVOLUTIONAL,
    "factor_analysers": {"components": 2, "factors": 2},
    "vae": {},
    "resnet_gan": CONVOLUTIONAL,
    "diffusion": {"width": 8, "steps": 2},
    "glow": {"width": 4, "side": 16},
    "dcgan": {},
    "stylegan2": {"latent": 4, "style": 4, "layers": 2, "channels": [4, 2]},
    "tiny_decoder": {"side": 8, "latent_channels": 4, "gated": True},
}
# What needs diffusers is tested where that is imported.
WITHOUT_DIFFUSERS = [name for name in FAMILIES if name != "diffusers"]


def shown(generator: nn.Module, family: str) -> Tensor:
    """Two pictures; an autoencoder refuses to sample."""
    if family == "tiny_decoder":
        images: Tensor = generator(normal_latents(2, int(generator.latent), 0))  # type: ignore[arg-type]
        return images
    return generator.sample(2, 0)  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("family", WITHOUT_DIFFUSERS)
def test_there_and_back(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = build_generator(family, **SIZES[family]).eval()
    facts = GeneratorFacts(family=family, sizes=SIZES[family], made_with={"seed": 3})
    save_generator(tmp_path / "one.safetensors", generator, facts)
    again = load_generator(tmp_path / "one.safetensors")
    assert read_generator_facts(tmp_path / "one.safetensors") == facts
    assert not again.training
    with torch.inference_mode():
        made, before = shown(again, family), shown(generator, family)
    # Weights that nobody trained may leave [-1, 1].
    scale = max(1.0, float(before.abs().max()))
    assert float((made - before).abs().max()) < scale / 127.5, "less than one step of 8 bits"
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]


def test_a_number_too_large_for_float16_does_not_become_infinity(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = build_generator("gan_nearest", **CONVOLUTIONAL).eval()
    generator.get_buffer("norm.running_var").fill_(1e5)
    save_generator(
        tmp_path / "one.safetensors",
        generator,
        GeneratorFacts(family="gan_nearest", sizes=CONVOLUTIONAL, made_with={}),
    )
    again = load_generator(tmp_path / "one.safetensors")
    assert torch.equal(again.get_buffer("norm.running_var"), generator.get_buffer("norm.running_var"))
    kept = load_file(tmp_path / "one.safetensors")
    assert [name for name, tensor in kept.items() if tensor.dtype == torch.float32] == ["norm.running_var"]


def test_what_is_no_generator(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="gan_transposed"):
        build_generator("biggan")
    with pytest.raises(InvalidConfig, match="depth"):
        build_generator("gan_nearest", depth=3)
    with pytest.raises(InvalidConfig, match="sizes of gan_nearest"):
        build_generator("gan_nearest", latent=10**9, width=10**6)
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    for header in ({"family": "vae", "sizes": [1]}, {"family": ["vae"], "sizes": {}}, {"family": "vae", "sizes": "x"}):
        said = {HEADER: json.dumps({**header, "made_with": {}})}
        save_file({"weight": torch.zeros(2)}, tmp_path / "odd.safetensors", said)
        with pytest.raises(InvalidConfig, match="written by telltale"):
            load_generator(tmp_path / "odd.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x80\x04pickle")
    for name in ("other", "broken", "absent"):
        with pytest.raises(InvalidConfig, match="written by telltale"):
            load_generator(tmp_path / f"{name}.safetensors")


def test_a_file_may_be_read_by_whom_the_umask_lets_and_a_folder_that_refuses_it_is_an_os_error(tmp_path: Path) -> None:
    facts = GeneratorFacts(family="gan_nearest", sizes=CONVOLUTIONAL, made_with={})
    generator = build_generator("gan_nearest", **CONVOLUTIONAL)
    save_generator(tmp_path / "one.safetensors", generator, facts)
    (tmp_path / "usual").touch()
    assert (tmp_path / "one.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(OSError, match="usual"):
        save_generator(tmp_path / "usual" / "one.safetensors", generator, facts)
