"""Train small generators of 64-px faces, so that real and fake share one origin and seeds can be compared.

    python recipes/train_generators.py --data PATH_TO_SHARED_DATA --work runs/generators
    python recipes/train_generators.py --data PATH_TO_SHARED_DATA --work runs/generators --quick    (no result written)

Every generator learns the 3,191 training pictures of `celeba64` and nothing else. For each (family, seed) it writes
results/generators/FAMILY-SEED.safetensors (float16, settings and commit in the header) and a grid of 64 samples, nobody
chose among them, FAMILY-SEED.png; the critic of a GAN goes to results/critics/FAMILY-SEED.safetensors, for a finetuning
to go on with. A rerun makes only what is missing and goes on where an interrupted run stopped; --only FAMILY-SEED makes
one. `--critic-of FAMILY-SEED` trains a GAN of the table again for its critic alone, where that was not kept: weights
depend on the processor in their last digits, so it is a twin's critic and says so.

- gan_transposed, gan_nearest: hinge-loss convolutional GANs that differ only in how they enlarge; 4,000 steps of 32.
- resnet_gan: residual blocks, hinge loss, a critic held by the R1 penalty alone; 5,200 steps of 16.
- diffusion: a U-Net on blocks of 2 x 2 pixels, sampled by 25 steps of DDIM; 5,500 steps of 16.
- glow: a normalising flow at 64 px, by likelihood; 1,500 steps of 16.
- vae: a variational autoencoder; 4,000 steps of 32.
- factor_analysers: the paper's GMM, 16 components of 16 factors; 15 rounds of expectation maximisation.

Cost: about 35 minutes a GAN, 15 the VAE, 5 the factor analysers, on one core of a 2021 server CPU, 1 GB of memory; no
GPU. Expected: faces that a person tells from photographs at once, and from noise as well.

`--large` takes wider networks and some ten times the steps, on a GPU where torch sees one (hours each; days without).
They go to WORK/large/results/generators, never in the place of those that every table here is of. Nobody has run it to
the end: no figure here is of such generators.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor, nn

from result_files import write_image
from telltale.data.samples import scan
from telltale.generate.critics import save_critic
from telltale.generate.diffusion import DiffusionModel
from telltale.generate.diffusion_training import DiffusionConfig, train_diffusion
from telltale.generate.factor_analysers import FactorAnalysers, fit
from telltale.generate.families import GeneratorFacts, build_generator, load_generator, save_generator
from telltale.generate.finetuning import fingerprint as network_fingerprint
from telltale.generate.gan import ConvolutionalCritic
from telltale.generate.gan_training import GanConfig, train_gan
from telltale.generate.glow import Glow
from telltale.generate.glow_training import GlowConfig, train_glow
from telltale.generate.resnet_gan import ResidualCritic, ResidualGenerator
from telltale.generate.vae import Vae
from telltale.generate.vae_training import VaeConfig, train_vae
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "celeba64"
# Three seeds of one family, for the table of seeds.
WANTED = (
    *(("gan_transposed", seed) for seed in range(3)),
    ("gan_nearest", 0),
    ("vae", 0),
    ("factor_analysers", 0),
    ("resnet_gan", 0),
    ("diffusion", 0),
    ("glow", 0),
)
CONVOLUTIONAL = {"latent": 64, "width": 24}
SIZES: dict[str, dict[str, int]] = {
    "gan_transposed": CONVOLUTIONAL,
    "gan_nearest": CONVOLUTIONAL,
    "vae": {},
    "factor_analysers": {"components": 16, "factors": 16},
    "resnet_gan": {"latent": 64, "width": 16},
    "diffusion": {"width": 24, "steps": 25},
    "glow": {"width": 32, "side": 64},
}
# Of `--large`: sizes, and settings of the training besides.
LARGE_SIZES: dict[str, dict[str, int]] = {
    "gan_transposed": {"latent": 128, "width": 64},
    "gan_nearest": {"latent": 128, "width": 64},
    "vae": {},
    "factor_analysers": {"components": 32, "factors": 24},
    "resnet_gan": {"latent": 128, "width": 48},
    "diffusion": {"width": 96, "steps": 50},
    "glow": {"width": 128, "side": 64},
}
LARGE_TRAINING: dict[str, dict[str, int]] = {
    "gan_transposed": {"steps": 40_000, "batch": 64},
    "gan_nearest": {"steps": 40_000, "batch": 64},
    "vae": {"steps": 40_000, "batch": 64},
    "resnet_gan": {"steps": 60_000, "batch": 64},
    "diffusion": {"steps": 80_000, "batch": 64},
    "glow": {"steps": 20_000, "batch": 64},
}
QUICK_SIZES = {"factor_analysers": {"components": 2, "factors": 2}, "diffusion": {"width": 8, "steps": 2}}
GRID = 8


@dataclass(frozen=True, slots=True)
class Places:
    """Where files go."""

    generators: Path
    critics: Path


def pictures(data: Path) -> tuple[UInt8[Tensor, "n 3 64 64"], str]:
    """The training pictures, and a hash of their bytes in order."""
    chosen = [one for one in scan([data / "manifest.csv"]) if one.source == SOURCE and one.split == "train"]
    if not chosen:
        sys.exit(f"no training pictures of {SOURCE} in {data / 'manifest.csv'}")
    fingerprint = sha256(b"".join(sha256(one.read()).digest() for one in chosen)).hexdigest()
    return torch.stack([torch.from_numpy(one.pixels()).permute(2, 0, 1) for one in chosen]), fingerprint


def make(family: str, seed: int, data: Path, work: Path, places: Places, *, quick: bool, large: bool = False) -> None:
    """Train one generator, or go on with it; write its weights, its grid and its critic."""
    real, fingerprint = pictures(data)
    sizes = (LARGE_SIZES if large else SIZES)[family]
    if quick:
        sizes = QUICK_SIZES.get(family, sizes)
    torch.manual_seed(seed)
    # Expectation maximisation of small matrices gains nothing there.
    device = "cuda" if large and torch.cuda.is_available() and family != "factor_analysers" else "cpu"
    generator = build_generator(family, **sizes).to(device)
    begin = time.process_time()
    shown = real[::50] if quick else real
    settings, records, critic = learning(family, generator, shown, seed, work, quick=quick, large=large)
    for progress in records:
        print(f"{family}-{seed}", *(f"{name} {value:.4g}" for name, value in asdict(progress).items()), flush=True)
    made_with = {
        "command": invocation(),
        "commit": commit(),
        "data": f"{SOURCE}, split train, {len(real)} pictures",
        "data_fingerprint": fingerprint,
        "settings": settings,
        "processor_seconds_of_the_last_run": round(time.process_time() - begin),
        "machine": machine() if device == "cpu" else torch.cuda.get_device_name(),
        "parameters": sum(one.numel() for one in generator.parameters()),
    }
    name, facts = f"{family}-{seed}.safetensors", GeneratorFacts(family=family, sizes=sizes, made_with=made_with)
    generator.cpu().eval()
    if critic is not None:
        # First, so that a generator that is there has its critic beside it, wherever a run was stopped.
        keep_critic(places.critics / name, critic, generator, facts)
    places.generators.mkdir(parents=True, exist_ok=True)
    write_image(places.generators / f"{family}-{seed}.png", grid(generator))
    save_generator(places.generators / name, generator, facts)


def keep_critic(path: Path, critic: nn.Module, generator: nn.Module, facts: GeneratorFacts) -> None:
    """A GAN's critic, with a fingerprint of the generator it learned beside, as that comes back from its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        save_generator(Path(folder) / path.name, generator, facts)
        mark = network_fingerprint(load_generator(Path(folder) / path.name))
    own = {"generator_fingerprint": mark, "parameters": sum(one.numel() for one in critic.parameters())}
    kind = "residual" if isinstance(critic, ResidualCritic) else "convolutional"
    about = GeneratorFacts(family=kind, sizes={"width": facts.sizes["width"]}, made_with={**facts.made_with, **own})
    save_critic(path, critic, about)


