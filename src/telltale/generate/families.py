"""Generators trained here, as files: a literal dictionary of families, weights and settings in one safetensors file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor, nn

from telltale.data.index import write_whole
from telltale.errors import InvalidConfig
from telltale.generate.dcgan import DcganFromNormal
from telltale.generate.diffusers_pipeline import DenoisedNoise
from telltale.generate.diffusion import DiffusionModel
from telltale.generate.factor_analysers import FactorAnalysers
from telltale.generate.gan import ConvolutionalGenerator
from telltale.generate.glow import Glow
from telltale.generate.loading import with_weights
from telltale.generate.resnet_gan import ResidualGenerator
from telltale.generate.stylegan2 import StyleGan2
from telltale.generate.tiny_decoder import TinyDecoder
from telltale.generate.vae import Vae

# In the metadata of a file that telltale wrote.
HEADER = "telltale_generator"


class Generator(Protocol):
    """A function from latents to images in [-1, 1], differentiable, with its parameters.

    Attributes:
        latent: length of a latent vector.
        side: of its images, pixels.
    """

    latent: int
    side: int

    def __call__(self, latents: Tensor) -> Tensor:
        """Latents (n, latent) to images (n, 3, side, side) in [-1, 1]."""
        ...

    def sample(self, n: int, seed: int) -> Float[Tensor, "n 3 side side"]:
        """Images in [-1, 1]; the first k are the same whatever n is."""
        ...


FAMILIES: dict[str, Callable[..., nn.Module]] = {
    "gan_transposed": lambda **sizes: ConvolutionalGenerator(upsampling="transposed", **sizes),
    "gan_nearest": lambda **sizes: ConvolutionalGenerator(upsampling="nearest", **sizes),
    "factor_analysers": FactorAnalysers,
    "vae": Vae,
    "resnet_gan": ResidualGenerator,
    "diffusion": DiffusionModel,
    "glow": Glow,
    # Of others, read by `telltale.generate.adapters`; so that what was finetuned can be written and read again.
    "dcgan": DcganFromNormal,
    "stylegan2": StyleGan2,
    "diffusers": DenoisedNoise,
    "tiny_decoder": TinyDecoder,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorFacts:
    """What a file says of a generator.

    Attributes:
        family: a name out of FAMILIES.
        sizes: what the family's constructor takes; JSON values.
        made_with: how it was trained: seed, steps, data, command, commit.
    """

    family: str
    sizes: Mapping[str, Any]
    made_with: Mapping[str, Any]


def build_generator(family: str, **sizes: Any) -> nn.Module:
    """An untrained generator.

    Raises:
        InvalidConfig: an unknown family, which lists the known ones, or sizes it does not take.
    """
    if family not in FAMILIES:
        raise InvalidConfig(expected=f"a family out of {', '.join(FAMILIES)}", found=repr(family), do="Choose one.")
    try:
        return FAMILIES[family](**sizes)
    # Sizes that no memory holds are a RuntimeError of torch, those that do not go together a ValueError of diffusers.
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidConfig(expected=f"sizes of {family}", found=str(error), do="Correct the sizes.") from error


def save_generator(path: Path, generator: nn.Module, facts: GeneratorFacts) -> None:
    """Write weights and facts, all or nothing; weights as float16, which halves the file and shows in no picture.

    A tensor with a number beyond float16's range is written as it is.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    write_network(path, generator, facts, HEADER)


def write_network(path: Path, network: nn.Module, facts: GeneratorFacts, header: str) -> None:
    """The same for any network of a training, under a header that says what kind it is."""
    tensors = {name: _small(tensor.detach().cpu()).contiguous() for name, tensor in network.state_dict().items()}
    about = {"family": facts.family, "sizes": dict(facts.sizes), "made_with": dict(facts.made_with)}
    # safetensors' own writer makes files that only their owner may read, and a full disk is no OSError there.
    write_whole(path, serialised(tensors, {header: json.dumps(about)}))


def _small(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    # Beyond 65504 a number would come back as infinity.
    return tensor if bool((half.isinf() & tensor.isfinite()).any()) else half


def read_generator_facts(path: Path) -> GeneratorFacts:
    """What a generator's file says of itself.

    Raises:
        InvalidConfig: missing, damaged, or not written by `save_generator`.
    """
    return read_network_facts(path, HEADER, "a generator's file")


def read_network_facts(path: Path, header: str, kind: str) -> GeneratorFacts:
    """What the file of any network of a training says of itself, under the header of its kind.

    Raises:
        InvalidConfig: missing, damaged, or not written by `write_network` with this header.
    """
    try:
        with safe_open(path, "pt") as stream:
            facts = GeneratorFacts(**json.loads((stream.metadata() or {})[header]))
        # What a damaged header holds instead would fail far from here.
        if not (isinstance(facts.family, str) and isinstance(facts.sizes, dict) and isinstance(facts.made_with, dict)):
            raise TypeError("family, sizes or made_with of another kind")
        return facts
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidConfig(
            expected=f"{kind} written by telltale: {path}",
            found=f"{type(error).__name__}: {error}",
            do="Name a file that a recipe or command of telltale wrote.",
        ) from error


def load_generator(path: Path) -> nn.Module:
    """A generator ready for inference, as float32.

    Raises:
        InvalidConfig: missing, damaged, not written by `save_generator`, or of an unknown family.
    """
    facts = read_generator_facts(path)
    return with_weights(build_generator(facts.family, **facts.sizes), path)
