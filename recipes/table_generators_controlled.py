"""Does a small receptive field transfer better where only the generator differs? The paper's table 2, controlled.

    python recipes/table_generators_controlled.py --data PATH_TO_SHARED_DATA --work runs/seeds
    python recipes/table_generators_controlled.py --data PATH_TO_SHARED_DATA --work runs/seeds --quick    (nothing kept)

In `recipes/table_generators.py` generators differ in what they learned and in their files' history. Here all of them
(`recipes/train_generators.py`) learned the same training pictures of `celeba64`, and all pictures, real and fake, were
saved alike (64 px, JPEG, quality 95, 4:2:0) and built alike (PNG).

The networks are those of `recipes/table_seeds.py`: every truncation and baseline, 5 seeds, trained on samples of
gan_transposed-0 against `celeba64`. Give the same --work, and a network that either recipe trained serves both. They
are tested on new samples of every generator in results/generators, and on photographs of sources nobody learned from:
aaf, utkface, landmark256, cut around the face (the middle where no box is known) and brought to the same 64 px.

The ablation: xception_block2 and resnet18 also learn the paper's second kind of fakes, photographs sent through the
generator (`telltale.generate.inversion`, 60 steps): those alone, and both kinds. Fakes and steps are as many as
before, of both kinds half the steps each. "gan_transposed-0 inverted" are test photographs sent through it.

A row of fakes is measured against the test photographs of celeba64; a row of other reals against the tested fakes of
the kind trained on. At most 200 pictures of each source are tested, and 405 photographs.

Every (model, augmentation, seed, kind of fakes) is one file in results/table_generators_controlled/ with its scores by
source; a rerun adds what is missing, also the scores of generators that came later. Several processes of the same
command share the work: start it as often as there are cores. Cost on one core of a 2021 server CPU: half an hour for
the inversions, once; up to 2 minutes a cell to score, and what table_seeds.py says where a network must be trained.
Samples and inversions come out of torch, whose rounding depends on the processor's instructions. Those of the committed
cells were made with

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 python recipes/... --summarise

in a --work of its own, where processors of either make should agree; only then the command above, which trains faster
where it may use all instructions.
`--summarise` writes results/table_generators_controlled.csv, .json and .md from the cells there are, and says which are
missing.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

import table_seeds
from controlled_summary import Layout, answered, columns, markdown, pools, together
from depth_choice import validation_auc
from equation4_contest import scores
from result_files import keep, write_facts, write_page, write_table
from sharing import alone, unclaimed
from table_generators import AT_MOST, COLUMNS, SEEDS, Bench, figures, formats
from table_seeds import MODELS, REAL, TRAINED_ON, save_as_photographs, trained
from telltale.data.build import build
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.generate.families import load_generator
from telltale.generate.inversion import InversionConfig, invert
from telltale.image import prepare
from telltale.learn.checkpoint import file_hash, read_spec
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
NAME = "table_generators_controlled"
OTHER_REAL = ("aaf", "landmark256", "utkface")
INVERTED = f"{TRAINED_ON} inverted"
# What is trained on, by name: the sources of its fakes.
KINDS = {TRAINED_ON: (TRAINED_ON,), INVERTED: (INVERTED,), "both": (TRAINED_ON, INVERTED)}
ABLATED = (("xception_block2", "none"), ("resnet18", "none"))
QUICK = ("xception_block1", "none")
# Neither of the streams that networks were trained, chosen and first tested on.
LATENT_SEED = 103
STEPS = 60
# Photographs inverted between two looks at the disk.
CHUNK = 256
BUILT = preset("paper", side=64, crop="centre")

Cell = tuple[str, str, str, int]  # what is trained on, model, augmentation, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Tested pictures of one origin, built, and the fingerprint of what was built."""

    samples: list[Sample]
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What is trained on, by kind; what is tested, by source; where things are kept."""

    benches: dict[str, Bench]
    sources: dict[str, Source]
    cells: Path
    quick: bool


def gather(data: Path, generators: Path, work: Path, *, quick: bool) -> Test:
    """Everything built: the bench of the other recipe, inverted photographs, samples, other photographs."""
    first = table_seeds.prepare(data, generators, work, quick=quick)
    reals = [one for one in scan([data / "manifest.csv"]) if one.source == REAL][:: 40 if quick else 1]
    at_most, own = 10 if quick else AT_MOST, work / "controlled"
    sources = {REAL: Source(samples=[one for one in first.tested if one.source == REAL], fingerprint=first.fingerprint)}
    for weights in sorted(generators.glob("*.safetensors")):
        folder = own / "samples" / weights.stem
        made = table_seeds.samples(weights, at_most, "test", folder, seed=LATENT_SEED)
        sources[weights.stem] = tested(made, own / "built" / weights.stem, at_most)
    inverted = inversions(generators / f"{TRAINED_ON}.safetensors", reals, own / "inverted", 1 if quick else STEPS)
    sources[INVERTED] = tested([one for one in inverted if one.split == "test"], own / "built" / INVERTED, at_most)
    for name in OTHER_REAL:
        found = [replace(one, split="test") for one in scan([data / "manifest.csv"]) if one.source == name]
        jpeg = preset("paper", side=64, codec="jpeg", quality=(95, 95), subsampling="4:2:0")
        build(found[:: 40 if quick else 1], own / "as celeba64" / name, jpeg, bits=0)
        sources[name] = tested(scan([own / "as celeba64" / name]), own / "built" / name, at_most)
    learned = [one for one in inverted if one.split != "test"]
    return Test(
        benches=by_kind(first, learned, own),
        sources=sources,
        cells=(work if quick else ROOT / "results") / NAME,
        quick=quick,
    )


def tested(found: Sequence[Sample], out: Path, at_most: int) -> Source:
    """At most so many pictures of one source, built as those that were trained on."""
    mark = build(found, out, BUILT, bits=0).fingerprint
    return Source(samples=scan([out])[:at_most], fingerprint=mark)


def by_kind(first: Bench, inverted: Sequence[Sample], own: Path) -> dict[str, Bench]:
    """The other recipe's bench, one whose fakes are inverted photographs, and one with both."""
    mark = build(inverted, own / "built" / "inverted, learned", BUILT, bits=0).fingerprint
    made = scan([own / "built" / "inverted, learned"])
    reals = [one for one in first.training if one.is_fake is False]
    both = sha256(f"{first.fingerprint} {mark}".encode()).hexdigest()
    return {
        TRAINED_ON: first,
        INVERTED: replace(first, training=[*reals, *made], fingerprint=both, work=own / "inverted only"),
        "both": replace(first, training=[*first.training, *made], fingerprint=both, work=own / "both"),
    }


