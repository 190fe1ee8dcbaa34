"""Depth x corruption x strength, with and without augmentation: when does a patch classifier stop working?

    python recipes/robustness_surface.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/robustness_surface.py --data PATH_TO_SHARED_DATA --work runs/table --quick    (no result written)

The networks are those of `recipes/table_generators.py` (StyleGAN2 against three sources of reals, 128-px PNG) and its
--work: what has been trained there is used, what is missing is trained. Each is tested on the test pictures of those
sources, as they are and after every corruption of `telltale robustness` at every strength. A cell of the result gives
the AUC against the pooled reals (a source of fakes) or the pooled fakes (a source of reals), and the share of pictures
that cross a score of 0.5 because of the corruption.

Every (model, augmentation, seed) is one file in results/robustness_surface/; a rerun computes only what is missing, and
several processes of the same command share the work: start it as often as there are cores. Pictures are corrupted once
for all networks and kept in WORK/corrupted (0.5 GB); networks run on ONNX Runtime, on a GPU in batches. Cost besides
the training: half a minute of one core a cell for xception_block2, more for whole networks; corrupting all pictures
takes a quarter of a minute, once. Three seeds of the table's five are a full run (20 networks, 60 cells); `--seeds 0 1`
adds the others. `--summarise` writes results/robustness_surface.csv, .json, .md and .png from the
cells there are. Expected: the change of AUC is +0.011 [+0.007, +0.017] better where Xception is cut short, and the
AUC left differs by -0.041 [-0.072, -0.020].
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import __version__ as pillow_version

from comparisons import Runs, over_seeds
from contrasts import Answer, Question, answers, conclusions, table, versus
from number_formats import Gap, gap, number_format, said
from result_files import keep, write_facts, write_figure, write_page, write_table
from sharing import unclaimed
from table_generators import (
    AUGMENTED,
    MADE,
    ROOT,
    TRAINED_FAKE,
    TRAINED_REAL,
    TRUNCATED,
    WHOLE,
    Bench,
    check_one_set,
    prepare,
    trained,
)
from telltale.data.samples import Sample
from telltale.errors import require
from telltale.evaluate.metrics import auc
from telltale.evaluate.robustness_cells import CLEAN, Cell, cells, corrupted
from telltale.image import prepare as prepared_for
from telltale.learn.checkpoint import load
from telltale.learn.export import export
from telltale.learn.precision import machine
from telltale.pooling import pool
from telltale.provenance import commit, invocation
from telltale.runtime import load as load_onnx

MODELS: tuple[tuple[str, str], ...] = (
    *((name, "none") for name in (*TRUNCATED, *WHOLE)),
    *((name, kind) for name in AUGMENTED for kind in ("blur+jpeg 0.1", "blur+jpeg 0.5")),
)
AT_MOST = 50
# Three of the table's five: without bf16 a network costs 3 to 17 minutes of a core to train again.
SEEDS = (2, 3, 4)
COLUMNS = ("model", "augmentation", "seed", "corruption", "strength", "source", "label", "n", "auc", "flip_share")
Scores = NDArray[np.float64]
Pictures = NDArray[np.uint8]


def tested(bench: Bench) -> list[Sample]:
    """Test pictures of the sources trained on, at most AT_MOST of each."""
    return [
        sample
        for source in (*TRAINED_REAL, *TRAINED_FAKE)
        for sample in [one for one in bench.tested if one.source == source][:AT_MOST]
    ]


def pictures(samples: Sequence[Sample], kept: Path, cell: Cell) -> Pictures:
    """Every picture after one corruption, in the order given; kept, since every network looks at the same ones.

    Raises:
        ValueError: pictures of different sizes.
    """
    path = kept / f"{cell.corruption}-{cell.strength:g}.npy"
    if not path.exists():
        made = np.stack([corrupted(sample.pixels(), cell, seed=0) for sample in samples])
        kept.mkdir(parents=True, exist_ok=True)
        # Two processes may make the same file at the same time.
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as stream:
            np.save(stream, made)
        temporary.replace(path)
    found: Pictures = np.load(path, mmap_mode="r")
    return found


def kept_for(bench: Bench, samples: Sequence[Sample]) -> Path:
    """A folder for these pictures' corruptions; other pictures, or another Pillow, have another."""
    digest = sha256(pillow_version.encode())
    for sample in samples:
        digest.update(sample.read())
    return bench.work / "corrupted" / digest.hexdigest()[:16]