def learning(
    family: str,
    generator: nn.Module,
    real: UInt8[Tensor, "n 3 64 64"],
    seed: int,
    work: Path,
    *,
    quick: bool,
    large: bool = False,
) -> tuple[dict[str, Any], Iterator[Any], nn.Module | None]:
    """The settings of a family's training, its records as they come, and what learns beside it."""
    folder, more = work / f"{family}-{seed}", LARGE_TRAINING.get(family, {}) if large else {}
    match generator:
        case FactorAnalysers():
            rounds = 2 if quick else 15
            return {"rounds": rounds, "seed": seed}, fit(generator, real, rounds=rounds, seed=seed), None
        case Vae():
            for_vae = VaeConfig(**({"steps": 4, "batch": 4, "save_every": 2} if quick else more), seed=seed)
            return asdict(for_vae), train_vae(generator, real, for_vae, folder), None
        case DiffusionModel():
            short = DiffusionConfig(steps=4, batch=4, save_every=2, seed=seed)
            for_noise = short if quick else DiffusionConfig(**more, seed=seed)
            return asdict(for_noise), train_diffusion(generator, real, for_noise, folder), None
        case Glow():
            for_flow = GlowConfig(**({"steps": 4, "batch": 4, "save_every": 2} if quick else more), seed=seed)
            return asdict(for_flow), train_glow(generator, real, for_flow, folder), None
        case ResidualGenerator():
            usual, device = {"steps": 5200, "batch": 16} | more, generator.rgb.weight.device
            residual_critic = ResidualCritic(width=(LARGE_SIZES if large else SIZES)[family]["width"]).to(device)
            residual = GanConfig(**usual, seed=seed, r1=0.1, learning_rate=1e-4, critic_learning_rate=4e-4)
            for_gan = GanConfig(steps=4, batch=4, save_every=2, seed=seed, r1=1.0, r1_every=2) if quick else residual
            return asdict(for_gan), train_gan(generator, residual_critic, real, for_gan, folder), residual_critic
        case _:
            for_gan = GanConfig(**({"steps": 4, "batch": 4, "save_every": 2} if quick else more), seed=seed)
            width = (LARGE_SIZES if large else SIZES)[family]["width"]
            critic = ConvolutionalCritic(width=width).to(next(generator.parameters()).device)
            return asdict(for_gan), train_gan(generator, critic, real, for_gan, folder), critic


