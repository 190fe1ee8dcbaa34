"""What the recipes of equation 4 share: photographs, a generator, classifiers, and how one is fooled.

No script: `equation4.py` and those named after it run on it, and `arms_race.py`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray

from result_files import keep
from sharing import alone
from table_seeds import samples
from telltale.data.corruptions import jpeg
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.generate.critics import load_critic
from telltale.generate.families import GeneratorFacts, load_generator, read_generator_facts, save_generator
from telltale.generate.finetuning import finetune, history
from telltale.generate.finetuning_config import FinetuneConfig, Step
from telltale.generate.finetuning_folder import photographs
from telltale.generate.finetuning_judge import Judge, judge_of
from telltale.generate.finetuning_losses import adversarial
from telltale.generate.gan import ConvolutionalCritic
from telltale.generate.quality import face_features, kernel_distance
from telltale.learn.checkpoint import file_hash, restore
from telltale.learn.config import TrainConfig
from telltale.pooling import pool
from telltale.provenance import invocation
from trained_networks import told_apart, trained_once

ROOT = Path(__file__).resolve().parent.parent
REAL, GENERATOR = "celeba64", "gan_transposed-0"
ARCHITECTURES = ("xception_block1", "xception_block2", "resnet18_layer1")
SEEDS = 3
# Generators that no classifier here has learned from.
OTHERS = (
    *("gan_transposed-1", "gan_transposed-2", "gan_nearest-0", "resnet_gan-0"),
    *("vae-0", "factor_analysers-0", "diffusion-0", "glow-0"),
)
# A second classifier begins from other weights than the first of its seed.
SECOND = 100
JPEG_QUALITY = 95.0
Pictures = UInt8[np.ndarray, "n side side 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The photographs, the generator, and where things are kept."""

    reals: list[Sample]
    generator: Path
    work: Path
    cells: Path
    quick: bool

    @property
    def critic(self) -> Path:
        """What the generator was trained against, or a twin of it: its header says which."""
        return self.generator.parents[1] / "critics" / self.generator.name

    def of_split(self, split: str) -> list[Sample]:
        """Its photographs."""
        return [one for one in self.reals if one.split == split]

    def drawn(self, generator: Path, splits: Sequence[str] = ("train", "validation", "test")) -> list[Sample]:
        """As many samples as photographs, in each split, saved as they are; made where they are not there."""
        folder = self.work / "samples" / generator.stem
        found = []
        for split in splits:
            count, kept = len(self.of_split(split)), folder / f"{split}-{file_hash(generator)[:12]}"
            paths = [kept / f"{place:05d}.jpg" for place in range(count)]
            if not all(path.exists() for path in paths):
                with alone(self.work, f"samples {generator.stem} {split}"):
                    samples(generator, count, split, folder)
            found += [Sample(path=path, is_fake=True, source=generator.stem, split=split) for path in paths]
        return found


def contest(data: Path, generators: Path, work: Path, *, quick: bool, name: str = "equation4") -> Contest:
    reals = [one for one in scan([data / "manifest.csv"]) if one.source == REAL][:: 80 if quick else 1]
    return Contest(
        reals=reals,
        generator=generators / f"{GENERATOR}.safetensors",
        work=work,
        cells=(work if quick else ROOT / "results") / name,
        quick=quick,
    )


def classifier(bench: Contest, name: str, architecture: str, seed: int, fakes: Sequence[Sample], **more: Any) -> Path:
    """The weights of a classifier of some fakes against the photographs: trained, or trained on; `more` settings."""
    out = bench.work / "train" / name
    usual: dict[str, Any] = {
        "crop": None,
        "allow_small": True,
        "view": "whole",
        "steps_per_epoch": 4 if bench.quick else 60,
        "epochs": 1 if bench.quick else 5,
        "patience": 5,
        "choose_by": "loss",
        "schedule": "cosine",
        "threads": 1,
    }
    which: dict[str, Any] = {"name": name, "architecture": architecture, "seed": seed}
    config = TrainConfig(data=("celeba64 and samples",), **usual | which | more)
    learned = [one for one in [*bench.reals, *fakes] if one.split != "test"]
    # Folders of samples are named by the hash of the generator that made them.
    return trained_once(bench.work, out, config, learned, told_apart(learned))


def fixed(weights: Path) -> Judge:
    """A classifier to be fooled, which sees samples as their files hold them."""
    random = np.random.default_rng(0)  # the corruption's signature asks for one; JPEG draws nothing
    return judge_of(*restore(weights), saved=lambda pixels: jpeg(pixels, JPEG_QUALITY, random))


def hasty(bench: Contest, seed: int) -> FinetuneConfig:
    """A few dozen steps beside a critic that begins anew, which cost quality: arms_race.py and equation4_kinds.py."""
    if bench.quick:
        return FinetuneConfig(target=None, steps=2, batch=4, checked=8, check_every=1, warm_up=1, seed=seed)
    return FinetuneConfig(
        weight=1.0,
        target=0.85,
        steps=600,
        warm_up=150,
        check_every=20,
        learning_rate=1e-5,
        seed=seed,
    )