def scorer(weights: Path) -> Callable[[Pictures], Scores]:
    """How a network scores pictures of one size: as `Detector` does, to 1e-6, in a third of its time."""
    if torch.cuda.is_available():
        detector, batch = load(weights, device="cuda"), 256
    else:
        # Eager torch takes 2.5 times as long, and on a CPU batches do not help: activations leave the cache.
        onnx = weights.with_suffix(".onnx")
        if not onnx.exists():
            export(weights, onnx)
        detector, batch = load_onnx(onnx, threads=1), 1

    def score(images: Pictures) -> Scores:
        prepared = np.stack([prepared_for(one, detector.spec.preparation) for one in images])
        logits = [detector.predict(prepared[i : i + batch]) for i in range(0, len(prepared), batch)]
        found = np.array([pool(one, detector.spec.pooling) for one in np.concatenate(logits)])
        assert np.isfinite(found).all(), f"{weights} gives scores that are no numbers"
        return found

    return score


def rows(bench: Bench, model: str, augmentation: str, seed: int) -> Iterator[dict[str, Any]]:
    """One trained network under everything."""
    score = scorer(trained(bench, model, augmentation, seed))
    samples = tested(bench)
    kept = kept_for(bench, samples)
    source = np.array([sample.source for sample in samples])
    is_fake = np.isin(source, TRAINED_FAKE)
    clean = score(pictures(samples, kept, CLEAN))
    for cell in cells()[:3] if bench.quick else cells():
        scores = clean if cell == CLEAN else score(pictures(samples, kept, cell))
        flips = (scores > 0.5) != (clean > 0.5)
        for name in (*TRAINED_REAL, *TRAINED_FAKE, "(all)"):
            mine = (source == name) | (name == "(all)")
            against = mine | (is_fake != is_fake[mine][0])
            yield {
                "model": model,
                "augmentation": augmentation,
                "seed": seed,
                "corruption": cell.corruption,
                "strength": cell.strength,
                "source": name,
                "label": "both" if name == "(all)" else "fake" if name in TRAINED_FAKE else "real",
                "n": int(mine.sum()),
                "auc": round(auc(is_fake[against], scores[against]), 4),
                "flip_share": round(float(flips[mine].mean()), 4),
            }


def path_of(folder: Path, model: str, augmentation: str, seed: int) -> Path:
    return folder / f"{model}-{augmentation}-{seed}.json".replace(" ", "_")


def run(bench: Bench, folder: Path, seeds: Sequence[int], *, only_trained: bool) -> None:
    """Every missing cell, seeds outermost."""
    wanted = [(*model, seed) for seed in seeds for model in MODELS]
    wanted = wanted[:1] if bench.quick else wanted
    for model, augmentation, seed in unclaimed(bench.work, "robustness_surface", wanted):
        path = path_of(folder, model, augmentation, seed)
        if path.exists() or (only_trained and not trained_already(bench, model, augmentation, seed)):
            continue
        begin = time.perf_counter()
        found = list(rows(bench, model, augmentation, seed))
        about = {
            "data_fingerprint": bench.fingerprint,
            "commit": commit(),
            "seconds": time.perf_counter() - begin,
            "machine": machine(),
            "trained_in": trained_in(bench, model, augmentation, seed),
        }
        keep(path, {**about, "rows": found})
        print(path.stem, f"{about['seconds']:.0f} s", flush=True)


def trained_in(bench: Bench, model: str, augmentation: str, seed: int) -> str:
    """The number format of a network's training, as its run says."""
    run = trained(bench, model, augmentation, seed).with_name("run.json")
    return str(json.loads(run.read_text(encoding="utf-8"))["machine"]["precision"])


def trained_already(bench: Bench, model: str, augmentation: str, seed: int) -> bool:
    """Whether the table's recipe has finished this network."""
    return (bench.work / "train" / f"{model}-{augmentation}-{seed}".replace(" ", "_") / "done").exists()