@torch.inference_mode()
def grid(generator: nn.Module) -> Image.Image:
    """The first samples of seed 0, in rows."""
    images = generator.sample(GRID**2, 0)  # type: ignore[operator]
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    side = pixels.shape[1]
    rows = pixels.reshape(GRID, GRID, side, side, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(np.ascontiguousarray(rows.reshape(GRID * side, GRID * side, 3)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--work", type=Path, default=Path("runs/generators"), help="where training states are kept")
    parser.add_argument("--only", help="one generator, such as gan_nearest-0")
    parser.add_argument("--critic-of", help="train this GAN again, for its critic alone; its generator goes to WORK")
    parser.add_argument("--large", action="store_true", help="wider, longer, for a GPU; into WORK/large/results")
    parser.add_argument("--quick", action="store_true", help="four steps on few pictures, no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    names = [f"{family}-{seed}" for family, seed in WANTED]
    if chosen.only and chosen.only not in names:
        parser.error(f"{chosen.only}: choose out of {', '.join(names)}")
    if chosen.only and chosen.critic_of:
        parser.error("--only and --critic-of: give one of them")
    gans = [name for name in names if "gan" in name]
    if chosen.critic_of and chosen.critic_of not in gans:
        parser.error(f"{chosen.critic_of}: choose out of {', '.join(gans)}")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    work = work / "large" if chosen.large else work
    kept = work / "results" if chosen.quick or chosen.large else ROOT / "results"
    again = bool(chosen.critic_of)
    places = Places(work / "again" if again else kept / "generators", kept / "critics")
    for family, seed in WANTED:
        name = f"{family}-{seed}.safetensors"
        if (chosen.critic_of or chosen.only) not in (None, f"{family}-{seed}"):
            continue
        if (made := (places.critics if again else places.generators) / name).exists():
            print(f"{made} is there already")
            if "gan" in family and not (places.critics / name).exists():
                print(f"its critic is not: --critic-of {family}-{seed} makes that of a twin")
            continue
        make(family, seed, chosen.data, work, places, quick=chosen.quick, large=chosen.large)


if __name__ == "__main__":
    main()
