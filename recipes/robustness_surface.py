"""Depth x corruption x strength, with and without augmentation: when does a patch classifier stop working?

    python recipes/robustness_surface.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/robustness_surface.py --data PATH_TO_SHARED_DATA --work runs/table --quick    (no result written)

The networks are those of `recipes/table_generators.py` (StyleGAN2 against three sources of reals, 128-px PNG) and its
--work: what has been trained there is used, what is missing is trained. Each is tested on the test pictures of those
sources, as they are and after every corruption of `telltale robustness` at every strength. A cell of the result gives
the AUC against the pooled reals (a source of fakes) or the pooled fakes (a source of reals), and the share of pictures
that cross a score of 0.5 because of the corruption.

Every (model, augmentation, seed) is one file in results/robustness_surface/; a rerun computes only what is missing, and
--part 1/2 and --part 2/2 share the work. Pictures are corrupted once for all networks and kept in WORK/corrupted (0.5
GB); networks run on ONNX Runtime, on a GPU in batches. Cost besides the training: half a minute of one core a cell for
xception_block2, more for whole networks; corrupting all pictures takes a quarter of a minute, once. `--summarise`
writes results/robustness_surface.csv, .json, .md and .png from the cells there are.
"""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import __version__ as pillow_version

from table_generators import (
    AUGMENTED,
    ROOT,
    SEEDS,
    TRAINED_FAKE,
    TRAINED_REAL,
    TRUNCATED,
    WHOLE,
    Bench,
    prepare,
    trained,
)
from telltale.data.samples import Sample
from telltale.errors import require
from telltale.evaluate.metrics import auc
from telltale.evaluate.robustness import CLEAN, Cell, cells, corrupted
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
        # Two parts of the work may make the same file at the same time.
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


def run(bench: Bench, folder: Path, part: tuple[int, int], *, only_trained: bool) -> None:
    """Every missing cell of one part, seeds outermost."""
    wanted = [(*model, seed) for seed in range(1 if bench.quick else SEEDS) for model in MODELS]
    for model, augmentation, seed in (wanted[:1] if bench.quick else wanted)[part[0] - 1 :: part[1]]:
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
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({**about, "rows": found}) + "\n")
        temporary.replace(path)
        print(path.stem, f"{about['seconds']:.0f} s", flush=True)


def trained_in(bench: Bench, model: str, augmentation: str, seed: int) -> str:
    """The number format of a network's training, as its run says."""
    run = trained(bench, model, augmentation, seed).with_name("run.json")
    return str(json.loads(run.read_text(encoding="utf-8"))["machine"]["precision"])


def trained_already(bench: Bench, model: str, augmentation: str, seed: int) -> bool:
    """Whether the table's recipe has finished this network."""
    return (bench.work / "train" / f"{model}-{augmentation}-{seed}".replace(" ", "_") / "done").exists()


def summarise(bench: Bench, folder: Path, command: str) -> None:
    """The CSV of all rows, a table of means over seeds, and the curves."""
    files = sorted(folder.glob("*.json"))
    if not files:
        sys.exit(f"no cells in {folder}: run without --summarise first")
    results = folder.parent
    found = [json.loads(path.read_text()) for path in files]
    if {one["data_fingerprint"] for one in found} != {bench.fingerprint}:
        sys.exit(f"cells in {folder} were made from other pictures: delete them and run again")
    every = [row for one in found for row in one["rows"]]
    with (results / "robustness_surface.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(every)
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprint": bench.fingerprint,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(files),
        "cells_of_a_full_run": len(MODELS) * SEEDS,
        "seconds_of_all_cells": round(sum(one["seconds"] for one in found)),
    }
    (results / "robustness_surface.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (results / "robustness_surface.md").write_text("\n".join(markdown(every, about)) + "\n", encoding="utf-8")
    draw(every, results / "robustness_surface.png")
    print(f"written: {results / 'robustness_surface.md'}, {len(files)} cells of {len(MODELS) * SEEDS}")


def means(every: list[dict[str, Any]], column: str) -> dict[tuple[str, str], dict[tuple[str, float], list[float]]]:
    """(model, augmentation) -> (corruption, strength) -> the values over seeds, of all pictures together."""
    found: dict[tuple[str, str], dict[tuple[str, float], list[float]]] = {}
    for row in every:
        if row["source"] == "(all)":
            place = found.setdefault((row["model"], row["augmentation"]), {})
            place.setdefault((row["corruption"], row["strength"]), []).append(row[column])
    return found


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


def markdown(every: list[dict[str, Any]], about: dict[str, Any]) -> Iterator[str]:
    """AUC and turned verdicts of a few corruptions; the rest is in the CSV."""
    areas, flips = means(every, "auc"), means(every, "flip_share")
    shown = [one for one in SHOWN if all(one in cell for cell in areas.values())]
    yield "# When does a patch classifier stop working?"
    yield ""
    yield f"{about['cells']} networks of {about['cells_of_a_full_run']}; commit {about['commit']}, {about['date']}."
    yield "ROC AUC (share of verdicts that the corruption turns), means over seeds, and the AUCs' range over seeds."
    yield ""
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
    temporary = path.with_suffix(".tmp")
    drawing.savefig(temporary, dpi=90, format="png")
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/table"), help="the --work of table_generators")
    parser.add_argument("--part", default="1/1", help="which share of the cells, for instance 1/2")
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
    number, count = map(int, chosen.part.split("/"))
    if not chosen.summarise:
        run(bench, folder, (number, count), only_trained=chosen.only_trained)
    if chosen.summarise or chosen.quick:
        summarise(bench, folder, invocation())


if __name__ == "__main__":
    main()