def inversions(weights: Path, reals: Sequence[Sample], folder: Path, steps: int) -> list[Sample]:
    """Photographs through a generator, saved as the photographs are; goes on where an earlier run stopped."""
    out = folder / f"{file_hash(weights)[:12]}-{steps}"
    found = [replace(one, path=out / f"{one.path.stem}.jpg", is_fake=True, source=INVERTED) for one in reals]
    generator = load_generator(weights)
    for at in range(0, len(found), CHUNK):
        paths = [one.path for one in found[at : at + CHUNK]]
        if all(path.exists() for path in paths):
            continue
        pixels = np.stack([one.pixels() for one in reals[at : at + CHUNK]])
        answer = invert(generator, torch.from_numpy(pixels).permute(0, 3, 1, 2), InversionConfig(steps=steps))
        with torch.inference_mode():
            save_as_photographs(generator(answer.latents), paths)
        print(f"inverted {at + len(paths)} of {len(found)}, {answer.errors.mean():.1f} grey levels apart", flush=True)
    return found


def path_of(test: Test, cell: Cell) -> Path:
    kind, model, augmentation, seed = cell
    suffix = {TRAINED_ON: "", INVERTED: "-inverted", "both": "-both"}[kind]
    return test.cells / f"{model}-{augmentation}-{seed}{suffix}.json".replace(" ", "_")


