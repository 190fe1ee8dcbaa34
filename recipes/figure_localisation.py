"""Do heatmaps find the pixels that a generator made? Pixel AUC, IoU and pointing game by depth of truncation.

    python recipes/figure_localisation.py --data PATH_TO_SHARED_DATA --networks runs/table/train
    python recipes/figure_localisation.py --data PATH_TO_SHARED_DATA --quick                     (no result written)

The pictures are those of `recipes/composites.py`: real faces of which one region was made anew by an autoencoder
(taef2), by an upsampler (srgan_x4), comes from a generated face (stylegan2) or, as a control, from another real face.
The networks are the truncated ones that `recipes/table_generators.py` trained (StyleGAN2 against three sources of
reals, whole pictures, no masks, one seed), and the shipped detector. Nothing was trained or tuned for this task.

A figure means little without three others beside it, which the result holds:

- `untouched_auc`: the same masks laid on the heatmap of the same face before anything was replaced. A network that is
  warmer in the middle of every picture scores well on masks in the middle; only the `gain` over this is evidence.
- the control `real`: what a seam alone, or another camera's pixels, do.
- `chance`: the mean share of the mask, which pointing at random hits, and which is the IoU of calling everything fake.

IoU counts pixels with P(fake) >= 0.5 as called. `best_iou` takes the one threshold that suits these very pictures best:
an upper bound. Heatmaps are placed in both ways of `telltale explain heatmap`: averaged over all patches that see a
pixel, which no field larger than the region survives, and by the nearest patch. Intervals are bootstraps over
originals, with all composites of one original drawn together.

Every (model, side) is one file in results/localisation/; a rerun computes only what is missing. Cost: 11 networks at
128 px and 6 at 256 px, 1,140 pictures, 1 to 2 minutes a cell and 3 to 5, on one core of a 2021 server CPU. Then:

    python recipes/figure_localisation.py --data PATH_TO_SHARED_DATA --summarise

writes results/localisation.csv, .json, .md and .png from the cells there are.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from composites import CONTROL, ORIGINALS, REGIONS, SOURCES, UNTOUCHED, Composite, composites, fingerprint, mask_of
from result_files import write_facts, write_figure, write_page, write_table
from telltale import load as load_shipped
from telltale.detector import Detector
from telltale.errors import require
from telltale.evaluate.resampling import interval
from telltale.explain.heatmaps import Heatmap
from telltale.explain.localisation import FIGURES, Location, draws_over, figures, heat_on_picture, locate
from telltale.explain.masks import read_mask
from telltale.explain.placement import Placement
from telltale.image import decode
from telltale.learn.checkpoint import load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = "telltale-faces"
# Xception by depth, its two controls of field and parameters, ResNet-18 by depth; the shipped detector is a block2.
MODELS = (
    *(f"xception_block{depth}" for depth in range(1, 6)),
    "xception_block2_dilated",
    "xception_block4_pointwise",
    *(f"resnet18_layer{depth}" for depth in range(1, 4)),
    SHIPPED,
)
# At 256 px the chain of depths only: four times the pixels, four times the time.
SIDES = {128: MODELS, 256: (*MODELS[:5], SHIPPED)}
PLACEMENTS: tuple[Placement, ...] = ("mean", "nearest")
ALL = "(all)"
ROUNDS = 1000
# With an interval each.
SPANNED = ("pixel_auc", "gain", "iou", "pointing")
COLUMNS = (
    "model",
    "field",
    "side",
    "placement",
    "source",
    "origin",
    "region",
    "n",
    *(f"{name}{end}" for name in SPANNED for end in ("", "_low", "_high")),
    "untouched_auc",
    "mean_auc",
    "best_iou",
    "chance",
    "called",
    "untouched_called",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A composite's location, and that of its mask on the untouched original, by the same placement."""

    composite: Composite
    placement: Placement
    made: Location
    plain: Location


def pairs(detector: Detector, found: Sequence[Composite]) -> Iterator[Pair]:
    """Every composite under every placement."""
    paths = {one.group: one.path for one in found if one.source == UNTOUCHED}
    group, before = "", {}
    for one in found:
        if one.source == UNTOUCHED:
            continue
        if one.group != group:
            group, before = one.group, heats(detector, paths[one.group])
        after = heats(detector, one.path)
        for placement, heat in after.items():
            mask = read_mask(mask_of(one), (heat.shape[0], heat.shape[1]))
            made, plain = locate(heat, mask), locate(before[placement], mask)
            yield Pair(composite=one, placement=placement, made=made, plain=plain)


def heats(detector: Detector, path: Path) -> dict[Placement, Heatmap]:
    """P(fake) at each pixel of a picture, by each placement."""
    pixels = decode(path)
    said, shape = detector(pixels), (pixels.shape[0], pixels.shape[1])
    return {placement: heat_on_picture(said, detector, shape, placement=placement) for placement in PLACEMENTS}


def slices() -> Iterator[tuple[str, str, str]]:
    """(source, origin, region) of every row."""
    for source in SOURCES:
        yield source, ALL, ALL
        yield from ((source, origin, ALL) for origin in ORIGINALS)
        yield from ((source, ALL, region) for region in REGIONS)


