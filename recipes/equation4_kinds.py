"""Equation 4 where no GAN's weights move: the decoder of an autoencoder, and the latents of a generator that stays.

    python recipes/equation4_kinds.py --data PATH_TO_SHARED_DATA --work runs/equation4_kinds
    python recipes/equation4_kinds.py --data PATH_TO_SHARED_DATA --work runs/equation4_kinds --quick    (no result)

As `recipes/equation4.py`, with its photographs, classifiers, judge and files; only fakes and own loss differ:

- decoder: fakes are re-syntheses of the photographs by `vae-0`, each real its own twin. The decoder learns on beside
  the squared error to the training photographs; the encoder stays. Tested on photographs that nobody learned.
- latents: fakes are samples of `gan_transposed-0`, which stays as it is. The latents move, beside the squared distance
  to the pictures they began with; every picture that is tested had its own latent moved.

The run stops when the classifier takes 85 % of the checked pictures for real, or at the last step. A second classifier
learns what came out. `called fake`, accuracy and quality are those of equation4: at a score of 0.5, on 405 test
photographs and as many fakes; KID of the fakes held out to the photographs held out. For re-syntheses these are the
same photographs, so KID also says how near they are; compare it with its own start only.

Every (kind, classifier, seed) is one file in results/equation4_kinds/; a rerun computes only what is missing, and goes
on inside what was interrupted. Several processes of the same command share the work: start it as often as there are
cores. Cost on one core with bfloat16 products: two minutes each (decoder) or six (latents). `--summarise` writes
results/equation4_kinds.csv, .json and .md, columns as equation4.csv, and says which are missing.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
from torch import Tensor, nn

from equation4_contest import GENERATOR, SEEDS, Contest, asked_for, classifier, fixed, hasty, held_out, pixels, scores
from equation4_summary import described, figures, worse
from result_files import keep, write_facts, write_page, write_table
from sharing import alone, unclaimed
from table_seeds import LATENT_SEEDS, save_as_photographs
from telltale.data.sample import Sample
from telltale.generate.families import load_generator
from telltale.generate.finetuning import STATE_FILE, finetune, history
from telltale.generate.finetuning_config import FinetuneConfig, Step, reached
from telltale.generate.finetuning_folder import photographs
from telltale.generate.finetuning_losses import MovedLatents, OwnLoss, resynthesis, staying
from telltale.generate.latents import normal_latents
from telltale.generate.quality import face_features, kernel_distance
from telltale.learn.checkpoint import file_hash
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ARCHITECTURES = ("xception_block1", "xception_block2")
KINDS = {"decoder": "vae-0", "latents": GENERATOR}
SPLITS = ("train", "validation", "test")
# Of the training fakes: every latent that moves costs steps of its own.
TRAINING_LATENTS = 1000
_PASS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What moves, and how its pictures are made.

    Attributes:
        network: what `finetune` is given.
        own: its own loss.
        how: settings.
        images: the pictures of a split, in [-1, 1], by the network as it then is.
    """

    network: nn.Module
    own: OwnLoss
    how: FinetuneConfig
    images: Callable[[str], Tensor]


def shared(samples: Sequence[Sample]) -> Tensor:
    """Photographs as uint8 (n, 3, side, side)."""
    pictures, failures = photographs(samples, 64)
    assert not failures
    return pictures


def decoder(bench: Contest, seed: int) -> Move:
    """An autoencoder's way back from latents to pictures; the encoder is left alone."""
    network = load_generator(generator_of(bench, "decoder"))
    encoder = deepcopy(network).eval()
    how = replace(hasty(bench, seed), warm_up=0)

    def encode(images: Tensor) -> Tensor:
        means: Tensor = encoder.encode(images)[0]  # type: ignore[operator]
        return means

    def images(split: str) -> Tensor:
        with torch.no_grad():
            parts = torch.split(shared(bench.of_split(split)), _PASS)
            return torch.cat([network(encode(part.float() / 127.5 - 1)) for part in parts])

    own = resynthesis(encode, shared(bench.of_split("train")), how)
    return Move(network=network, own=own, how=how, images=images)