def summarise(bench: Bench, folder: Path, command: str) -> None:
    """The CSV of all rows, what they say, and the curves."""
    files = sorted(folder.glob("*.json"))
    if not files:
        sys.exit(f"no cells in {folder}: run without --summarise first")
    results = folder.parent
    found = [json.loads(path.read_text()) for path in files]
    mark = check_one_set(found)
    if mark not in (bench.fingerprint, MADE):
        sys.exit(f"cells in {folder} were made from other pictures: delete them and run again")
    every = [row for one in found for row in one["rows"]]
    write_table(results / "robustness_surface.csv", every, COLUMNS)
    figures = [(one, measured(one["rows"])) for one in found]
    said, gaps = formats(figures)
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprint": mark,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(files),
        "cells_of_a_full_run": len(MODELS) * len(SEEDS),
        "seconds_of_all_cells": round(sum(one["seconds"] for one in found)),
        "answers": [one.json() for one in answered([values for _, values in figures])],
        "bf16_minus_fp32": {name: None if one is None else asdict(one) for name, one in gaps.items()},
    }
    write_facts(results / "robustness_surface.json", about)
    lines = markdown(every, [values for _, values in figures], about, said)
    write_page(results / "robustness_surface.md", lines)
    draw(every, results / "robustness_surface.png")
    print(f"written: {results / 'robustness_surface.md'}, {len(files)} cells of {len(MODELS) * len(SEEDS)}")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one network keeps under each kind of corruption, mean over its strengths; more is better.

    Attributes:
        network: model and augmentation.
        kinds: names of the corruptions.
        values: by figure, one number for each kind.
        clean: AUC of the pictures as they are.
    """

    network: tuple[str, str]
    kinds: tuple[str, ...]
    values: dict[str, list[float]]
    clean: float


LOST, LEFT, WORST, STAYS = "change of AUC", "AUC left", "AUC left of the worst source", "verdicts that stay"


def measured(every: Sequence[dict[str, Any]]) -> Figures:
    """The rows of one cell by kind of corruption."""
    kinds = tuple(dict.fromkeys(row["corruption"] for row in every if row["corruption"] != "none"))
    together = [row for row in every if row["source"] == "(all)"]
    (clean,) = [row["auc"] for row in together if row["corruption"] == "none"]
    worst: dict[tuple[str, float], float] = {}
    for row in every:
        if row["source"] != "(all)":
            place = (row["corruption"], row["strength"])
            worst[place] = min(worst.get(place, 1.0), row["auc"])

    def mean(kind: str, value: Callable[[dict[str, Any]], float]) -> float:
        return float(np.mean([value(row) for row in together if row["corruption"] == kind]))

    return Figures(
        network=(every[0]["model"], every[0]["augmentation"]),
        kinds=kinds,
        clean=clean,
        values={
            LOST: [mean(kind, lambda row: row["auc"] - clean) for kind in kinds],
            LEFT: [mean(kind, lambda row: row["auc"]) for kind in kinds],
            WORST: [mean(kind, lambda row: worst[row["corruption"], row["strength"]]) for kind in kinds],
            STAYS: [mean(kind, lambda row: 1 - row["flip_share"]) for kind in kinds],
        },
    )


def questions(figure: str) -> Iterator[Question]:
    """What the surface is asked of one figure; the first of each topic is the question, the others are its parts."""
    for title, parts, whole in (("Xception", TRUNCATED[:5], "xception"), ("ResNet-18", TRUNCATED[5:], "resnet18")):
        cut, topic = [(name, "none") for name in parts], f"{title} cut short or whole, {figure}"
        yield versus(topic, f"its {len(cut)} depths together against all of it", cut, [(whole, "none")])
        for one in cut:
            yield versus(topic, f"{one[0]} against all of it", [one], [(whole, "none")])
    for kind in ("blur+jpeg 0.1", "blur+jpeg 0.5"):
        topic = f"Augmentation, {kind}, at equal depth, {figure}"
        pairs = [((name, kind), (name, "none")) for name in AUGMENTED]
        first, second = [one for one, _ in pairs], [one for _, one in pairs]
        yield versus(topic, "with against without, all of them", first, second)
        for one, other in pairs:
            yield versus(topic, f"{one[0]} with against without", [one], [other])


def answered(found: Sequence[Figures]) -> list[Answer]:
    """Every question on the change of AUC; of the other figures those about several networks together."""
    said = []
    for figure in (LOST, LEFT, WORST, STAYS):
        runs = {key: seeds_of([one for one in found if one.network == key], figure) for key in networks(found)}
        asked = [one for one in questions(figure) if figure == LOST or len(one.weights) > 2]
        said += answers(asked, runs, "corruptions", guessing=0.5 if figure in (LEFT, WORST) else None)
    return said


def networks(found: Sequence[Figures]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(one.network for one in found))


def seeds_of(found: Sequence[Figures], figure: str) -> Runs:
    """One network's seeds on each kind of corruption."""
    return over_seeds(np.array([one.values[figure] for one in found]), found[0].kinds, rounds=2000)


