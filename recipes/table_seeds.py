"""Does a detector trained on one seed of a generator know the other seeds? The paper's table 1, right, in shape.

    python recipes/table_seeds.py --data PATH_TO_SHARED_DATA --work runs/seeds
    python recipes/table_seeds.py --data PATH_TO_SHARED_DATA --work runs/seeds --quick    (no result written)

The generators are those of `recipes/train_generators.py`: one architecture from three seeds (initial weights, order of
pictures and latents all differ), and, as a step further, one that enlarges in another way. All learned the same
training pictures of `celeba64`, so nothing but the seed differs. Detectors learn 3,191 samples of seed 0 against those
training pictures and are tested on new samples of every generator against the 405 test pictures, which no generator has
seen.

Samples are saved as the photographs are (JPEG, quality 95, 4:2:0), then everything goes through one preparation at its
own 64 px (`telltale build`, PNG). Models, training and columns are those of `recipes/table_generators.py`, without its
controls.

Every (model, augmentation, seed) is one file in results/table_seeds/; a rerun computes only what is missing, and
several processes of the same command share the work: start it as often as there are cores. Cost: 1 to 6 minutes a cell
on one core of a 2021 server CPU, 13 models, 5 seeds. `--summarise` writes results/table_seeds.csv, .json and .md from
the cells there are, and says which are missing. Expected on the two other seeds: mean AUC of Xception's depths less
that of all of it +0.079 [+0.036, +0.117], of ResNet-18's +0.010 [-0.016, +0.036].

Samples come out of torch, whose rounding depends on the processor's instructions, and so do their bytes and their
fingerprint: the committed cells are of samples made by an AMD processor with AVX-512. An Intel one with AVX-512 makes
the same with MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 in the environment of the first call; one
without AVX-512 cannot add to the cells or summarise them.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from comparisons import Estimate, Runs, areas
from contrasts import Answer, Question, answers, conclusions, table, versus
from result_files import keep, write_facts, write_page, write_table
from sharing import alone, unclaimed
from table_generators import SEEDS, TRUNCATED, Bench, figures, formats, kept, network, path_of, settings
from telltale.data.build import build
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.generate.families import load_generator
from telltale.learn.checkpoint import file_hash
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation
from trained_networks import trained_once

ROOT = Path(__file__).resolve().parent.parent
REAL, TRAINED_ON = "celeba64", "gan_transposed-0"
GENERATORS = (TRAINED_ON, "gan_transposed-1", "gan_transposed-2", "gan_nearest-0")
OTHER_SEEDS = GENERATORS[1:3]
MODELS: tuple[tuple[str, str], ...] = (
    *((name, "none") for name in (*TRUNCATED, "resnet18", "xception", "mesoinception4")),
    ("resnet50", "blur+jpeg 0.1"),
    ("resnet50", "blur+jpeg 0.5"),
)
QUICK = (("xception_block1", "none"),)
# Of samples: those learned from and those tested never come from one stream.
LATENT_SEEDS = {"train": 100, "validation": 101, "test": 102}
# As the photographs of celeba64 are.
AS_PHOTOGRAPHS: dict[str, Any] = {"quality": 95, "subsampling": "4:2:0"}
COLUMNS = (
    *("model", "augmentation", "seed", "trained_on", "source", "n_real", "n_fake", "ap_fake", "ap_real", "auc"),
    *("accuracy_real", "accuracy_fake", "tpr_at_1_fpr", "tpr_at_5_fpr"),
)


def prepare(data: Path, generators: Path, work: Path, *, quick: bool) -> Bench:
    """Sample every generator, as often as there are photographs; build photographs and samples equally."""
    reals = [one for one in scan([data / "manifest.csv"]) if one.source == REAL][:: 40 if quick else 1]
    made, built = [], work / "built"
    with alone(work, "pictures"):
        for name in GENERATORS:
            splits = ("train", "validation", "test") if name == TRAINED_ON else ("test",)
            for split in splits:
                n = sum(one.split == split for one in reals)
                made += samples(generators / f"{name}.safetensors", n, split, work / "samples" / name)
        fingerprint = build([*reals, *made], built, preset("paper", side=64, crop="centre"), bits=0).fingerprint
        everything = scan([built])
    return Bench(
        training=[one for one in everything if one.split != "test"],
        tested=[one for one in everything if one.split == "test"],
        fingerprint=fingerprint,
        work=work,
        cells=(work if quick else ROOT / "results") / "table_seeds",
        quick=quick,
    )


def samples(weights: Path, n: int, split: str, folder: Path, *, seed: int | None = None) -> list[Sample]:
    """`n` pictures of a generator, saved as the photographs are; of the split's own latents where no seed is given.

    Those that an earlier run made of the same weights stay.
    """
    if not weights.is_file():
        sys.exit(f"no {weights}: run recipes/train_generators.py first, or give --generators")
    seed = LATENT_SEEDS[split] if seed is None else seed
    out = folder / f"{split}-{file_hash(weights)[:12]}"
    found = [Sample(path=out / f"{i:05d}.jpg", is_fake=True, source=weights.stem, split=split) for i in range(n)]
    if not all(one.path.exists() for one in found):
        with torch.inference_mode():
            images = load_generator(weights).sample(n, seed)  # type: ignore[operator]
        save_as_photographs(images, [one.path for one in found])
    return found


def save_as_photographs(images: Tensor, paths: Sequence[Path]) -> None:
    """Images (n, 3, height, width) in [-1, 1], in the format of the photographs, each file all or nothing."""
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    for path, one in zip(paths, pixels, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        Image.fromarray(one).save(temporary, "JPEG", **AS_PHOTOGRAPHS)
        temporary.replace(path)


def trained(bench: Bench, model: str, augmentation: str, seed: int) -> Path:
    """The weights of one network, as in the other table but on whole pictures of 64 px."""
    out = bench.work / "train" / f"{model}-{augmentation}-{seed}".replace(" ", "_")
    config = replace(settings(bench, model, augmentation, seed), crop=None, data=("celeba64 and samples, built",))
    return trained_once(bench.work, out, config, bench.training, bench.fingerprint)


def cell(bench: Bench, model: str, augmentation: str, seed: int) -> dict[str, Any]:
    """Scores of all tested pictures by one trained model."""
    begin = time.perf_counter()
    scores = network(trained(bench, model, augmentation, seed))(bench.tested)
    return {
        "model": model,
        "augmentation": augmentation,
        "seed": seed,
        "data_fingerprint": bench.fingerprint,
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "machine": machine(),
        "scores": [round(float(value), 5) for value in scores],
    }


def run(bench: Bench, seeds: int) -> None:
    """Every missing cell, seeds outermost so that an interrupted run leaves whole seeds."""
    models = QUICK if bench.quick else MODELS
    wanted = [(model, augmentation, seed) for seed in range(seeds) for model, augmentation in models]
    for model, augmentation, seed in unclaimed(bench.work, "table_seeds", wanted):
        path = path_of(bench, model, augmentation, seed)
        if not path.exists():
            found = cell(bench, model, augmentation, seed)
            keep(path, found)
            print(path.stem, f"{found['seconds']} s", *(f"{r['source']} {r['auc']:.3f}" for r in rows(bench, found)))


def pools(bench: Bench) -> dict[str, NDArray[np.intp]]:
    """By generator: the places of its samples and of all photographs among the tested pictures."""
    source = np.array([sample.source for sample in bench.tested])
    return {name: np.flatnonzero(np.isin(source, (name, REAL))) for name in GENERATORS}


def rows(bench: Bench, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The table's rows of one cell."""
    is_fake = np.array([bool(sample.is_fake) for sample in bench.tested])
    scores = np.array(found["scores"])
    for source, places in pools(bench).items():
        yield {
            **{name: found[name] for name in ("model", "augmentation", "seed")},
            "trained_on": TRAINED_ON,
            "source": source,
            **{name: round(value, 4) for name, value in figures(is_fake[places], scores[places]).items()},
        }


