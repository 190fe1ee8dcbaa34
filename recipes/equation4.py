"""Equation 4 of the paper: a generator learns to fool a fixed patch classifier; does a second classifier recover?

    python recipes/equation4.py --data PATH_TO_SHARED_DATA --work runs/equation4
    python recipes/equation4.py --data PATH_TO_SHARED_DATA --work runs/equation4 --quick    (no result written)

Reals are the photographs of `celeba64`; the generator is one of `recipes/train_generators.py` that learned their
training split. For each architecture and seed:

1. a first classifier learns the generator's samples against the training photographs;
2. the generator is finetuned against it (its own adversarial loss with a critic of its training that goes on, plus
   lambda times the classifier's loss towards real), until the classifier takes 85 % of the checked samples of the
   averaged weights for real;
3. a second classifier learns the finetuned generator's samples against the same photographs;
4. every first and second classifier there is judges the samples of every generator, finetuned, not finetuned and never
   seen: the transfer matrix.

Samples are saved as the photographs are (JPEG, quality 95, 4:2:0, 64 px), in training, in testing, and in what the
classifier sees while it is being fooled; every picture keeps its own 64 px. Accuracy is at a score of 0.5, on 405 test
photographs and as many new samples together; "called fake" is of the samples alone. Quality is the kernel distance of
809 samples, other latents than those finetuned on, to the 809 photographs that no generator has learned from.

Every (architecture, seed) is one file in results/equation4/; a rerun computes only what is missing, and goes on inside
a training or finetuning that was interrupted. Several processes of the same command share the work: start it as often
as there are cores. Cost: about ten minutes an architecture and seed on one core of a 2021 server CPU. `--summarise`
writes results/equation4.csv, .json, .md, .png and results/transfer_matrix.csv from the cells there are, and says which
are missing. Finetuned weights are not kept in the repository: docs/misuse.md says why.

Expected: the first classifier falls from 99 % to 60 % or below, a second one is back at 99 %.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from result_files import keep, write_facts, write_image, write_page, write_table
from sharing import alone, unclaimed
from table_seeds import samples
from telltale.data.corruptions import jpeg
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.evaluate.metrics import auc
from telltale.explain.heatmaps import colour, heatmap, legend
from telltale.generate.critics import load_critic
from telltale.generate.families import GeneratorFacts, load_generator, read_generator_facts, save_generator
from telltale.generate.finetuning import finetune, history
from telltale.generate.finetuning_config import FinetuneConfig, Step, reached
from telltale.generate.finetuning_folder import photographs
from telltale.generate.finetuning_judge import Judge, judge_of
from telltale.generate.finetuning_losses import adversarial
from telltale.generate.gan import ConvolutionalCritic
from telltale.generate.quality import face_features, kernel_distance
from telltale.learn.checkpoint import file_hash, restore
from telltale.learn.classifier import build
from telltale.learn.config import TrainConfig
from telltale.learn.precision import machine
from telltale.pooling import pool
from telltale.provenance import commit, invocation
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


def cell(bench: Contest, architecture: str, seed: int) -> dict[str, Any]:
    """One classifier fooled, and its successor."""
    begin = time.perf_counter()
    first = classifier(bench, named("first", architecture, seed), architecture, seed, bench.drawn(bench.generator))
    name = named("finetuned", architecture, seed)
    how = settings(bench, seed)
    weights, past = finetuned(bench, name, bench.generator, [fixed(first)], how, bench.critic)
    made = bench.drawn(weights)
    second = classifier(bench, named("second", architecture, seed), architecture, seed + SECOND, made)
    shown = {"photographs": pixels(bench.reals), "before": pixels(bench.drawn(bench.generator)), "after": pixels(made)}
    judged = {
        role: {kind: scores(path, those) for kind, those in shown.items()}
        for role, path in (("first", first), ("second", second))
    }
    before, after = (measured(bench, path) for path in (bench.generator, weights))
    return {
        "classifier": architecture,
        "seed": seed,
        "generator": GENERATOR,
        **asked(bench),
        "settings": asdict(how),
        "steps": past[-1].step,
        "stopped_at_target": reached(how, past[0], past[-1]),
        "distance": round(past[-1].distance, 2),
        "quality_before": [round(value, 5) for value in before],
        "quality_after": [round(value, 5) for value in after],
        "scores": {
            role: {kind: [round(float(one), 4) for one in those] for kind, those in found.items()}
            for role, found in judged.items()
        },
        "maps": {
            "first photographs": mean_map(first, shown["photographs"]),
            "first before": mean_map(first, shown["before"]),
            "first after": mean_map(first, shown["after"]),
            "second after": mean_map(second, shown["after"]),
        },
        "checks": [asdict(one) for one in past],
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "command": invocation(),
        "machine": machine(),
    }


@torch.inference_mode()
def mean_map(weights: Path, pictures: Pictures) -> list[list[float]]:
    """P(fake) of each patch, mean over pictures: rows and columns of patches."""
    model, _ = restore(weights)
    parts = np.array_split(pictures, -(-len(pictures) // 64))
    found = torch.cat([model.from_pixels(torch.from_numpy(part)).sigmoid() for part in parts]).mean(0)
    return [[round(value, 4) for value in row] for row in found.tolist()]


def wanted(bench: Contest, seeds: int) -> list[tuple[str, int]]:
    """Seeds outermost, so that an interrupted run leaves whole seeds."""
    return [(one, seed) for seed in range(seeds) for one in ARCHITECTURES[: 1 if bench.quick else None]]


def run(bench: Contest, seeds: int) -> None:
    """Every missing cell; the last process of several then makes the transfer matrix."""
    for architecture, seed in unclaimed(bench.work, "equation4", wanted(bench, seeds)):
        path = bench.cells / f"{architecture}-{seed}.json"
        if not path.exists():
            found = cell(bench, architecture, seed)
            keep(path, found)
            print(path.stem, f"{found['seconds']} s", *figures(found).items(), flush=True)
    keep(bench.cells / "transfer.json", matrix(bench, seeds))


def matrix(bench: Contest, seeds: int) -> dict[str, Any]:
    """How every classifier of the table that is trained judges the test samples of every generator."""
    # Others keep theirs in the same folder: equation4_settings.py those of a seed that this table must not see.
    own = sorted(wanted(bench, seeds))
    trained = [bench.work / "train" / named(role, *one) for role in ("first", "second") for one in own]
    judges = [path for path in trained if (path / "done").exists()]
    names = [named("finetuned", *one) for one in own]
    made_here = [bench.work / "finetune" / name / f"{name}.safetensors" for name in names]
    finetuned_ones = [path for path in made_here if path.exists()]
    others = [bench.generator.with_name(f"{name}.safetensors") for name in OTHERS]
    generators = [bench.generator, *finetuned_ones, *(path for path in others if path.exists())]
    made = [pixels(bench.drawn(path, ("test",))) for path in generators]
    shown = np.concatenate([pixels(bench.reals), *made])
    rows = []
    for judge in judges:
        real, *fakes = np.split(scores(judge / "best.safetensors", shown), len(generators) + 1)
        is_fake = np.arange(2 * len(real)) >= len(real)
        rows += [
            {
                "generator": path.stem,
                "classifier": judge.name,
                "called_fake": round(float((fake >= 0.5).mean()), 4),
                "auc": round(auc(is_fake, np.concatenate([real, fake])), 4),
            }
            for path, fake in zip(generators, fakes, strict=True)
        ]
    return {"pairs": rows, "n": len(bench.of_split("test")), "commit": commit()}


def figures(found: dict[str, Any]) -> dict[str, float]:
    """The numbers of a cell that the table shows; accuracies of photographs and samples together."""
    judged = {
        role: {kind: np.array(values) for kind, values in by_kind.items()} for role, by_kind in found["scores"].items()
    }

    def accuracy(role: str, kind: str) -> float:
        right = np.concatenate([judged[role]["photographs"] < 0.5, judged[role][kind] >= 0.5])
        return round(float(right.mean()), 4)

    return {
        "accuracy_before": accuracy("first", "before"),
        "accuracy_after": accuracy("first", "after"),
        "called_fake_before": round(float((judged["first"]["before"] >= 0.5).mean()), 4),
        "called_fake_after": round(float((judged["first"]["after"] >= 0.5).mean()), 4),
        "quality_before": found["quality_before"][0],
        "quality_after": found["quality_after"][0],
        "second_classifier_accuracy": accuracy("second", "after"),
        "second_classifier_called_fake": round(float((judged["second"]["after"] >= 0.5).mean()), 4),
        "second_classifier_accuracy_on_unfinetuned": accuracy("second", "before"),
    }


def complete(bench: Contest) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells there are, and the names of those that are missing."""
    paths = [bench.cells / f"{name}-{seed}.json" for name, seed in wanted(bench, 1 if bench.quick else SEEDS)]
    found, now = [], asked(bench)
    for path in (one for one in paths if one.exists()):
        cell = json.loads(path.read_text())
        if different := sorted(name for name, value in now.items() if cell.get(name) != value):
            sys.exit(f"{path} was made with another {', '.join(different)}: delete it and run again")
        found.append(cell)
    return found, [path.stem for path in paths if not path.exists()]


