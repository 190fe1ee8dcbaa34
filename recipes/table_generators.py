"""Does a small receptive field transfer better? Train on one generator, test on others, several seeds, equal formats.

    python recipes/table_generators.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/table_generators.py --data PATH_TO_SHARED_DATA --work runs/table --quick       (no result written)

The paper's table 2 in shape: every truncation and every whole-image baseline is trained on StyleGAN2 against three
sources of reals, and tested on pictures of other generators and on other sources of reals. All pictures go through one
preparation, `telltale build --preset paper`: face crop, 128-px PNG. Beside the paper's rows stand what it left out:

- truncated models with the blur and JPEG augmentation of the ResNet-50 rows, and that ResNet-50 without it;
- two controls: block4's parameters with block2's receptive field, and block2's parameters with block4's;
- a probe that reads only file headers, and logistic regression on the power spectrum.

Sizes are for a CPU: pictures stay at 128 px (the paper enlarges them to 299 or 224), training crops are 96 px, a run is
240 steps of 32 with a falling learning rate, and the epoch is chosen by AUC on the training sources' validation split.
A row of fakes is measured against one pool of test reals of the sources trained on; a row of reals against the test
fakes of the generator trained on.

Every (model, augmentation, seed) is one file in results/table_generators/ with all its scores, and a rerun computes
only what is missing; several processes of the same command share the work: start it as often as there are cores. Cost:
3 to 15 minutes a cell on one core of a 2021 server CPU, 22 networks, 5 seeds: about 15 hours of one core, a fourth of
that where the processor multiplies bf16; a cell says where it was made. The twins come out of torch, whose rounding
depends on the processor, and so does their fingerprint. Those of the committed cells (MADE) are what AMD processors
built with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 in the environment of the first call; an Intel one rounds
some of them otherwise, with fewer instructions, too. Then:

    python recipes/table_generators.py --data PATH_TO_SHARED_DATA --work runs/table --summarise

writes results/table_generators.csv, .json and .md from the cells there are, wherever they were made, and says which are
missing. Expected on generators never seen: mean AUC of Xception's depths less that of all of it +0.001
[-0.015, +0.016]; on the one learned -0.051 [-0.075, -0.028].
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comparisons import Estimate, Runs, areas
from contrasts import Answer, Question, answers, chance, conclusions, table, versus
from depth_choice import chosen_depth, depth_words, validation_auc
from number_formats import Gap, gap, number_format, said
from result_files import keep, write_facts, write_page, write_table
from sharing import alone, unclaimed
from telltale.data.build import build
from telltale.data.cues import container_cues
from telltale.data.formats import format_facts
from telltale.data.making import Tools
from telltale.data.samples import Sample, scan
from telltale.data.settings import preset
from telltale.errors import require
from telltale.evaluate.metrics import auc, average_precision, average_precision_real
from telltale.generate.resynthesis import Resynthesise, resynthesiser
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.config import TrainConfig
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation
from trained_networks import trained_once

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = "stylegan2"
# Two copies of one generator's pictures: as a web site shows them, and its own pixels.
TRAINED_FAKE = ("stylegan2_web", "stylegan2_ffhq256")
TRAINED_REAL = ("celebahq", "flickr", "portrait256")
OTHER_REAL = ("aaf", "landmark256", "unsplash600", "utkface")
OTHER_FAKE = ("generatedphotos", "sd21", "stylegan2_vs_npr")
# Re-syntheses of test reals of the sources trained on: generators of another kind with the same content.
TWINS = {"srgan_x4": ("fast_srgan_x4",), "taef2": ("taef2_encoder", "taef2_decoder")}
AT_MOST, TWIN_EVERY = 200, 3
# The pictures as the committed cells saw them: twins come out a little otherwise on another processor.
MADE = "18f94c5d6bfb7160e9060d2967b1f0e931a2410637531be0254ed826e166c657"
SEEDS = 5

TRUNCATED = tuple(f"xception_block{n}" for n in range(1, 6)) + tuple(f"resnet18_layer{n}" for n in range(1, 4))
CONTROLS = ("xception_block4_pointwise", "xception_block2_dilated")
WHOLE = ("resnet18", "xception", "mesoinception4", "resnet50")
AUGMENTED = ("resnet50", "xception_block2", "xception_block3", "resnet18_layer1")
HEADERS, SPECTRUM = "metadata probe", "spectrum and logistic regression"
# Blur and JPEG, each with the same probability (Wang et al., CVPR 2020); every run also mirrors half of its crops.
AUGMENTATIONS = {"none": 0.0, "blur+jpeg 0.1": 0.1, "blur+jpeg 0.5": 0.5}
MODELS: tuple[tuple[str, str], ...] = (
    *((name, "none") for name in (HEADERS, SPECTRUM, *TRUNCATED, *CONTROLS, *WHOLE)),
    *((name, kind) for name in AUGMENTED for kind in AUGMENTATIONS if kind != "none"),
)
QUICK = ((HEADERS, "none"), (SPECTRUM, "none"), ("xception_block1", "none"), ("mesoinception4", "none"))
COLUMNS = (
    "model",
    "augmentation",
    "seed",
    "trained_on",
    "source",
    "label",
    "familiar",
    "n_real",
    "n_fake",
    "ap_fake",
    "ap_real",
    "auc",
    "accuracy_real",
    "accuracy_fake",
    "tpr_at_1_fpr",
    "tpr_at_5_fpr",
)

Scores = NDArray[np.float64]
Score = Callable[[Sequence[Sample]], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The pictures of the experiment, and where it works."""

    training: list[Sample]
    tested: list[Sample]
    fingerprint: str
    work: Path
    cells: Path
    quick: bool