def rows(detector: Detector, model: str, side: int, found: Sequence[Composite]) -> Iterator[dict[str, Any]]:
    """Every slice of one network at one size."""
    assert detector.spec.grid is not None
    every = list(pairs(detector, found))
    about = {"model": model, "field": detector.spec.grid.size, "side": side}
    for placement in PLACEMENTS:
        for source, origin, region in slices():
            mine = [
                pair
                for pair in every
                if (pair.placement, pair.composite.source) == (placement, source)
                and origin in (ALL, pair.composite.origin)
                and region in (ALL, pair.composite.region)
            ]
            if mine:
                kind = {"placement": placement, "source": source, "origin": origin, "region": region}
                yield {**about, **kind, "n": len(mine), **measured(mine)}


def measured(mine: Sequence[Pair]) -> dict[str, float]:
    """Figures of composites, of the originals under the same masks, and their paired difference."""
    made, plain = [pair.made for pair in mine], [pair.plain for pair in mine]
    how = draws_over(np.array([pair.composite.group for pair in mine]))
    counts = [np.ones((1, len(mine))), *how.draws(ROUNDS, 0)]
    drawn, before = ([figures(locations, part) for part in counts] for locations in (made, plain))
    values = {name: np.concatenate([part[name] for part in drawn]) for name in FIGURES}
    untouched = {name: np.concatenate([part[name] for part in before]) for name in FIGURES}
    values["gain"] = values["pixel_auc"] - untouched["pixel_auc"]
    found = {name: float(values[name][0]) for name in ("mean_auc", "best_iou", "chance", "called")}
    for name in SPANNED:
        estimate = interval(float(values[name][0]), values[name][1:])
        found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    found["untouched_auc"] = float(untouched["pixel_auc"][0])
    found["untouched_called"] = float(untouched["called"][0])
    return {name: round(value, 4) for name, value in found.items()}


def network(model: str, networks: Path) -> Detector | None:
    """The shipped detector, or a trained network; None where it has not been trained."""
    if model == SHIPPED:
        return load_shipped(SHIPPED, threads=1)
    weights = networks / f"{model}-none-0" / "best.safetensors"
    return load(weights) if (weights.parent / "done").exists() else None


def run(data: Path, work: Path, networks: Path, folder: Path, *, quick: bool) -> None:
    """Every missing cell."""
    for side, models in {128: (SHIPPED,)}.items() if quick else SIDES.items():
        found = composites(data, work / f"composites-{side}", side=side, quick=quick)
        mark = fingerprint(found)
        for model in models:
            path = folder / f"{model}-{side}.json"
            detector = None if path.exists() else network(model, networks)
            if detector is None:
                print(path.stem, "is there" if path.exists() else f"left out: not trained in {networks}", flush=True)
                continue
            begin = time.perf_counter()
            lines = list(rows(detector, model, side, found))
            about = {
                "data_fingerprint": mark,
                "weights_sha256": detector.sha256,
                "commit": commit(),
                "machine": machine(),
                "seconds": round(time.perf_counter() - begin),
            }
            write_facts(path, {**about, "rows": lines})
            print(path.stem, f"{about['seconds']} s", *(said(row) for row in lines if is_whole(row)), flush=True)


def is_whole(row: dict[str, Any]) -> bool:
    """Whether a row is over all originals and regions."""
    return bool(row["origin"] == row["region"] == ALL)


def said(row: dict[str, Any]) -> str:
    return f"{row['placement']} {row['source']} {row['pixel_auc']:.2f} ({row['gain']:+.2f})"


def summarise(folder: Path, command: str) -> None:
    """The CSV of all rows, a table for people, and bars by depth."""
    files = [
        path for side, models in SIDES.items() for model in models if (path := folder / f"{model}-{side}.json").exists()
    ]
    if not files:
        sys.exit(f"no cells in {folder}: run without --summarise first")
    found = [json.loads(path.read_text()) for path in files]
    every = [row for one in found for row in one["rows"]]
    marks = {side: {one["data_fingerprint"] for one in found if one["rows"][0]["side"] == side} for side in SIDES}
    if any(len(mark) > 1 for mark in marks.values()):
        sys.exit(f"cells in {folder} were made from different pictures: delete them and run again")
    out = folder.parent
    write_table(out / "localisation.csv", every, COLUMNS)
    about = {
        "command": command,
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] for one in found}),
        "data_fingerprint": {str(side): next(iter(mark)) for side, mark in marks.items() if mark},
        "weights_sha256": {path.stem: one["weights_sha256"] for path, one in zip(files, found, strict=True)},
        "machine": found[0]["machine"],
        "date": time.strftime("%Y-%m-%d"),
        "threshold": 0.5,
        "bootstrap_rounds": ROUNDS,
        "cells": len(files),
        "cells_of_a_full_run": sum(map(len, SIDES.values())),
        "seconds_of_all_cells": sum(one["seconds"] for one in found),
    }
    write_facts(out / "localisation.json", about)
    write_page(out / "localisation.md", markdown(every, about))
    draw([row for row in every if is_whole(row)], out / "localisation.png")
    print(f"written: {out / 'localisation.md'}, {len(files)} cells of {about['cells_of_a_full_run']}")


