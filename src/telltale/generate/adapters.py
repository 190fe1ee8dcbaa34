"""Whatever generator a file or folder holds, told by what is in it: telltale's own, and those of others.

Nothing is guessed beyond the names of parameters and the files of a folder; what none of them fits is an error that
says what was found.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from telltale.errors import InvalidConfig
from telltale.generate.dcgan import Dcgan, DcganFromNormal
from telltale.generate.diffusers_pipeline import INDEX_FILE, WEIGHTS, read_pipeline
from telltale.generate.families import HEADER, GeneratorFacts, load_generator, read_generator_facts
from telltale.generate.loading import with_weights
from telltale.generate.stylegan2_layouts import layout_of, stylegan2
from telltale.generate.tiny_decoder import DIFFUSERS_WEIGHTS, is_tiny, tiny_decoder
from telltale.generate.vae import Vae

_SHOWN = 8
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A generator and what is known of it.

    Attributes:
        generator: ready for inference.
        facts: what writes it as a file of telltale's: `telltale.generate.families.save_generator`.
        weights: the file whose hash identifies it.
    """

    generator: nn.Module
    facts: GeneratorFacts
    weights: Path


def open_generator(
    path: Path, *, side: int | None = None, steps: int = 25, truncation: float = 1.0, clamp: float | None = None
) -> Opened:
    """The generator in a file or folder.

    Args:
        path: a file of telltale's; a StyleGAN2 generator, `vae_celeba64` or `dcgan_celeba32` as safetensors; a folder
            of an unconditional diffusers pipeline; an autoencoder of the TAESD family, file or folder.
        side: of an autoencoder's images, pixels, which its file does not say; the others say theirs.
        steps: of DDIM, for a pipeline of diffusers.
        truncation, clamp: as of `telltale.generate.stylegan2_layouts.stylegan2`, for a StyleGAN2.

    Raises:
        InvalidConfig: nothing there, something unknown, which says what was found, an autoencoder without a side, or
            another side than the generator has.
        MissingExtra: a pipeline of diffusers, without diffusers.
    """
    opened = _opened(path, side, steps, truncation, clamp)
    found = int(getattr(opened.generator, "side"))  # noqa: B009 (a Module's attributes have no type)
    if side not in (None, found):
        raise InvalidConfig(
            expected=f"a side of {found} px, which {path} says, or none", found=f"{side} px", do="Leave it out."
        )
    return opened


def _opened(path: Path, side: int | None, steps: int, truncation: float, clamp: float | None) -> Opened:
    if path.is_dir():
        return _of_folder(path, side, steps)
    names, own = _names(path)
    if own:
        return Opened(generator=load_generator(path), facts=read_generator_facts(path), weights=path)
    if layout := layout_of(dict.fromkeys(names)):
        return _stylegan2(path, layout, truncation, clamp)
    if is_tiny(names):
        return _tiny(path, path, side)
    if names == _known(Vae()):
        return Opened(generator=with_weights(Vae(), path), facts=_facts("vae", path, "vae_celeba64"), weights=path)
    if names == _known(Dcgan()):
        made = with_weights(DcganFromNormal(), path)
        return Opened(generator=made, facts=_facts("dcgan", path, "dcgan_celeba32"), weights=path)
    shown = ", ".join(sorted(names)[:_SHOWN])
    raise _unknown(f"{path} with {len(names)} tensors: {shown}{', ...' if len(names) > _SHOWN else ''}")


def _stylegan2(path: Path, layout: str, truncation: float, clamp: float | None) -> Opened:
    generator = stylegan2(path, truncation=truncation, clamp=clamp)
    sizes = {
        "latent": generator.latent,
        "style": len(generator.average),
        "layers": len(generator.mapping),
        "channels": generator.channels,
        "truncation": truncation,
        "clamp": clamp,
    }
    return Opened(generator=generator, facts=_facts("stylegan2", path, f"StyleGAN2, {layout}", **sizes), weights=path)


def _tiny(path: Path, weights: Path, side: int | None) -> Opened:
    if side is None:
        raise InvalidConfig(
            expected="the side of the images, which an autoencoder's file does not say",
            found=f"none, for {path}",
            do="Give it: side, or --side.",
        )
    made = tiny_decoder(path, side)
    channels, gated = made.latent // (side // 8) ** 2, any(".pool." in name for name in made.state_dict())
    sizes = {"side": side, "latent_channels": channels, "gated": gated}
    return Opened(generator=made, facts=_facts("tiny_decoder", path, "TAESD family", **sizes), weights=weights)


def _of_folder(path: Path, side: int | None, steps: int) -> Opened:
    if (path / INDEX_FILE).is_file():
        generator, sizes = read_pipeline(path, steps=steps)
        return Opened(
            generator=generator, facts=_facts("diffusers", path, "diffusers", **sizes), weights=path / WEIGHTS
        )
    if (path / DIFFUSERS_WEIGHTS).is_file() and _class_of(path) == "AutoencoderTiny":
        return _tiny(path, path / DIFFUSERS_WEIGHTS, side)
    decoders = sorted(path.glob("*decoder.safetensors"))
    if decoders:
        return _tiny(path, decoders[0], side)
    files = sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())
    raise _unknown(f"{path}, a folder of {len(files)} files: {', '.join(files[:_SHOWN]) or 'none'}")


def _class_of(folder: Path) -> str | None:
    """What the folder's config says it is; None where there is none that can be read."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("_class_name") if isinstance(found, dict) else None


def _names(path: Path) -> tuple[set[str], bool]:
    """The tensors' names without counters that inference never reads; and whether telltale wrote the file."""
    try:
        with safe_open(path, "pt") as stream:
            own = HEADER in (stream.metadata() or {})
            return {name for name in stream.keys() if not name.endswith(_COUNTER)}, own  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise InvalidConfig(
            expected=f"a generator's file as safetensors, or a folder: {path}",
            found=f"{type(error).__name__}: {error}",
            do="Name one; pickles are not read, and docs/generators.md says how to convert one you trust.",
        ) from error


def _known(module: nn.Module) -> set[str]:
    return {name for name in module.state_dict() if not name.endswith(_COUNTER)}


def _facts(family: str, path: Path, layout: str, **sizes: object) -> GeneratorFacts:
    return GeneratorFacts(family=family, sizes=sizes, made_with={"read_from": path.name, "layout": layout})


def _unknown(found: str) -> InvalidConfig:
    return InvalidConfig(
        expected="a generator of telltale's; a StyleGAN2 generator in NVIDIA's or rosinality's layout, vae_celeba64 or "
        "dcgan_celeba32 as safetensors; an unconditional pipeline of diffusers; an autoencoder of the TAESD family",
        found=found,
        do="Convert it as docs/generators.md says, or use it from Python: any torch module from latents to images will "
        "do.",
    )