def prepare(data: Path, work: Path, *, quick: bool) -> Bench:
    """Build every source once, equally; and twins of some test reals."""
    everything = [sample for sample in scan([data / "manifest.csv"]) if sample.source in _sources()]
    everything = everything[:: 12 if quick else 1]
    reals = [one for one in everything if one.source in TRAINED_REAL and one.split == "test"][::TWIN_EVERY]
    with alone(work, "pictures"):
        fingerprints = [build(everything, work / "built", preset("paper"), workers=1).fingerprint]
        fingerprints += [build_twins(reals, data / "generators", work, name) for name in TWINS]
        built, made = scan([work / "built"]), {name: scan([work / name]) for name in TWINS}
    twins = [replace(one, source=name, split="test") for name in TWINS for one in made[name] if one.is_fake]
    return Bench(
        training=[one for one in built if one.source in TRAINED_REAL + TRAINED_FAKE and one.split != "test"],
        tested=[*tested(built), *twins],
        fingerprint=sha256("".join(fingerprints).encode()).hexdigest(),
        work=work,
        cells=(work if quick else ROOT / "results") / "table_generators",
        quick=quick,
    )


def build_twins(reals: Sequence[Sample], generators: Path, work: Path, name: str) -> str:
    """Re-syntheses of one kind, beside their reals; the fingerprint of both."""
    weights = tuple((f"{file}.safetensors", file_hash(generators / f"{file}.safetensors")) for file in TWINS[name])
    made = build(
        reals,
        work / name,
        preset("paper", resynthesise=(name,), weights=weights),
        tools=Tools(resynthesisers={name: partial(on_one_thread, name, generators)}),
        workers=1,
    )
    return made.fingerprint


def _sources() -> tuple[str, ...]:
    return TRAINED_FAKE + TRAINED_REAL + OTHER_REAL + OTHER_FAKE


def on_one_thread(name: str, folder: Path) -> Resynthesise:
    torch.set_num_threads(1)
    return resynthesiser(name, folder)


def tested(built: Sequence[Sample]) -> list[Sample]:
    """Test pictures of the sources trained on, and of the others any; at most AT_MOST of each, in a fixed order."""
    found: dict[str, list[Sample]] = {}
    for sample in built:
        if sample.source not in TRAINED_REAL + TRAINED_FAKE or sample.split == "test":
            found.setdefault(sample.source, []).append(sample)
    return [sample for source in sorted(found) for sample in found[source][:AT_MOST]]


def settings(bench: Bench, model: str, augmentation: str, seed: int) -> TrainConfig:
    """One training run; MesoInception4 takes whole pictures of 256 px, as its authors built it."""
    share = AUGMENTATIONS[augmentation]
    return TrainConfig(
        data=("shared data, built",),
        name=f"{model} {augmentation} {seed}",
        architecture=model,
        side=256 if model == "mesoinception4" else None,
        fit="square" if model == "mesoinception4" else "shorter",
        crop=None if model == "mesoinception4" else 96,
        allow_small=True,
        view="whole",
        steps_per_epoch=5 if bench.quick else 60,
        epochs=1 if bench.quick else 4,
        patience=4,
        choose_by="auc",
        schedule="cosine",
        seed=seed,
        blur=share,
        blur_range=(0.0, 3.0),
        jpeg=share,
        jpeg_range=(30.0, 100.0),
        threads=1,
    )