def span(row: dict[str, Any], name: str, sign: str = "") -> str:
    return f"{row[name]:{sign}.2f} ({row[f'{name}_low']:{sign}.2f} to {row[f'{name}_high']:{sign}.2f})"


def views(every: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """Each size with each placement."""
    return sorted({(row["side"], row["placement"]) for row in every})


def markdown(every: Sequence[dict[str, Any]], about: dict[str, Any]) -> Iterator[str]:
    """A table for each size and placement, one line for each network and source."""
    yield "# Do heatmaps find what a generator made?"
    yield ""
    yield f"{about['cells']} cells of {about['cells_of_a_full_run']}; commit {about['commit']}, {about['date']}."
    yield ""
    yield "Composites of test faces with one region by another; networks trained on whole generated pictures, one seed."
    yield "95 % bootstrap intervals over originals. AUC: all pixels together, chance 0.5; untouched: the same masks on"
    yield "the same faces before the change; gain: the difference, paired. IoU at P(fake) >= 0.5; best: at the one"
    yield "threshold that suits these pictures best. Chance: what pointing at random hits, and the IoU of calling"
    yield "everything fake. `real` is the control: the region comes from another real face."
    yield "Placement: mean, a pixel averages all patches that see it; nearest, it has the value of the nearest patch."
    yield "Mean shows nothing finer than a field: one of 187 px on a picture of 128 px is nearly flat by itself."
    for side, placement in views(every):
        yield ""
        yield f"## {side} px, {placement}"
        yield ""
        yield "| model | field, px | source | n | pixel AUC | untouched | gain | IoU | best IoU | pointing | chance |"
        yield "|---|---|---|---|---|---|---|---|---|---|---|"
        for row in every:
            if (row["side"], row["placement"]) == (side, placement) and is_whole(row):
                yield (
                    f"| {row['model']} | {row['field']} | {row['source']} | {row['n']} | {span(row, 'pixel_auc')} "
                    f"| {row['untouched_auc']:.2f} | {span(row, 'gain', '+')} | {span(row, 'iou')} "
                    f"| {row['best_iou']:.2f} | {span(row, 'pointing')} | {row['chance']:.2f} |"
                )


PANELS = (
    ("pixel_auc", "pixel AUC (– the same faces, untouched)", "untouched_auc"),
    ("iou", "IoU at P(fake) ≥ 0.5 (– all called fake)", "chance"),
    ("pointing", "pointing game (– at random)", "chance"),
)


def draw(whole: Sequence[dict[str, Any]], path: Path) -> None:
    """Bars by depth with intervals, a dash at what no evidence gives; a row for each size and placement."""
    lines = views(whole)
    drawing = require("matplotlib.figure", "evaluate").Figure(figsize=(16, 4.6 * len(lines)), layout="constrained")
    panels = drawing.subplots(len(lines), len(PANELS), squeeze=False)
    colours = dict(zip(SOURCES, ("#4477aa", "#66ccee", "#cc3311", "#999999"), strict=True))
    for line, view in zip(panels, lines, strict=True):
        here = [row for row in whole if (row["side"], row["placement"]) == view]
        names = list(dict.fromkeys((row["model"], row["field"]) for row in here))
        for panel, (name, title, chance) in zip(line, PANELS, strict=True):
            for number, source in enumerate(SOURCES):
                mine = [row for row in here if row["source"] == source]
                places = np.array([names.index((row["model"], row["field"])) for row in mine]) + 0.2 * number - 0.3
                values = np.array([row[name] for row in mine])
                ends = np.array([[row[name] - row[f"{name}_low"], row[f"{name}_high"] - row[name]] for row in mine])
                label = source + (" (control)" if source == CONTROL else "")
                bars = {"yerr": np.maximum(ends.T, 0), "error_kw": {"linewidth": 0.7}}
                panel.bar(places, values, 0.19, color=colours[source], label=label, **bars)
                panel.hlines([row[chance] for row in mine], places - 0.1, places + 0.1, "black", linewidth=1.2)
            panel.set_xticks(range(len(names)), [f"{model}\n{field} px" for model, field in names], fontsize=7)
            panel.tick_params("x", rotation=60)
            panel.set_title(f"{title}, {view[0]} px, {view[1]}", fontsize=10)
            if name == "pixel_auc":
                panel.set_ylim(0.3, 1.0)
                panel.axhline(0.5, color="black", linewidth=0.5)
    handles, labels = panels[0][0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=len(SOURCES), frameon=False)
    write_figure(path, drawing, 90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/localisation"), help="where the composites go")
    parser.add_argument(
        "--networks", type=Path, default=Path("runs/table/train"), help="the train/ in the --work of table_generators"
    )
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="four originals, the shipped detector; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    folder = (work if chosen.quick else ROOT / "results") / "localisation"
    if not chosen.summarise:
        run(chosen.data, work, chosen.networks, folder, quick=chosen.quick)
    if chosen.summarise or chosen.quick:
        summarise(folder, invocation())


if __name__ == "__main__":
    main()