def wanted(*, quick: bool) -> list[Cell]:
    """Seeds outermost, so that an interrupted run leaves whole seeds."""
    models = [QUICK] if quick else MODELS
    ablated = [(kind, QUICK if quick else one) for kind in (INVERTED, "both") for one in ABLATED[: 1 if quick else 2]]
    every = [*((TRAINED_ON, one) for one in models), *ablated]
    return [(kind, *one, seed) for seed in range(1 if quick else SEEDS) for kind, one in every]


def run(test: Test, work: Path) -> None:
    """Every missing cell, and what is missing of the others."""
    for cell in unclaimed(work, NAME, wanted(quick=test.quick)):
        path = path_of(test, cell)
        kept = json.loads(path.read_text()) if path.exists() else None
        found = scored(test, cell, kept)
        if found != kept:
            keep(path, found)
            areas = [f"{row['source']} {row['auc']:.3f}" for row in rows(test, found)]
            print(path.stem, f"{found['seconds']} s", *areas, flush=True)


def scored(test: Test, cell: Cell, kept: dict[str, Any] | None) -> dict[str, Any]:
    """A cell with the scores of every source; those it has stay."""
    kind, model, augmentation, seed = cell
    bench = test.benches[kind]
    # A copy: the caller tells by the difference to `kept` that there is something to write.
    known = dict(kept["sources"]) if kept is not None and kept["data_fingerprint"] == bench.fingerprint else {}
    missing = [name for name, one in test.sources.items() if known.get(name, {}).get("fingerprint") != one.fingerprint]
    if kept is not None and not missing:
        return kept
    begin = time.perf_counter()
    weights = trained(bench, model, augmentation, seed)
    spec, now = read_spec(weights), commit()
    for name in missing:
        source = test.sources[name]
        given = scores(weights, np.stack([prepare(one.pixels(), spec.preparation) for one in source.samples]))
        values = [round(float(value), 5) for value in given]
        known[name] = {"fingerprint": source.fingerprint, "commit": now, "scores": values}
    return {
        "model": model,
        "augmentation": augmentation,
        "seed": seed,
        "trained_on": kind,
        "validation_auc": validation_auc(weights),
        "data_fingerprint": bench.fingerprint,
        "seconds": round(time.perf_counter() - begin) + (kept["seconds"] if kept is not None else 0),
        "commit": now,
        "command": invocation(),
        "machine": trainer(spec.made_with),
        "sources": known,
    }


def trainer(made_with: Mapping[str, Any]) -> str:
    """The machine that trained a network, in the words of `machine`: who scores it, now or again, may be another.

    The table compares the number formats of the trainings by it.
    """
    found = made_with.get("machine", {})
    if not {"device", "cores", "processor", "precision"} <= set(found):
        return machine()
    device = "CPU" if found["device"] == "cpu" else found["device"]
    return f"{device}, {found['cores']} cores, {found['processor']}, {found['precision']}"


def layout(test: Test) -> Layout:
    """Of the table."""
    return Layout(
        trained_on=TRAINED_ON,
        inverted=INVERTED,
        kinds=KINDS,
        reals=(REAL, *OTHER_REAL),
        generators=tuple(name for name in test.sources if name not in (INVERTED, REAL, *OTHER_REAL)),
    )