def folder_of(bench: Bench, model: str, augmentation: str, seed: int) -> Path:
    """Of one training run."""
    return bench.work / "train" / f"{model}-{augmentation}-{seed}".replace(" ", "_")


def trained(bench: Bench, model: str, augmentation: str, seed: int) -> Path:
    """The weights of one network: trained, or trained on where an interrupted run stopped."""
    out = folder_of(bench, model, augmentation, seed)
    config = settings(bench, model, augmentation, seed)
    return trained_once(bench.work, out, config, bench.training, bench.fingerprint)


def network(weights: Path) -> Score:
    """How a trained network scores pictures."""
    detector = load(weights)
    return lambda samples: np.array([detector(sample.pixels()).score for sample in samples])


def headers(samples: Sequence[Sample]) -> Scores:
    """What the files' headers say, as numbers: a word by its hash, what is absent as -1."""
    return np.array([[_number(cue) for cue in container_cues(format_facts(one.read())).values()] for one in samples])


def _number(cue: float | str | None) -> float:
    if cue is None:
        return -1.0
    return cue if isinstance(cue, float) else float(int(sha256(cue.encode()).hexdigest()[:6], 16))


def spectra(samples: Sequence[Sample]) -> Scores:
    """Log power of the grey picture by distance from the centre of its spectrum, in 45 rings."""
    return np.array([_rings(one.pixels().astype(np.float64).mean(2)) for one in samples])


def _rings(grey: Scores) -> Scores:
    power = np.log(np.abs(np.fft.fftshift(np.fft.fft2(grey))) ** 2 + 1)
    rows, columns = np.indices(power.shape) - np.array(power.shape)[:, None, None] // 2
    place = np.minimum(np.hypot(rows, columns) / (max(power.shape) / 2) * 32, 44).astype(int)
    return np.asarray(np.bincount(place.ravel(), power.ravel()) / np.bincount(place.ravel()))


def shallow(bench: Bench, model: str, seed: int) -> Score:
    """Boosted trees on headers, or logistic regression on spectra; each seed draws its own bootstrap."""
    samples = [sample for sample in bench.training if sample.split == "train"]
    features = headers if model == HEADERS else spectra
    is_fake = np.array([bool(sample.is_fake) for sample in samples])
    draw = np.random.default_rng(seed)
    each = min(is_fake.sum(), (~is_fake).sum())
    chosen = np.concatenate([draw.choice(np.flatnonzero(is_fake == label), each) for label in (False, True)])
    if model == HEADERS:
        fitted = require("sklearn.ensemble", "evaluate").HistGradientBoostingClassifier(random_state=seed)
    else:
        linear = require("sklearn.linear_model", "evaluate").LogisticRegression(max_iter=2000)
        fitted = require("sklearn.pipeline", "evaluate").make_pipeline(
            require("sklearn.preprocessing", "evaluate").StandardScaler(), linear
        )
    with require("threadpoolctl", "evaluate").threadpool_limits(1):
        fitted.fit(features(samples)[chosen], is_fake[chosen])
        return lambda others: np.asarray(fitted.predict_proba(features(others))[:, 1])


def cell(bench: Bench, model: str, augmentation: str, seed: int) -> dict[str, Any]:
    """Scores of all tested pictures by one trained model."""
    begin = time.perf_counter()
    validation = {}
    if model in (HEADERS, SPECTRUM):
        scores = shallow(bench, model, seed)(bench.tested)
    else:
        weights = trained(bench, model, augmentation, seed)
        scores = network(weights)(bench.tested)
        validation = {"validation_auc": validation_auc(weights)}
    return {
        "model": model,
        "augmentation": augmentation,
        "seed": seed,
        **validation,
        "data_fingerprint": bench.fingerprint,
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "machine": machine(),
        "scores": [round(float(value), 5) for value in scores],
    }


def path_of(bench: Bench, model: str, augmentation: str, seed: int) -> Path:
    return bench.cells / f"{model}-{augmentation}-{seed}.json".replace(" ", "_")