def latents(bench: Contest, seed: int) -> Move:
    """Places in front of a generator that stays: those of the samples of every split."""
    generator = load_generator(generator_of(bench, "latents"))
    sizes = {split: len(bench.of_split(split)) for split in SPLITS}
    sizes["train"] = min(sizes["train"], TRAINING_LATENTS)
    drawn = {split: normal_latents(sizes[split], generator.latent, LATENT_SEEDS[split]) for split in SPLITS}  # type: ignore[arg-type]
    network = MovedLatents(generator, torch.cat(list(drawn.values())))
    first = dict(zip(SPLITS, (0, sizes["train"], sizes["train"] + sizes["validation"]), strict=True))
    # Each latent is in about one of sixty steps.
    how = replace(hasty(bench, seed), warm_up=0, learning_rate=1e-2)
    if not bench.quick:
        how = replace(how, steps=3000, check_every=300)

    def images(split: str) -> Tensor:
        places = torch.arange(first[split], first[split] + sizes[split])
        with torch.no_grad():
            return torch.cat([network(part) for part in torch.split(places, _PASS)])

    return Move(network=network, own=staying(network, how), how=how, images=images)


MOVES: dict[str, Callable[[Contest, int], Move]] = {"decoder": decoder, "latents": latents}


def generator_of(bench: Contest, kind: str) -> Path:
    return bench.generator.with_name(f"{KINDS[kind]}.safetensors")


def saved(bench: Contest, name: str, made_by: Path, images: Callable[[str], Tensor]) -> list[Sample]:
    """Pictures of every split, in the format of the photographs; those of an earlier run stay.

    Folders are named by the hash of what made them, a generator's file or a finetuning's state.
    """
    found = []
    for split in SPLITS:
        folder = bench.work / "samples" / name / f"{split}-{file_hash(made_by)[:12]}"
        with alone(bench.work, f"samples {name} {split}"):
            if not (folder / "done").exists():
                made = images(split)
                save_as_photographs(made, [folder / f"{place:05d}.jpg" for place in range(len(made))])
                (folder / "done").touch()
        paths = sorted(folder.glob("*.jpg"))
        found += [Sample(path=path, is_fake=True, source=name, split=split) for path in paths]
    return found


def quality(bench: Contest, fakes: Sequence[Sample]) -> tuple[float, float]:
    """Kernel distance of the fakes held out to the photographs held out, and its standard error."""
    found = kernel_distance(*(face_features(held_out(part)) for part in (fakes, bench.reals)))
    return round(found.value, 5), round(found.error, 5)


def moved(move: Move, first: Path, out: Path) -> list[Step]:
    """Fool one classifier, or load what an earlier run came to; the record of every check."""
    for step in finetune(move.network, [fixed(first)], move.own, move.how, out):
        print(f"{out.name} step {step.step} fooled {step.fooled:.3f} distance {step.distance:.1f}", flush=True)
    return history(out)


def cell(bench: Contest, kind: str, architecture: str, seed: int) -> dict[str, Any]:
    """One classifier fooled, and its successor."""
    begin = time.perf_counter()
    name = f"{kind}-{architecture}-{seed}"
    move = MOVES[kind](bench, seed)
    before = saved(bench, f"{kind}-before", generator_of(bench, kind), move.images)
    first = classifier(bench, f"first-{name}", architecture, seed, before)
    out = bench.work / "finetune" / name
    past = moved(move, first, out)
    after = saved(bench, f"{name}-after", out / STATE_FILE, move.images)
    second = classifier(bench, f"second-{name}", architecture, seed + 100, after)
    shown = {"photographs": pixels(bench.reals), "before": pixels(before), "after": pixels(after)}
    return {
        "kind": kind,
        "classifier": architecture,
        "seed": seed,
        "generator": f"{KINDS[kind]}, {kind}",
        "lambda": move.how.weight,
        "learning_rate": move.how.learning_rate,
        "steps": past[-1].step,
        "stopped_at_target": reached(move.how, past[0], past[-1]),
        "distance": round(past[-1].distance, 2),
        "quality_before": quality(bench, before),
        "quality_after": quality(bench, after),
        "scores": {
            role: {part: [round(float(one), 4) for one in scores(path, those)] for part, those in shown.items()}
            for role, path in (("first", first), ("second", second))
        },
        "checks": [asdict(one) for one in past],
        "seconds": round(time.perf_counter() - begin),
        "generator_sha256": file_hash(generator_of(bench, kind)),
        "commit": commit(),
        "command": invocation(),
        "machine": machine(),
    }