def formats(found: Sequence[tuple[dict[str, Any], Figures]]) -> tuple[str, dict[str, Gap | None]]:
    """How many networks were trained in which number format, and whether that shows."""
    names = [cell.get("trained_in") or number_format(cell.get("machine")) for cell, _ in found]

    def compared(figure: Callable[[Figures], float]) -> Gap | None:
        values: dict[tuple[str, str], list[tuple[str, int, float]]] = {}
        for name, (cell, one) in zip(names, found, strict=True):
            values.setdefault(one.network, []).append((name, cell["rows"][0]["seed"], figure(one)))
        return gap(values)

    gaps = {
        "clean AUC": compared(lambda one: one.clean),
        "mean change of AUC": compared(lambda one: float(np.mean(one.values[LOST]))),
    }
    return said([f", {name}" for name in names], 0, gaps), gaps


def severity(corruption: str, strength: float) -> float:
    """Orders the strengths of one corruption from mild to strong."""
    if corruption in ("resize", "gamma", "screenshot"):
        return abs(log(strength))
    return -strength if corruption in ("jpeg", "webp", "crop", "social") else strength


def stops(every: list[dict[str, Any]]) -> Iterator[str]:
    """For each network and corruption, the mildest strength that costs half of what the network knows."""
    areas = means(every, "auc")
    names = list(dict.fromkeys(name for cell in areas.values() for name, _ in cell if name != "none"))
    yield "| model | augmentation | clean AUC | " + " | ".join(names) + " |"
    yield "|---|---|---|" + "---|" * len(names)
    for (model, augmentation), cell in areas.items():
        clean = float(np.mean(cell["none", 0.0]))
        entries = []
        for name in names:
            strengths = sorted((s for one, s in cell if one == name), key=lambda strength: severity(name, strength))
            gone = [s for s in strengths if np.mean(cell[name, s]) <= (clean + 0.5) / 2]
            entries.append(f"{gone[0]:g}" if gone else "never")
        yield f"| {model} | {augmentation} | {clean:.3f} | {' | '.join(entries)} |"


def means(every: list[dict[str, Any]], column: str) -> dict[tuple[str, str], dict[tuple[str, float], list[float]]]:
    """(model, augmentation) -> (corruption, strength) -> the values over seeds, of all pictures together."""
    found: dict[tuple[str, str], dict[tuple[str, float], list[float]]] = {}
    for row in every:
        if row["source"] == "(all)":
            place = found.setdefault((row["model"], row["augmentation"]), {})
            place.setdefault((row["corruption"], row["strength"]), []).append(row[column])
    return found


def hardest(found: Sequence[Figures]) -> str:
    """Which corruptions cost most and least, over all networks."""
    kinds = found[0].kinds
    changes = np.mean([one.values[LOST] for one in found], axis=0)
    flips = 1 - np.mean([one.values[STAYS] for one in found], axis=0)
    order = np.argsort(changes)
    words = [f"{kinds[i]} {changes[i]:+.3f} ({100 * flips[i]:.0f} % of verdicts turn)" for i in order]
    return "; ".join(words)


SHOWN = (
    ("none", 0.0),
    ("jpeg", 90.0),
    ("jpeg", 50.0),
    ("blur", 1.0),
    ("blur", 2.0),
    ("noise", 5.0),
    ("noise", 20.0),
    ("resize", 0.5),
    ("social", 0.75),
)


