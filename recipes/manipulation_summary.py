"""What the cells of `manipulation_cells.py` say together: a CSV of all rows, and tables with intervals.

No script: `table_manipulation.py` and `table_faceforensics.py` write their results with it.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from comparisons import AREA, Estimate, few
from manipulation_cells import Experiment, pools, rows
from manipulation_regions import ROUNDS, draw_regions, judged, seeds_drawn, tables, write_regions
from manipulation_tables import OVERALL, Cells, markdown, models_of, overall, seeds_of
from result_files import write_facts, write_page, write_table
from telltale.evaluate.resampling import on_draws, prepared, resampling
from telltale.learn.precision import machine
from telltale.provenance import commit

COLUMNS = ("model", "seed", "trained_on", "tested_on", "ap_fake", "auc", "pixel_auc", "iou")


def estimated(asked: Experiment, cells: Sequence[dict[str, Any]], figure: str) -> dict[str, Estimate]:
    """AUC or AP of one model that learned one manipulation: on each, over those it never saw, on the worst of all.

    Every round draws faces, each with all its manipulations, the same whatever the model, so that differences between
    two models are paired; and of n seeds n - 1, as `comparisons.py` says, for each model and what it learned apart.
    """
    tested = asked.bench.tested
    is_fake = np.array([bool(one.is_fake) for one in tested])
    how = resampling(is_fake, np.array([one.source for one in tested]), np.array([one.group for one in tested]))
    rounds = 50 if asked.bench.quick else ROUNDS
    parts = {
        (kind, run): (prepared(is_fake[places], np.array(found["scores"])[places]), places)
        for kind, places in pools(asked).items()
        for run, found in enumerate(cells)
    }
    drawn = on_draws(parts, how, rounds=rounds, seed=0)
    runs = seeds_drawn(f"{cells[0]['model']}, {cells[0]['trained_on']}", len(cells), rounds)
    found: dict[str, Estimate] = {}
    by_seed: dict[str, list[float]] = {}
    for kind in asked.kinds:
        each = np.array([drawn[kind, run][figure] for run in range(len(cells))])
        values = [row["auc" if figure == "auc" else "ap_fake"] for one in cells for row in rows(asked, one)
                  if row["tested_on"] == kind]  # fmt: skip
        again = each[runs, np.arange(rounds)[:, None]].mean(1)
        found[kind] = Estimate(float(np.mean(values)), np.asarray(again), few(values), AREA)
        by_seed[kind] = values
    unseen = [kind for kind in asked.kinds if kind != cells[0]["trained_on"]]
    over: dict[str, tuple[Sequence[str], Any]] = {
        "mean of unseen": (unseen, np.mean),
        "minimum": (asked.kinds, np.min),
    }
    for name, (kinds, taken) in over.items():
        value, draws = taken([found[kind].value for kind in kinds]), [found[kind].draws for kind in kinds]
        seeds = few(taken([by_seed[kind] for kind in kinds], axis=0))
        found[name] = Estimate(float(value), np.asarray(taken(draws, axis=0)), seeds, AREA)
    return found


def kept(asked: Experiment) -> tuple[Cells, list[str]]:
    """By model and what it learned the cells there are; and the names of those that are not."""
    found: Cells = {}
    missing = []
    for model, kind, seed in asked.wanted():
        path = asked.path_of(model, kind, seed)
        if not path.exists():
            missing.append(path.stem)
            continue
        one = json.loads(path.read_text())
        known = one["data_fingerprint"] in {asked.bench.fingerprint, *asked.makes}
        if not known or len(one["scores"]) != len(asked.bench.tested):
            sys.exit(f"{path} was made from other pictures: delete it and run again")
        found.setdefault((model, kind), []).append(one)
    if not found:
        sys.exit(f"no cells in {asked.bench.cells}: run without --summarise first")
    return found, missing


def complete(asked: Experiment, found: Cells) -> Cells:
    """Of each model only the seeds that have learned every manipulation: a mean over some of them is of those."""
    seeds = {
        model: set.intersection(*({one["seed"] for one in found.get((model, kind), [])} for kind in asked.learned))
        for model, _ in found
    }
    kept = {key: [one for one in cells if one["seed"] in seeds[key[0]]] for key, cells in found.items()}
    return {key: cells for key, cells in kept.items() if cells}


def summarise(asked: Experiment, title: str, command: str) -> None:
    """The CSV of all rows, and the tables people read."""
    found, missing = kept(asked)
    results = asked.bench.cells.parent
    every = (row for cells in found.values() for one in cells for row in rows(asked, one))
    write_table(results / f"{asked.name}.csv", every, COLUMNS)
    whole = complete(asked, found)
    figures = ("auc", "ap_fake")
    estimates = {figure: {key: estimated(asked, cells, figure) for key, cells in found.items()} for figure in figures}
    of_whole = {
        figure: {
            key: estimates[figure][key] if len(cells) == len(found[key]) else estimated(asked, cells, figure)
            for key, cells in whole.items()
        }
        for figure in figures
    }
    cells = [one for several in found.values() for one in several]
    about = {
        "command": command,
        "commands_of_cells": sorted({one["command"] for one in cells}),
        "commit": commit(),
        "commits_of_cells": sorted({str(one["commit"]) for one in cells}),
        "data_fingerprint": asked.bench.fingerprint,
        "cells_by_data_fingerprint": dict(sorted(Counter(one["data_fingerprint"] for one in cells).items())),
        "machine": machine(),
        "machines_of_cells": sorted({one["machine"] for one in cells}),
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(cells),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
        "tested": {kind: int(places.size) for kind, places in pools(asked).items()},
        **{
            figure: {
                f"{model}, trained on {kind}": {
                    "seeds": len(found[model, kind]),
                    **{name: one.rounded() for name, one in parts.items()},
                }
                for (model, kind), parts in several.items()
            }
            for figure, several in estimates.items()
        },
        "complete": {
            model: {
                "seeds": seeds_of(whole, model),
                **{
                    figure: dict(zip(OVERALL, (one.rounded() for one in overall(several, model)), strict=True))
                    for figure, several in of_whole.items()
                },
            }
            for model in models_of(whole)
        },
    }
    write_facts(results / f"{asked.name}.json", about)
    known = [one for several in complete(asked, with_regions(asked, found)).values() for one in several]
    parts = judged(asked, known)
    if any("regions" in one for one in cells):
        write_regions(cells, results / f"{asked.name}_regions.csv")
    if parts:
        draw_regions(asked, parts, results / f"{asked.name}_regions.png")
    lines = [f"# {title}", "", *markdown(asked, about, estimates["auc"], of_whole, found, whole)]
    if parts:
        left_out = sorted({one["model"] for one in known} - {one["model"] for one in parts})
        lines += ["", *tables(asked, parts, left_out)]
    write_page(results / f"{asked.name}.md", lines)
    print(f"written: {results / f'{asked.name}.md'}, {len(missing)} cells missing")


def with_regions(asked: Experiment, found: Cells) -> Cells:
    """The cells that know the parts of untouched faces."""
    return {
        key: mine
        for key, cells in found.items()
        if (mine := [one for one in cells if asked.real in one.get("regions", {})])
    }