def settings(bench: Contest, seed: int) -> FinetuneConfig:
    """Of this table; chosen by equation4_settings.py on a seed of its own."""
    if bench.quick:
        return replace(hasty(bench, seed), average=0.5)
    return replace(hasty(bench, seed), weight=0.1, learning_rate=5e-5, critic_learning_rate=1e-4, average=0.995)


def held_out(found: Sequence[Sample]) -> Pictures:
    """Of photographs, those that no generator has learned from; of samples, as many."""
    return np.stack([one.pixels() for one in found if one.split != "train"])


def measured(bench: Contest, generator: Path) -> tuple[float, float]:
    """Kernel distance (face-parser features) of samples to the photographs held out, and its standard error."""
    path = bench.work / "quality" / f"{file_hash(generator)[:12]}.json"
    if not path.exists():
        features = [face_features(held_out(part)) for part in (bench.drawn(generator), bench.reals)]
        found = kernel_distance(*features)
        keep(path, {"value": found.value, "error": found.error})
    kept = json.loads(path.read_text())
    return kept["value"], kept["error"]


def finetuned(
    bench: Contest, name: str, start: Path, judges: Sequence[Judge], how: FinetuneConfig, critic: Path | None = None
) -> tuple[Path, list[Step]]:
    """The generator after its finetuning, and the record of every check; without a critic's file one begins anew.

    What an earlier run made is checked against what is asked for: other settings, another start or other judges are an
    error, not the old weights under a new name.
    """
    out = bench.work / "finetune" / name
    made = out / f"{name}.safetensors"
    pictures, failures = photographs(bench.of_split("train"), 64)
    assert not failures
    generator = load_generator(start)
    torch.manual_seed(how.seed)
    against = ConvolutionalCritic() if critic is None else load_critic(critic, side=64)
    own = adversarial(against, pictures, how, latent=generator.latent)  # type: ignore[arg-type]
    for step in finetune(generator, judges, own, how, out, same={"critic": critic and file_hash(critic)}):
        print(f"{name} step {step.step} fooled {step.fooled:.3f} distance {step.distance:.1f}", flush=True)
    # Steps and target may differ when a run goes on: what was written before them is not what there is now.
    if not made.exists() or read_generator_facts(made).made_with["finetuned"]["settings"] != asdict(how):
        about = read_generator_facts(start)
        made_with = {**about.made_with, "finetuned": {"command": invocation(), "settings": asdict(how)}}
        save_generator(made, generator, GeneratorFacts(family=about.family, sizes=about.sizes, made_with=made_with))
    return made, history(out)


@torch.inference_mode()
def scores(weights: Path, pictures: Pictures) -> NDArray[np.float64]:
    """Of pictures of one size, 64 at a time."""
    model, spec = restore(weights)
    logits = [model.from_pixels(torch.from_numpy(part)) for part in np.array_split(pictures, -(-len(pictures) // 64))]
    return np.array([pool(one, spec.pooling) for one in torch.cat(logits).numpy()])


def named(role: str, architecture: str, seed: int) -> str:
    return f"{role}-{architecture}-{seed}"


def pixels(found: Sequence[Sample], split: str = "test") -> Pictures:
    return np.stack([one.pixels() for one in found if one.split == split])


def wanted(bench: Contest, seeds: int) -> list[tuple[str, int]]:
    """Seeds outermost, so that an interrupted run leaves whole seeds."""
    return [(one, seed) for seed in range(seeds) for one in ARCHITECTURES[: 1 if bench.quick else None]]


def asked(bench: Contest) -> dict[str, Any]:
    """What cells of one table share, and say."""
    return {
        "lambda": settings(bench, 0).weight,
        "generator_sha256": file_hash(bench.generator),
        "critic_sha256": file_hash(bench.critic),
    }


def asked_for(about: str, name: str, needs: Sequence[str], work: str = "") -> tuple[argparse.Namespace, Contest]:
    """The command line of a recipe on these photographs and generators, checked; and its contest.

    Args:
        about: of what it says of itself the first line.
        name: of the results.
        needs: generators without which it cannot begin.
        work: where networks are kept by default; runs/NAME.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--generators", type=Path, default=ROOT / "results" / "generators")
    parser.add_argument("--work", type=Path, default=Path(work or f"runs/{name}"))
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, models and steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    for one in needs:
        if not (chosen.generators / f"{one}.safetensors").is_file():
            parser.error(f"no {one}.safetensors in {chosen.generators}: run recipes/train_generators.py first")
    torch.set_num_threads(1)
    work_at = chosen.work / "quick" if chosen.quick else chosen.work
    bench = contest(chosen.data, chosen.generators, work_at, quick=chosen.quick, name=name)
    return chosen, bench


def need_critic(bench: Contest) -> None:
    """Exit where the generator's critic is missing."""
    if not bench.critic.is_file():
        sys.exit(f"no {bench.critic}: run recipes/train_generators.py --critic-of {GENERATOR} first")