def wanted(bench: Contest) -> list[tuple[str, str, int]]:
    """One kind after the other, seeds outermost in each, so that an interrupted run leaves whole seeds."""
    models = ARCHITECTURES[: 1 if bench.quick else None]
    return [(kind, one, seed) for kind in KINDS for seed in range(1 if bench.quick else SEEDS) for one in models]


def words(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held and what did not, from the numbers."""
    for kind in KINDS:
        mine = [row for row in rows if row["generator"].endswith(kind)]
        if not mine:
            continue

        def ends(name: str, rows: Sequence[dict[str, Any]] = mine) -> str:
            return f"{min(row[name] for row in rows):.3f} to {max(row[name] for row in rows):.3f}"

        changes, steps = [worse(row) for row in mine], [row["steps"] for row in mine]
        distances = [row["distance"] for row in mine]
        yield (
            f"- **{mine[0]['generator']}** ({len(mine)} runs): accuracy of the first classifiers "
            f"{ends('accuracy_before')} before, {ends('accuracy_after')} after {min(steps)} to {max(steps)} steps; the "
            f"target was met in {sum(row['stopped_at_target'] for row in mine)}. KID changed by {min(changes):+.0%} to "
            f"{max(changes):+.0%}, pictures by {min(distances):.1f} to {max(distances):.1f} grey levels. Second "
            f"classifiers: {ends('second_classifier_accuracy')}."
        )


def markdown(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held, and the table."""
    yield from (fill(line, 118, subsequent_indent="  ") for line in words(rows))
    yield ""
    yield (
        "| what moves | classifier | seed | steps | accuracy before | after | KID before | after | distance "
        "| second classifier |"
    )
    yield "|" + "---|" * 10
    for row in rows:
        yield (
            f"| {row['generator']} | {row['classifier']} | {row['seed']} | {row['steps']} "
            f"| {row['accuracy_before']:.3f} | {row['accuracy_after']:.3f} | {row['quality_before']:.4f} "
            f"| {row['quality_after']:.4f} | {row['distance']:.1f} | {row['second_classifier_accuracy']:.3f} |"
        )


def summarise(bench: Contest) -> None:
    paths = [bench.cells / f"{kind}-{name}-{seed}.json" for kind, name, seed in wanted(bench)]
    cells = [json.loads(path.read_text()) for path in sorted(paths) if path.exists()]
    missing = [path.stem for path in paths if not path.exists()]
    if not cells:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    rows, results = [{**described(one), **figures(one)} for one in cells], bench.cells.parent
    write_table(results / "equation4_kinds.csv", rows)
    write_page(results / "equation4_kinds.md", markdown(rows))
    about = {
        "command": invocation(),
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] or "" for one in cells}),
        "generator_sha256": {one["generator"]: one["generator_sha256"] for one in cells},
        "machine": cells[0]["machine"],
        "date": time.strftime("%Y-%m-%d"),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
    }
    write_facts(results / "equation4_kinds.json", about)
    print(f"written: {results / 'equation4_kinds.md'}, {len(missing)} cells missing")


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], "equation4_kinds", list(KINDS.values()))
    if not chosen.summarise:
        for kind, architecture, seed in unclaimed(bench.work, "equation4_kinds", wanted(bench)):
            path = bench.cells / f"{kind}-{architecture}-{seed}.json"
            if not path.exists():
                found = cell(bench, kind, architecture, seed)
                keep(path, found)
                print(path.stem, f"{found['seconds']} s", *figures(found).items(), flush=True)
    if chosen.summarise or chosen.quick:
        summarise(bench)


if __name__ == "__main__":
    main()
