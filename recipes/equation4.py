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

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equation4_contest import (
    GENERATOR,
    OTHERS,
    SECOND,
    SEEDS,
    Contest,
    Pictures,
    asked,
    asked_for,
    classifier,
    finetuned,
    fixed,
    measured,
    named,
    need_critic,
    pixels,
    scores,
    settings,
    wanted,
)
from equation4_summary import figures, summarise
from result_files import keep
from sharing import unclaimed
from telltale.evaluate.metrics import auc
from telltale.generate.finetuning_config import reached
from telltale.learn.checkpoint import restore
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation


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


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], "equation4", [GENERATOR])
    need_critic(bench)
    if not chosen.summarise:
        run(bench, 1 if chosen.quick else SEEDS)
    if chosen.summarise or chosen.quick:
        summarise(bench)


if __name__ == "__main__":
    main()