def run(bench: Bench, seeds: int) -> None:
    """Every missing cell, seeds outermost so that an interrupted run leaves whole seeds."""
    models = QUICK if bench.quick else MODELS
    wanted = [(model, augmentation, seed) for seed in range(seeds) for model, augmentation in models]
    for model, augmentation, seed in unclaimed(bench.work, "table_generators", wanted):
        path = path_of(bench, model, augmentation, seed)
        if path.exists():
            complete(bench, path, folder_of(bench, model, augmentation, seed) / "best.safetensors")
        else:
            found = cell(bench, model, augmentation, seed)
            keep(path, found)
            means = [f"{row['source']} {row['auc']:.2f}" for row in rows(bench, found)]
            print(path.stem, f"{found['seconds']} s", *means, flush=True)


def complete(bench: Bench, path: Path, weights: Path) -> None:
    """Add the validation figure to a cell from before cells had it, where its very network is still there."""
    found = json.loads(path.read_text())
    if "validation_auc" in found or not weights.with_name("done").exists():
        return
    if np.allclose(network(weights)(bench.tested[:3]), found["scores"][:3], rtol=0, atol=1e-4):
        keep(path, {**found, "validation_auc": validation_auc(weights)})


def pools(bench: Bench) -> Iterator[tuple[str, bool, bool, NDArray[np.intp]]]:
    """(source, is_fake, familiar, places among the tested pictures) of every row of the table."""
    source = np.array([sample.source for sample in bench.tested])
    reals = np.flatnonzero(np.isin(source, TRAINED_REAL))
    fakes = np.flatnonzero(np.isin(source, TRAINED_FAKE))
    yield GENERATOR, True, True, np.concatenate([fakes, reals])
    for name in (*OTHER_FAKE, *TWINS):
        yield name, True, False, np.concatenate([np.flatnonzero(source == name), reals])
    for name in (*TRAINED_REAL, *OTHER_REAL):
        yield name, False, name in TRAINED_REAL, np.concatenate([np.flatnonzero(source == name), fakes])


