"""Generators of others: told by what is in a file or folder, and what nothing fits is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from generator_weights import one_thread, seeded, shared_data, write_weights
from safetensors.torch import save_file
from stylegan2_weights import nvidia, rosinality, written

from telltale.errors import InvalidConfig
from telltale.generate.adapters import open_generator
from telltale.generate.autoencoder import autoencoder
from telltale.generate.families import GeneratorFacts, build_generator, load_generator, save_generator
from telltale.generate.latents import normal_latents
from telltale.generate.srgan import upsampler


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


def test_our_own_files_are_what_they_say(tmp_path: Path) -> None:
    facts = GeneratorFacts(family="gan_nearest", sizes={"latent": 4, "width": 2}, made_with={"seed": 1})
    save_generator(tmp_path / "one.safetensors", build_generator("gan_nearest", **facts.sizes), facts)
    assert open_generator(tmp_path / "one.safetensors").facts == facts


@pytest.mark.parametrize("layout", ["nvidia", "rosinality"])
def test_what_was_read_can_be_written_and_read_again(layout: str, tmp_path: Path) -> None:
    state = nvidia() if layout == "nvidia" else rosinality(nvidia())
    opened = open_generator(written(tmp_path / "given.safetensors", state), truncation=0.7)
    assert opened.facts.made_with == {"read_from": "given.safetensors", "layout": f"StyleGAN2, {layout}"}
    save_generator(tmp_path / "again.safetensors", opened.generator, opened.facts)
    again = load_generator(tmp_path / "again.safetensors")
    latents = normal_latents(2, 5, 0)
    with torch.inference_mode():
        # Weights are kept as float16.
        torch.testing.assert_close(again(latents), opened.generator(latents), rtol=0.02, atol=0.02)


def test_small_generators_of_others_take_normal_latents(tmp_path: Path) -> None:
    write_weights(tmp_path)
    for name, family, side in (("vae_celeba64", "vae", 64), ("dcgan_celeba32", "dcgan", 32)):
        opened = open_generator(tmp_path / f"{name}.safetensors")
        assert opened.facts.family == family
        with torch.inference_mode():
            assert opened.generator.sample(2, 0).shape == (2, 3, side, side)  # type: ignore[operator]


def test_the_uniform_latents_of_the_dcgan_come_from_normal_ones(tmp_path: Path) -> None:
    path = write_weights(tmp_path, "dcgan_celeba32") / "dcgan_celeba32.safetensors"
    generator = open_generator(path).generator
    seen: list[torch.Tensor] = []
    generator.generator_deconv.register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # type: ignore[union-attr]
    with torch.inference_mode():
        generator(normal_latents(400, 100, 0))
    shares = torch.histc(seen[0], 10, -1, 1) / seen[0].numel()
    torch.testing.assert_close(shares, torch.full((10,), 0.1), rtol=0, atol=0.01)


def test_an_autoencoder_needs_a_side_and_refuses_samples(tmp_path: Path) -> None:
    write_weights(tmp_path, "taef2_encoder", "taef2_decoder")
    with pytest.raises(InvalidConfig, match="--side"):
        open_generator(tmp_path)
    with pytest.raises(InvalidConfig, match="multiple of 8"):
        open_generator(tmp_path, side=20)
    generator = open_generator(tmp_path, side=16).generator
    with seeded(1):
        images = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.inference_mode():
        made = generator(generator.encode(images)[0])  # type: ignore[operator]
        expected = autoencoder(tmp_path)((images + 1) / 2) * 2 - 1
    torch.testing.assert_close(made.clamp(-1, 1), expected)
    with pytest.raises(InvalidConfig, match="re-synthesis"):
        generator.sample(1, 0)  # type: ignore[operator]
    (tmp_path / "other_decoder.safetensors").write_bytes(b"")
    with pytest.raises(InvalidConfig, match=r"other_decoder.*taef2_decoder"):
        open_generator(tmp_path, side=16)


def test_what_nothing_fits_is_named(tmp_path: Path) -> None:
    save_file({f"layer{n}.weight": torch.zeros(1) for n in range(9)}, tmp_path / "odd.safetensors")
    with pytest.raises(InvalidConfig, match=r"9 tensors: layer0\.weight, .*layer7\.weight, \.\.\..*docs/generators"):
        open_generator(tmp_path / "odd.safetensors")
    with pytest.raises(InvalidConfig, match=r"a folder of 1 files: odd\.safetensors"):
        open_generator(tmp_path)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pickled.pt")
    for name in ("pickled.pt", "absent.safetensors"):
        with pytest.raises(InvalidConfig, match=rf"{name}.*pickles are not read"):
            open_generator(tmp_path / name)
    folder = tmp_path / "unet"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    save_file({"a": torch.zeros(1)}, folder / "diffusion_pytorch_model.safetensors")
    with pytest.raises(InvalidConfig, match="a folder of 2 files"):
        open_generator(folder)


def test_every_generator_of_the_research_data_loads() -> None:
    folder = shared_data() / "generators"
    assert {path.stem for path in folder.glob("*.safetensors")} == {
        *("dcgan_celeba32", "fast_srgan_x4", "taef2_decoder", "taef2_encoder", "vae_celeba64"),
    }
    with torch.inference_mode():
        for name in ("vae_celeba64", "dcgan_celeba32"):
            images = open_generator(folder / f"{name}.safetensors").generator.sample(8, 0)  # type: ignore[operator]
            # Faces differ from each other and are neither black nor white.
            assert float(images.std(0).mean()) > 0.1
            assert abs(float(images.mean())) < 0.6
        decoder = open_generator(folder, side=64).generator
        ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
        again = decoder(decoder.encode(ramp)[0])  # type: ignore[operator]
        assert float((again - ramp).abs().mean()) < 0.1
        larger = upsampler(folder)(ramp[..., ::4, ::4])
        assert larger.shape == (1, 3, 64, 64)


def test_another_side_than_the_files_own_is_refused(tmp_path: Path) -> None:
    facts = GeneratorFacts(family="vae", sizes={}, made_with={})
    save_generator(tmp_path / "vae.safetensors", build_generator("vae"), facts)
    open_generator(tmp_path / "vae.safetensors", side=64)
    with pytest.raises(InvalidConfig, match="a side of 64 px"):
        open_generator(tmp_path / "vae.safetensors", side=128)