def across(bench: Bench, cells: Sequence[dict[str, Any]], rounds: int) -> Runs:
    """AUC of one network on each generator; every round draws the pictures of every source and the runs anew."""
    return areas(
        np.array([bool(sample.is_fake) for sample in bench.tested]),
        np.array([sample.source for sample in bench.tested]),
        np.array([found["scores"] for found in cells]),
        pools(bench),
        rounds,
    )


def lost(runs: Runs, sources: Sequence[str] = OTHER_SEEDS) -> Estimate:
    """AUC on other generators minus that on the one trained on."""
    return runs.of(sources).mean - runs.on(TRAINED_ON)


def questions() -> Iterator[Question]:
    """What the table is asked; the first of each topic is the question, the others are its parts."""
    for title, parts, whole in (("Xception", TRUNCATED[:5], "xception"), ("ResNet-18", TRUNCATED[5:], "resnet18")):
        cut, topic = [(name, "none") for name in parts], f"{title} cut short or whole"
        yield versus(topic, f"its {len(cut)} depths together against all of it", cut, [(whole, "none")])
        for one in cut:
            yield versus(topic, f"{one[0]} against all of it", [one], [(whole, "none")])


def answered(found: dict[tuple[str, str], Runs]) -> list[Answer]:
    """Every question on the seeds not trained on, on the generator trained on, and on what enlarges in another way."""
    places = (("other seeds", OTHER_SEEDS), ("the seed trained on", (TRAINED_ON,)), ("another way", GENERATORS[3:]))
    return [
        answer
        for place, sources in places
        for answer in answers(
            [replace(one, topic=f"{one.topic}, on {place}") for one in questions()],
            {key: runs.of(sources) for key, runs in found.items()},
            "generators",
        )
    ]