def asked(bench: Contest) -> dict[str, Any]:
    """What cells of one table share, and say."""
    return {
        "lambda": settings(bench, 0).weight,
        "generator_sha256": file_hash(bench.generator),
        "critic_sha256": file_hash(bench.critic),
    }


def spread(cells: Sequence[dict[str, Any]], rounds: int) -> dict[str, list[float]]:
    """Means over runs of the accuracies, with 95 % bootstrap intervals over runs and pictures."""
    random = np.random.default_rng(0)
    wanted_kinds = {
        "accuracy_before": ("first", "before"),
        "accuracy_after": ("first", "after"),
        "second_classifier_accuracy": ("second", "after"),
    }
    found = {}
    for name, (role, kind) in wanted_kinds.items():
        right = [
            (np.array(one["scores"][role]["photographs"]) < 0.5, np.array(one["scores"][role][kind]) >= 0.5)
            for one in cells
        ]
        draws = []
        for _ in range(rounds):
            runs = random.integers(len(right), size=len(right))
            hits = [random.choice(part, len(part)).mean() for run in runs for part in right[run]]
            draws.append(np.mean(hits))
        value = np.mean([part.mean() for pair in right for part in pair])
        found[name] = [round(float(x), 4) for x in (value, *np.quantile(draws, (0.025, 0.975)))]
    return found