def rows(bench: Bench, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The table's rows of one cell."""
    is_fake = np.array([bool(sample.is_fake) for sample in bench.tested])
    scores = np.array(found["scores"])
    for source, label, familiar, places in pools(bench):
        yield {
            **{name: found[name] for name in ("model", "augmentation", "seed")},
            "trained_on": GENERATOR,
            "source": source,
            "label": "fake" if label else "real",
            "familiar": int(familiar),
            **{name: round(value, 4) for name, value in figures(is_fake[places], scores[places]).items()},
        }


def figures(is_fake: NDArray[np.bool_], scores: Scores) -> dict[str, float]:
    """The columns of one row; accuracies at a score of 0.5, which nobody tuned."""
    return {
        "n_real": int((~is_fake).sum()),
        "n_fake": int(is_fake.sum()),
        "ap_fake": average_precision(is_fake, scores),
        "ap_real": average_precision_real(is_fake, scores),
        "auc": auc(is_fake, scores),
        "accuracy_real": float((scores[~is_fake] < 0.5).mean()),
        "accuracy_fake": float((scores[is_fake] >= 0.5).mean()),
        "tpr_at_1_fpr": true_positives(is_fake, scores, 0.01),
        "tpr_at_5_fpr": true_positives(is_fake, scores, 0.05),
    }


def true_positives(is_fake: NDArray[np.bool_], scores: Scores, rate: float) -> float:
    """The largest share of fakes above a threshold that at most `rate` of the reals reach."""
    reals = np.sort(scores[~is_fake])[::-1]
    return float((scores[is_fake] > reals[min(int(rate * reals.size + 1e-9), reals.size - 1)]).mean())


def across(bench: Bench, cells: Sequence[dict[str, Any]], rounds: int) -> Runs:
    """AUC of one network on every row of the table."""
    return areas(
        np.array([bool(sample.is_fake) for sample in bench.tested]),
        np.array([sample.source for sample in bench.tested]),
        np.array([found["scores"] for found in cells]),
        {source: places for source, _, _, places in pools(bench)},
        rounds,
    )


def questions() -> Iterator[Question]:
    """What the table is asked; the first of each topic is the question, the others are its parts."""
    xception, resnet = [[(name, "none") for name in part] for part in (TRUNCATED[:5], TRUNCATED[5:])]
    for title, parts, whole in (("Xception", xception, "xception"), ("ResNet-18", resnet, "resnet18")):
        topic = f"{title} cut short or whole"
        yield versus(topic, f"its {len(parts)} depths together against all of it", parts, [(whole, "none")])
        for one in parts:
            yield versus(topic, f"{one[0]} against all of it", [one], [(whole, "none")])
    few, many = ("xception_block2", "none"), ("xception_block4", "none")
    pointwise, dilated = ((name, "none") for name in CONTROLS)
    topic = "Receptive field or parameters"
    yield versus(topic, "small field against large, parameters balanced", [few, pointwise], [dilated, many])
    yield versus(topic, "few parameters against many, fields balanced", [few, dilated], [pointwise, many])
    yield versus(topic, "few parameters: small field against large", [few], [dilated])
    yield versus(topic, "many parameters: small field against large", [pointwise], [many])
    for kind in tuple(AUGMENTATIONS)[1:]:
        topic = f"Augmentation, {kind}, at equal depth"
        pairs = [((name, kind), (name, "none")) for name in AUGMENTED]
        yield versus(topic, "with against without, all of them", *zip(*pairs, strict=True))
        for first, second in pairs:
            yield versus(topic, f"{first[0]} with against without", [first], [second])
        topic = f"Augmented alike, {kind}"
        cut = [(name, kind) for name in AUGMENTED[1:]]
        yield versus(topic, "networks cut short together against ResNet-50", cut, [("resnet50", kind)])
        for one in cut:
            yield versus(topic, f"{one[0]} against ResNet-50", [one], [("resnet50", kind)])
    topic = "Simple baselines"
    every = [*xception, *resnet]
    yield versus(topic, "networks cut short together against a spectrum's regression", every, [(SPECTRUM, "none")])
    yield versus(topic, "networks cut short together against MesoInception4", every, [("mesoinception4", "none")])
    yield versus(topic, "networks cut short together against the header probe", every, [(HEADERS, "none")])


def answered(found: dict[tuple[str, str], Runs]) -> list[Answer]:
    """Every question on generators never seen; those of depth also at home and on other reals."""
    away = answers(
        list(questions()), {key: runs.of((*OTHER_FAKE, *TWINS)) for key, runs in found.items()}, "generators"
    )
    depth = [one for one in questions() if one.asked.endswith("together against all of it")]
    for place, sources in (("the generator trained on", (GENERATOR,)), ("other sources of reals", OTHER_REAL)):
        there = {key: runs.of(sources) for key, runs in found.items()}
        away += answers([replace(one, topic=f"{one.topic}, on {place}") for one in depth], there)
    return away


def kept(bench: Bench, models: Sequence[tuple[str, str]]) -> tuple[dict[tuple[str, str], list[Any]], list[str]]:
    """The cells there are, by network, and the names of those that are missing."""
    found: dict[tuple[str, str], list[Any]] = {}
    missing = []
    for model, augmentation in models:
        for seed in range(SEEDS):
            path = path_of(bench, model, augmentation, seed)
            if not path.exists():
                missing.append(path.stem)
                continue
            one = json.loads(path.read_text())
            if one["data_fingerprint"] not in (bench.fingerprint, MADE) or len(one["scores"]) != len(bench.tested):
                sys.exit(f"{path} was made from other pictures: delete it and run again")
            found.setdefault((model, augmentation), []).append(one)
    if not found:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    check_one_set(one for cells in found.values() for one in cells)
    return found, missing


def check_one_set(cells: Iterable[dict[str, Any]]) -> str:
    """The fingerprint of the pictures that all cells saw; cells of two sets do not stand in one table."""
    first, *others = sorted({str(one["data_fingerprint"]) for one in cells})
    if others:
        sys.exit(f"cells of several sets of pictures, {first[:12]} and {others[0][:12]}: keep those of one")
    return first


def formats(
    found: dict[tuple[str, str], list[Any]], figures_of: dict[str, Callable[[dict[str, Any]], float]]
) -> tuple[str, dict[str, Gap | None]]:
    """How many runs were trained in which number format, and whether that shows in these figures of a cell."""
    trained = {key: cells for key, cells in found.items() if key[0] not in (HEADERS, SPECTRUM)}
    gaps = {
        name: gap(
            {
                key: [(number_format(one.get("machine")), one["seed"], figure(one)) for one in cells]
                for key, cells in trained.items()
            }
        )
        for name, figure in figures_of.items()
    }
    machines = [one.get("machine") for cells in trained.values() for one in cells]
    untrained = sum(map(len, found.values())) - len(machines)
    return said(machines, untrained, gaps), gaps


def summarise(bench: Bench, command: str) -> None:
    """The CSV of all rows, and the tables people read."""
    found, missing = kept(bench, MODELS)
    results = bench.cells.parent
    every = (row for cells in found.values() for one in cells for row in rows(bench, one))
    write_table(results / "table_generators.csv", every, COLUMNS)
    runs = {key: across(bench, cells, 20 if bench.quick else 1000) for key, cells in found.items()}
    said, gaps = formats(
        found,
        {
            "AUC on the generator trained on": lambda one: mean_auc(bench, one, (GENERATOR,)),
            "mean AUC over generators never seen": lambda one: mean_auc(bench, one, (*OTHER_FAKE, *TWINS)),
        },
    )
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprint": check_one_set(one for cells in found.values() for one in cells),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cells": sum(map(len, found.values())),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for cells in found.values() for one in cells),
        "auc": {
            f"{model}, {augmentation}": {"seeds": one.seeds, **{name: part.rounded() for name, part in shown(one)}}
            for (model, augmentation), one in runs.items()
        },
        "depth": chosen_depth(
            {name: found.get((name, "none"), []) for name in TRUNCATED},
            {name: runs[name, "none"].of((*OTHER_FAKE, *TWINS)) for name in TRUNCATED if (name, "none") in runs},
        ),
        "answers": [one.json() for one in answered(runs)],
        "bf16_minus_fp32": {name: None if one is None else asdict(one) for name, one in gaps.items()},
    }
    write_facts(results / "table_generators.json", about)
    lines = markdown(about, runs, said)
    write_page(results / "table_generators.md", lines)
    print(f"written: {results / 'table_generators.md'}, {len(missing)} cells missing")