def markdown(
    every: list[dict[str, Any]], found: Sequence[Figures], about: dict[str, Any], formats: str
) -> Iterator[str]:
    """What the numbers say, where networks stop, the answers, and a few corruptions; the rest is in the CSV."""
    asked = answered(found)
    yield "# When does a patch classifier stop working?"
    yield ""
    yield f"{about['cells']} networks of {about['cells_of_a_full_run']}; commit {about['commit']}, {about['date']}."
    yield "First minus second, mean over kinds of corruption and their strengths [95 % bootstrap over seeds alone, the"
    yield "pictures being the same ones throughout, widened by Student's t since seeds are few]; more is better, “not"
    yield "shown” where the interval holds 0."
    yield ""
    yield f"- **What costs most.** Change of AUC, mean over strengths and networks: {hardest(found)}."
    yield from conclusions(asked)
    yield f"- **{formats.replace(': ', '.** ', 1)}"
    yield ""
    yield "The mildest strength at which half of what a network knows (its AUC above 0.5) is gone, mean over seeds:"
    yield ""
    yield from stops(every)
    yield ""
    yield "All answers. “Drawn too” says what other corruptions like these would give; “minimum” is of the worst kind."
    yield ""
    yield from table(asked)
    yield ""
    yield "ROC AUC (share of verdicts that the corruption turns), means over seeds, and the AUCs' range over seeds."
    yield ""
    yield from excerpt(every)


def excerpt(every: list[dict[str, Any]]) -> Iterator[str]:
    """AUC and turned verdicts of a few corruptions."""
    areas, flips = means(every, "auc"), means(every, "flip_share")
    shown = [one for one in SHOWN if all(one in cell for cell in areas.values())]
    yield "| model | augmentation | seeds | " + " | ".join(f"{name} {value:g}" for name, value in shown) + " |"
    yield "|---|---|---|" + "---|" * len(shown)
    for (model, augmentation), cell in areas.items():
        entries = []
        for one in shown:
            values = cell[one]
            spread = f", {min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
            turned = float(np.mean(flips[model, augmentation][one]))
            entries.append(f"{np.mean(values):.2f} ({100 * turned:.0f} %{spread})")
        seeds = len(cell[shown[0]])
        yield f"| {model} | {augmentation} | {seeds} | " + " | ".join(entries) + " |"


def draw(every: list[dict[str, Any]], path: Path) -> None:
    """One panel per corruption, AUC by strength, one line per network; augmented ones dashed."""
    areas = means(every, "auc")
    names = list(dict.fromkeys(name for cell in areas.values() for name, _ in cell if name != "none"))
    if not names:
        return
    drawing = require("matplotlib.figure", "evaluate").Figure(figsize=(15, 6.5), layout="constrained")
    panels = drawing.subplots(2, -(-len(names) // 2), squeeze=False).ravel()
    colours = require("matplotlib", "evaluate").colormaps["tab20"]
    models = list(dict.fromkeys(model for model, _ in areas))
    for panel, name in zip(panels, names, strict=False):
        for (model, augmentation), cell in areas.items():
            points = sorted(
                (strength, float(np.mean(values))) for (one, strength), values in cell.items() if one == name
            )
            style = {"none": "-", "blur+jpeg 0.1": ":", "blur+jpeg 0.5": "--"}[augmentation]
            colour = colours(models.index(model) % 20)
            panel.plot(*zip(*points, strict=True), style, color=colour, marker=".", label=f"{model}, {augmentation}")
            panel.axhline(float(np.mean(cell["none", 0.0])), color=colour, alpha=0.15, linewidth=0.8)
        panel.axhline(0.5, color="black", linewidth=0.8)
        panel.set_title(name)
        panel.set_ylim(0.3, 1.0)
    for panel in panels[len(names) :]:
        panel.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    drawing.supylabel("ROC AUC")
    write_figure(path, drawing, 90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/table"), help="the --work of table_generators")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the networks; any of the table's")
    parser.add_argument("--only-trained", action="store_true", help="leave out networks that are not trained yet")
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument(
        "--quick", action="store_true", help="one network of 5 steps, two corruptions; no result written"
    )
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    bench = prepare(chosen.data, chosen.work / "quick" if chosen.quick else chosen.work, quick=chosen.quick)
    folder = (bench.work if chosen.quick else ROOT / "results") / "robustness_surface"
    if not chosen.summarise:
        run(bench, folder, chosen.seeds, only_trained=chosen.only_trained)
    if chosen.summarise or chosen.quick:
        summarise(bench, folder, invocation())


if __name__ == "__main__":
    main()