def relation(generator: str, judge: str) -> str:
    """What a generator and the classifier that judges it have in common."""
    role, other, other_seed = judge.rsplit("-", 2)
    if generator == GENERATOR:
        return f"{role}, samples before finetuning"
    if not generator.startswith("finetuned-"):
        return f"{role}, another generator"
    _, fooled, seed = generator.rsplit("-", 2)
    if role == "second":
        return "second, these samples" if (fooled, seed) == (other, other_seed) else "second, another's samples"
    if fooled == other:
        return "first, the one fooled" if seed == other_seed else "first, other seed"
    return "first, other depth" if fooled.split("_")[0] == other.split("_")[0] else "first, other architecture"


RELATIONS = (
    *("first, the one fooled", "first, other seed", "first, other depth", "first, other architecture"),
    *("second, these samples", "second, another's samples"),
    *("first, samples before finetuning", "second, samples before finetuning"),
    *("first, another generator", "second, another generator"),
)


def summarise(bench: Contest) -> None:
    """The table, the matrix, the words people read, the figure."""
    cells, missing = complete(bench)
    if not cells:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    results = bench.cells.parent
    if not (bench.cells / "transfer.json").exists():  # written after the last cell
        sys.exit(f"no transfer.json in {bench.cells}: run once more without --summarise")
    transfer = json.loads((bench.cells / "transfer.json").read_text())
    pairs = [{**one, "relation": relation(one["generator"], one["classifier"])} for one in transfer["pairs"]]
    about = {
        "command": invocation(),
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] or "" for one in cells}),
        **asked(bench),
        "settings": asdict(settings(bench, 0)),
        "machine": cells[0]["machine"],
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(cells),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
        "n_test": {"photographs": len(cells[0]["scores"]["first"]["photographs"]), "samples": transfer["n"]},
        "all": spread(cells, 20 if bench.quick else 1000),
        "by_classifier": {
            name: spread(own, 20 if bench.quick else 1000)
            for name in ARCHITECTURES
            if (own := [one for one in cells if one["classifier"] == name])
        },
        "transfer": {
            kind: summary([one for one in pairs if one["relation"] == kind])
            for kind in RELATIONS
            if any(one["relation"] == kind for one in pairs)
        },
        "other_generators": {
            name: {
                role: summary([one for one in pairs if one["generator"] == name and one["classifier"].startswith(role)])
                for role in ("first", "second")
            }
            for name in OTHERS
            if any(one["generator"] == name for one in pairs)
        },
    }
    rows = [{**described(one), **figures(one)} for one in cells]
    write_table(results / "equation4.csv", rows)
    write_table(results / "transfer_matrix.csv", pairs)
    write_facts(results / "equation4.json", about)
    write_page(results / "equation4.md", markdown(about, rows))
    write_image(results / "equation4.png", figure(bench, cells))
    print(f"written: {results / 'equation4.md'}, {len(missing)} cells missing")