def mean_auc(bench: Bench, found: dict[str, Any], sources: Sequence[str]) -> float:
    """Of one cell over some rows of the table."""
    return float(np.mean([row["auc"] for row in rows(bench, found) if row["source"] in sources]))


def shown(runs: Runs) -> Iterator[tuple[str, Estimate]]:
    """The columns of the table of AUC."""
    for source in (GENERATOR, *OTHER_FAKE, *TWINS):
        yield source, runs.on(source)
    for name, sources in (("unseen", (*OTHER_FAKE, *TWINS)), ("other reals", OTHER_REAL)):
        yield f"mean of {name}", runs.of(sources).mean
        yield f"worst of {name}", runs.of(sources).worst


def markdown(about: dict[str, Any], runs: dict[tuple[str, str], Runs], formats: str) -> Iterator[str]:
    """What the numbers say, the answers behind it, where networks guess, and the AUCs."""
    found = answered(runs)
    yield "# Trained on StyleGAN2, tested on others"
    yield ""
    yield f"{about['cells']} runs, {len(about['missing'])} missing; commit {about['commit']}, {about['date']}."
    yield "Differences of mean ROC AUC over generators never seen, first minus second [95 % bootstrap over seeds and"
    yield "pictures, widened by Student's t since seeds are few]; “not shown” where that interval holds 0."
    yield ""
    yield from conclusions(found)
    yield depth_words(about["depth"])
    yield f"- **{formats.replace(': ', '.** ', 1)}"
    yield ""
    yield "On how many networks the interval of AUC lies above, around, or below 0.5 (the two labels mixed up):"
    yield ""
    yield from chance(runs, (GENERATOR, *OTHER_FAKE, *TWINS, *OTHER_REAL))
    yield ""
    yield "All answers. “Drawn too” says what other generators like these would give; “minimum” compares worst sources."
    yield ""
    yield from table(found)
    yield ""
    yield "AUC, fake positive: mean over seeds [95 %]. Chance is 0.5; “worst” is the lowest source of every round anew."
    yield ""
    names = [name for name, _ in shown(next(iter(runs.values())))]
    yield "| model | augmentation | seeds | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---|" * len(names)
    for (model, augmentation), one in runs.items():
        yield f"| {model} | {augmentation} | {one.seeds} | " + " | ".join(str(part) for _, part in shown(one)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/table"))
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, four models, 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    bench = prepare(chosen.data, chosen.work / "quick" if chosen.quick else chosen.work, quick=chosen.quick)
    if not chosen.summarise:
        run(bench, 1 if chosen.quick else SEEDS)
    if chosen.summarise or chosen.quick:
        summarise(bench, invocation())


if __name__ == "__main__":
    main()