def rows(test: Test, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The table's rows of one cell."""
    source = np.concatenate([[name] * len(found["sources"][name]["scores"]) for name in test.sources])
    values = np.concatenate([found["sources"][name]["scores"] for name in test.sources])
    reals = (REAL, *OTHER_REAL)
    for name, places in pools(layout(test), found["trained_on"], source).items():
        yield {
            **{key: found[key] for key in ("model", "augmentation", "seed", "trained_on")},
            "source": name,
            "label": "real" if name in reals else "fake",
            "familiar": int(name in (REAL, *KINDS[found["trained_on"]])),
            **{key: round(one, 4) for key, one in figures(~np.isin(source[places], reals), values[places]).items()},
        }


def complete(test: Test) -> tuple[dict[tuple[str, str, str], list[dict[str, Any]]], list[str]]:
    """The cells that hold every source, by what is trained on, model, augmentation; the names of the others."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    missing = []
    for cell in wanted(quick=test.quick):
        path = path_of(test, cell)
        nothing: dict[str, Any] = {"data_fingerprint": "", "sources": {}}
        one = json.loads(path.read_text()) if path.exists() else nothing
        marks = {name: each["fingerprint"] for name, each in one["sources"].items()}
        whole = all(marks.get(name) == source.fingerprint for name, source in test.sources.items())
        if whole and one["data_fingerprint"] == test.benches[cell[0]].fingerprint:
            found.setdefault(cell[:3], []).append(one)
        else:
            missing.append(path.stem)
    return found, missing


def summarise(test: Test, command: str, generators: dict[str, str]) -> None:
    """The CSV of all rows, and the table people read."""
    found, missing = complete(test)
    if not found:
        sys.exit(f"no whole cells in {test.cells}: run without --summarise first")
    results = test.cells.parent
    every = (row for cells in found.values() for one in cells for row in rows(test, one))
    write_table(results / f"{NAME}.csv", every, COLUMNS)
    these = layout(test)
    # In one order, whatever order a cell's sources were scored in: draws are paired between networks.
    found = {
        key: [{**one, "sources": {name: one["sources"][name] for name in test.sources}} for one in cells]
        for key, cells in found.items()
    }
    runs = {key: together(these, cells, 20 if test.quick else 1000) for key, cells in found.items()}
    said, gaps = formats(
        {key[1:]: cells for key, cells in found.items() if key[0] == TRAINED_ON},
        {
            "AUC on the generator trained on": lambda one: mean_auc(test, one, (TRAINED_ON,)),
            "mean AUC over other generators": lambda one: mean_auc(
                test, one, [name for name in these.generators if name != TRAINED_ON]
            ),
        },
    )
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprints": {kind: bench.fingerprint for kind, bench in test.benches.items()},
        "tested": {name: {"n": len(one.samples), "fingerprint": one.fingerprint} for name, one in test.sources.items()},
        "generators_sha256": generators,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cells": sum(map(len, found.values())),
        "missing_or_partly_so": missing,
        "seconds_of_all_cells": sum(one["seconds"] for cells in found.values() for one in cells),
        "auc": [
            {
                **dict(zip(("trained_on", "model", "augmentation"), key, strict=True)),
                "seeds": one.seeds,
                **{name: one.on(name).rounded() for name in one.sources},
                **{name: part.rounded() for name, part in columns(these, one).items() if " of " in name},
            }
            for key, one in runs.items()
        ],
        "answers": [one.json() for one in answered(these, runs)],
        "bf16_minus_fp32": {name: None if one is None else asdict(one) for name, one in gaps.items()},
    }
    write_facts(results / f"{NAME}.json", about)
    lines = markdown(these, about, found, runs, said)
    write_page(results / f"{NAME}.md", lines)
    print(f"written: {results / NAME}.md, {len(missing)} cells missing")


def mean_auc(test: Test, found: dict[str, Any], sources: Sequence[str]) -> float:
    """Of one cell over some rows of the table."""
    return float(np.mean([row["auc"] for row in rows(test, found) if row["source"] in sources]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--generators", type=Path, default=ROOT / "results" / "generators")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/seeds"), help="that of table_seeds.py, to share networks"
    )
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, one model, 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    with alone(work, "pictures of the controlled table"):
        test = gather(chosen.data, chosen.generators, work, quick=chosen.quick)
    if not chosen.summarise:
        run(test, work)
    if chosen.summarise or chosen.quick:
        hashes = {path.stem: file_hash(path) for path in sorted(chosen.generators.glob("*.safetensors"))}
        summarise(test, invocation(), hashes)


if __name__ == "__main__":
    main()