def known(runs: dict[tuple[str, str], Runs]) -> str:
    """The recipe's question, over all networks."""
    words = []
    for name, sources in (
        ("the other seeds", OTHER_SEEDS),
        ("the generator that enlarges another way", GENERATORS[3:]),
    ):
        each = {key: lost(one, sources) for key, one in runs.items()}
        values = [one.value for one in each.values()]
        lose, gain = (sum(one.side == side for one in each.values()) for side in (-1, 1))
        guess = sum(one.of(sources).mean.interval[0] <= 0.5 for one in runs.values())
        words.append(
            f"On {name} AUC differs from that on the seed trained on by {min(values):+.3f} to {max(values):+.3f}: "
            f"{lose} of {len(each)} networks lose beyond their interval, {gain} gain, and {guess} cannot be told from "
            "guessing there."
        )
    return " ".join(words)


def summarise(bench: Bench, command: str, generators: dict[str, str]) -> None:
    """The CSV of all rows, and the table people read."""
    found, missing = kept(bench, MODELS)
    results = bench.cells.parent
    every = (row for cells in found.values() for one in cells for row in rows(bench, one))
    write_table(results / "table_seeds.csv", every, COLUMNS)
    runs = {key: across(bench, cells, 20 if bench.quick else 1000) for key, cells in found.items()}
    said, gaps = formats(
        found,
        {
            "AUC on the seed trained on": lambda one: _mean(bench, one, (TRAINED_ON,)),
            "mean AUC over the other seeds": lambda one: _mean(bench, one, OTHER_SEEDS),
        },
    )
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprint": bench.fingerprint,
        "generators_sha256": generators,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cells": sum(map(len, found.values())),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for cells in found.values() for one in cells),
        "auc": {
            f"{model}, {augmentation}": {
                "seeds": one.seeds,
                **{name: one.on(name).rounded() for name in GENERATORS},
                "gained on other seeds": lost(one).rounded(),
            }
            for (model, augmentation), one in runs.items()
        },
        "answers": [one.json() for one in answered(runs)],
        "bf16_minus_fp32": {name: None if one is None else asdict(one) for name, one in gaps.items()},
    }
    write_facts(results / "table_seeds.json", about)
    write_page(results / "table_seeds.md", markdown(about, runs, said))
    print(f"written: {results / 'table_seeds.md'}, {len(missing)} cells missing")


def _mean(bench: Bench, found: dict[str, Any], sources: Sequence[str]) -> float:
    return float(np.mean([row["auc"] for row in rows(bench, found) if row["source"] in sources]))


def markdown(about: dict[str, Any], runs: dict[tuple[str, str], Runs], formats: str) -> Iterator[str]:
    """What the numbers say, the answers behind it, and the AUCs."""
    found = answered(runs)
    yield f"# Trained on one seed of a generator ({TRAINED_ON}), tested on others"
    yield ""
    yield f"{about['cells']} runs, {len(about['missing'])} missing; commit {about['commit']}, {about['date']}."
    yield "Differences of ROC AUC, first minus second [95 % bootstrap over runs and pictures, widened by"
    yield "Student's t since runs are few]; “not shown” where that interval holds 0."
    yield ""
    yield f"- **Does one seed teach the others?** {known(runs)}"
    yield from conclusions(found)
    yield f"- **{formats.replace(': ', '.** ', 1)}"
    yield ""
    yield "Two other seeds are few: “drawn too” is what a third like them would give, as far as two can say."
    yield ""
    yield from table(found)
    yield ""
    yield "AUC, fake positive: mean over runs [95 %]. Chance is 0.5."
    yield ""
    yield "| model | augmentation | runs | " + " | ".join((*GENERATORS, "other seeds minus the one trained on")) + " |"
    yield "|---|---|---|" + "---|" * (len(GENERATORS) + 1)
    for (model, augmentation), one in runs.items():
        cells = [*(str(one.on(name)) for name in GENERATORS), lost(one).signed]
        yield f"| {model} | {augmentation} | {one.seeds} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--generators", type=Path, default=ROOT / "results" / "generators")
    parser.add_argument("--work", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, one model, 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    bench = prepare(chosen.data, chosen.generators, work, quick=chosen.quick)
    if not chosen.summarise:
        run(bench, 1 if chosen.quick else SEEDS)
    if chosen.summarise or chosen.quick:
        hashes = {name: file_hash(chosen.generators / f"{name}.safetensors") for name in GENERATORS}
        summarise(bench, invocation(), hashes)


if __name__ == "__main__":
    main()