def described(found: dict[str, Any]) -> dict[str, Any]:
    names = ("generator", "classifier", "seed", "lambda", "steps", "stopped_at_target", "distance")
    return {**{name: found[name] for name in names}, "quality_error": found["quality_after"][1]}


def summary(pairs: Sequence[dict[str, Any]]) -> dict[str, float]:
    called = [one["called_fake"] for one in pairs]
    return {
        "pairs": len(pairs),
        "mean": round(float(np.mean(called)), 4),
        "least": min(called),
        "most": max(called),
        "auc": round(float(np.mean([one["auc"] for one in pairs])), 4),
    }


def counted(rows: Sequence[dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> str:
    return f"{sum(map(holds, rows))} of {len(rows)}"


def span(found: Sequence[float]) -> str:
    """Mean and interval."""
    value, low, high = found
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def worse(row: dict[str, Any]) -> float:
    """How much farther from photographs, as a share of the start."""
    return float(row["quality_after"] / row["quality_before"] - 1)


def words(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held and what did not, from the numbers."""
    means, changes = about["all"], [worse(row) for row in rows]
    before, after = means["accuracy_before"], means["accuracy_after"]
    yield (
        f"- **Fooled**: mean accuracy of the first classifiers {span(before)} before, {span(after)} after (95 % "
        f"bootstrap over runs and pictures). From 99 % or more: "
        f"{counted(rows, lambda row: row['accuracy_before'] >= 0.99)}; to 60 % or less: "
        f"{counted(rows, lambda row: row['accuracy_after'] <= 0.6)}. It took {min(row['steps'] for row in rows)} to "
        f"{max(row['steps'] for row in rows)} steps of 32 pictures."
    )
    yield (
        f"- **At what cost**: KID changed by {np.mean(changes):+.0%} on average, {min(changes):+.0%} to "
        f"{max(changes):+.0%}, where one standard error of a KID is "
        f"{np.mean([row['quality_error'] / row['quality_after'] for row in rows]):.0%} of it; at most 10 % worse: "
        f"{counted(rows, lambda row: worse(row) <= 0.1)}. Samples moved by {min(row['distance'] for row in rows):.1f} "
        f"to {max(row['distance'] for row in rows):.1f} grey levels (root mean square)."
    )
    recovered = "second_classifier_accuracy"
    yield (
        f"- **Recovered**: mean accuracy of the second classifiers {span(means[recovered])}; 99 % or more: "
        f"{counted(rows, lambda row: row[recovered] >= 0.99)}. On samples of the generator before its finetuning they "
        f"reach {np.mean([row['second_classifier_accuracy_on_unfinetuned'] for row in rows]):.3f}."
    )
    said = about["transfer"]
    others = [
        f"{kind.removeprefix('first, ')} {one['mean']:.0%} ({one['least']:.0%} to {one['most']:.0%})"
        for kind in RELATIONS[:4]
        if (one := said.get(kind))
    ]
    yield f"- **Who else is fooled**: of the finetuned samples first classifiers call fake: {'; '.join(others)}."
    if fooled := said.get("first, the one fooled"):
        yield (
            f"- **At another threshold**: the finetuning stops where scores pass 0.5. Ranked by the score of the very "
            f"classifier that was fooled, finetuned samples and photographs still part with a mean AUC of "
            f"{fooled['auc']:.2f}: who knows such samples and moves the threshold finds them."
        )
    unseen = [said[f"{role}, another generator"]["auc"] for role in ("first", "second")]
    yield (
        f"- **Generators neither has seen** ({', '.join(about['other_generators'])}): mean AUC of first classifiers "
        f"{unseen[0]:.2f}, of second ones {unseen[1]:.2f}."
    )


def markdown(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held, the table, and the matrix's means."""
    yield from (fill(line, 118, subsequent_indent="  ") for line in words(about, rows))
    yield ""
    yield fill(
        f"{about['cells']} runs, {len(about['missing'])} missing; {about['date']}. Accuracy at a score of 0.5, on "
        f"{about['n_test']['photographs']} photographs and {about['n_test']['samples']} samples together; called fake, "
        "of the samples alone; KID (face-parser features) to photographs no generator learned from, lower is better; "
        "distance in grey levels.",
        118,
    )
    yield ""
    yield (
        "| classifier | seed | steps | accuracy before | after | called fake before | after | KID before | after | "
        "distance | second classifier |"
    )
    yield "|" + "---|" * 11
    for row in rows:
        yield (
            f"| {row['classifier']} | {row['seed']} | {row['steps']} | {row['accuracy_before']:.3f} "
            f"| {row['accuracy_after']:.3f} | {row['called_fake_before']:.3f} | {row['called_fake_after']:.3f} "
            f"| {row['quality_before']:.4f} | {row['quality_after']:.4f} | {row['distance']:.1f} "
            f"| {row['second_classifier_accuracy']:.3f} |"
        )
    yield ""
    yield "Samples by who judges them; AUC against the test photographs, mean over pairs:"
    yield ""
    yield "| judge, and whose samples | pairs | called fake | least | most | AUC |"
    yield "|---|---|---|---|---|---|"
    for kind, found in about["transfer"].items():
        yield (
            f"| {kind} | {found['pairs']} | {found['mean']:.2f} | {found['least']:.2f} | {found['most']:.2f} "
            f"| {found['auc']:.2f} |"
        )
    yield ""
    yield "| another generator | first: called fake | AUC | second: called fake | AUC |"
    yield "|---|---|---|---|---|"
    for name, by_role in about["other_generators"].items():
        shown = " | ".join(f"{by_role[role]['mean']:.2f} | {by_role[role]['auc']:.2f}" for role in ("first", "second"))
        yield f"| {name} | {shown} |"


SHOWN, MAP = 6, 128
MAPS = ("first photographs", "first before", "first after", "second after")


def figure(bench: Contest, cells: Sequence[dict[str, Any]]) -> Image.Image:
    """For the first seed of each classifier: the same latents before and after, and where the evidence lies."""
    firsts = [one for one in cells if one["seed"] == 0] or cells[:1]
    side, gap, line = 64, 8, 16
    width = 2 * (SHOWN * side // 2 + gap) + len(MAPS) * (MAP + gap) + 80
    # Below each row of maps a line with their means, above it the titles.
    step = MAP + 2 * line + gap
    height = line + len(firsts) * step
    board = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    for row, found in enumerate(firsts):
        top = line + row * step
        name = named("finetuned", found["classifier"], found["seed"])
        paths = (bench.generator, bench.work / "finetune" / name / f"{name}.safetensors")
        draw.text((2, top - line), f"{found['classifier']}: before", "black", font)
        left = 0
        for place, path in enumerate(paths):
            if place:
                draw.text((left, top - line), f"after {found['steps']} steps", "black", font)
            for index, one in enumerate(pixels(bench.drawn(path))[:SHOWN]):
                at = (left + index % (SHOWN // 2) * side, top + index // (SHOWN // 2) * side)
                board.paste(Image.fromarray(one), at)
            left += SHOWN // 2 * side + gap
        for kind in MAPS:
            board.paste(drawn_map(found, kind), (left, top))
            draw.text((left, top - line), kind, "black", font)
            draw.text((left, top + MAP + 1), f"mean {np.mean(found['maps'][kind]):.2f}", "black", font)
            left += MAP + gap
    board.paste(Image.fromarray(legend(MAP)), (width - 80, line))
    return board


def drawn_map(found: dict[str, Any], kind: str) -> Image.Image:
    """A mean map placed by receptive field, on the fixed scale."""
    values = np.clip(np.array(found["maps"][kind]), 1e-6, 1 - 1e-6)
    grid = build(found["classifier"]).grid
    assert grid is not None
    heat = heatmap(np.log(values / (1 - values)).astype(np.float32), grid, (64, 64), placement="nearest")
    return Image.fromarray(colour(heat)).resize((MAP, MAP), Image.Resampling.NEAREST)


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


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], "equation4", [GENERATOR])
    need_critic(bench)
    if not chosen.summarise:
        run(bench, 1 if chosen.quick else SEEDS)
    if chosen.summarise or chosen.quick:
        summarise(bench)


if __name__ == "__main__":
    main()
