"""What the folds of films say together: a CSV of all rows, and the tables people read.

No script: `manipulated_videos.py` writes its results with it.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from manipulated import MANIPULATIONS
from manipulation_cells import Experiment, rows
from manipulation_summary import COLUMNS
from result_files import write_facts, write_page, write_table
from telltale.learn.precision import machine
from telltale.provenance import commit


def summarise(asked: Sequence[Experiment], wanted: Sequence[tuple[str, str, int]], command: str) -> None:
    """The CSV of all rows (the seed is the fold), and the table people read.

    Args:
        asked: an experiment for each fold.
        wanted: (model, learned, fold) of every cell.
        command: that writes them.
    """
    found, missing = [], []
    for model, kind, fold in wanted:
        path = asked[fold].path_of(model, kind, fold)
        if not path.exists():
            missing.append(path.stem)
            continue
        one = json.loads(path.read_text())
        if one["data_fingerprint"] != asked[fold].bench.fingerprint:
            sys.exit(f"{path} was made from other films: delete it and run again")
        found.append(one)
    if not found:
        sys.exit(f"no cells in {asked[0].bench.cells}: run without --summarise first")
    table = [row for one in found for row in rows(asked[one["seed"]], one)]
    results = asked[0].bench.cells.parent
    write_table(results / f"{asked[0].name}.csv", table, COLUMNS)
    about = {
        "command": command,
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] for one in found}),
        "data_fingerprint": asked[0].bench.fingerprint,
        "machine": machine(),
        "machines_of_cells": sorted({one["machine"] for one in found}),
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(found),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in found),
        "frames": {
            str(fold): sum(not sample.is_fake for sample in asked[fold].bench.tested)
            for fold in sorted({one["seed"] for one in found})
        },
    }
    write_facts(results / f"{asked[0].name}.json", about)
    write_page(results / f"{asked[0].name}.md", markdown(about, table, found))
    print(f"written: {results / asked[0].name}.md, {len(missing)} cells missing")


def markdown(about: dict[str, Any], table: Sequence[dict[str, Any]], cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """AUC by what was learned and tested, and where the heatmaps are warm."""
    yield "# Our manipulations of films: trained on one, tested on all, on films nobody learned"
    yield ""
    yield f"{about['cells']} runs, {len(about['missing'])} missing; {sum(about['frames'].values())} untouched frames of"
    yield f"{2 * len(about['frames'])} films; commit {about['commit']}, {about['date']}. AUC of single frames, fake"
    yield "positive: mean over folds, in brackets the lowest and the highest. Chance is 0.5. Bold: what was learned."
    yield ""
    yield f"| model | learned | folds | {' | '.join(MANIPULATIONS)} | mean of unseen |"
    yield "|---|---|---|" + "---|" * (len(MANIPULATIONS) + 1)
    learned = list(dict.fromkeys((row["model"], row["trained_on"]) for row in table))
    for model, kind in learned:
        mine = [row for row in table if (row["model"], row["trained_on"]) == (model, kind)]
        unseen = [row for row in mine if row["tested_on"] != kind]
        folds = sorted({row["seed"] for row in mine})
        means = [np.mean([row["auc"] for row in unseen if row["seed"] == fold]) for fold in folds]
        shown = [_spread([row["auc"] for row in mine if row["tested_on"] == one]) for one in MANIPULATIONS]
        shown = [f"**{text}**" if one == kind else text for one, text in zip(MANIPULATIONS, shown, strict=True)]
        yield f"| {model} | {kind} | {len(folds)} | {' | '.join(shown)} | {_spread(means)} |"
    located = [one for one in cells if "localisation" in one]
    if located:
        yield ""
        yield "Pixel AUC of heatmaps on the truth masks, mean of folds; its gain over the same masks on the untouched"
        yield "frames, in brackets the lowest and the highest fold; and IoU of pixels with P(fake) of 0.5 or more, in"
        yield "brackets that of calling every pixel fake:"
        yield ""
        yield f"| model | learned | figure | {' | '.join(MANIPULATIONS)} |"
        yield "|---|---|---|" + "---|" * len(MANIPULATIONS)
        for model, kind in dict.fromkeys((one["model"], one["trained_on"]) for one in located):
            heat = [one["localisation"] for one in located if (one["model"], one["trained_on"]) == (model, kind)]
            area, plain, overlap, everything = (
                np.array([[one[tested][name] for one in heat] for tested in MANIPULATIONS])
                for name in ("pixel_auc", "untouched_auc", "iou", "chance")
            )
            pairs = zip(overlap.mean(axis=1), everything.mean(axis=1), strict=True)
            for figure, shown in (
                ("pixel AUC", [f"{one:.2f}" for one in area.mean(axis=1)]),
                ("gain", [_spread(list(gains)) for gains in area - plain]),
                ("IoU", [f"{one:.2f} ({every:.2f})" for one, every in pairs]),
            ):
                yield f"| {model} | {kind} | {figure} | {' | '.join(shown)} |"


def _spread(values: Sequence[Any]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
