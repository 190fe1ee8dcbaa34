"""What the cells of `manipulation_cells.py` say together: a CSV of all rows, and tables with intervals.

No script: `table_manipulation.py` and `table_faceforensics.py` write their results with it.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any
from zlib import crc32

import numpy as np

from comparisons import Estimate
from manipulation_cells import Experiment, pools, rows
from result_files import write_facts, write_figure, write_page, write_table
from telltale.errors import require
from telltale.evaluate.resampling import on_draws, prepared, resampling
from telltale.explain.face_parts import PARTS
from telltale.learn.precision import machine
from telltale.provenance import commit
from write_docs import spread

COLUMNS = ("model", "seed", "trained_on", "tested_on", "ap_fake", "auc", "pixel_auc", "iou")
ROUNDS = 500


def estimated(asked: Experiment, cells: Sequence[dict[str, Any]], figure: str) -> dict[str, Estimate]:
    """AUC or AP of one model that learned one manipulation: on each, over those it never saw, on the worst of all.

    Every round draws faces, each with all its manipulations, the same whatever the model, so that differences between
    two models are paired; and of n runs n - 1, for each model its own, as `comparisons.py` says.
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
    own = np.random.default_rng(crc32(cells[0]["model"].encode()))
    runs = own.integers(len(cells), size=(rounds, max(1, len(cells) - 1)))
    found = {}
    for kind in asked.kinds:
        each = np.array([drawn[kind, run][figure] for run in range(len(cells))])
        values = [row["auc" if figure == "auc" else "ap_fake"] for one in cells for row in rows(asked, one)
                  if row["tested_on"] == kind]  # fmt: skip
        found[kind] = Estimate(float(np.mean(values)), np.asarray(each[runs, np.arange(rounds)[:, None]].mean(1)))
    others = [one for kind, one in found.items() if kind != cells[0]["trained_on"]]
    found["mean of unseen"] = Estimate(
        float(np.mean([one.value for one in others])), np.asarray(np.mean([one.draws for one in others], axis=0))
    )
    every = [found[kind] for kind in asked.kinds]
    found["minimum"] = Estimate(
        min(one.value for one in every), np.asarray(np.min([one.draws for one in every], axis=0))
    )
    return found


def kept(asked: Experiment) -> tuple[dict[tuple[str, str], list[dict[str, Any]]], list[str]]:
    """By model and what it learned the cells there are; and the names of those that are not."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
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


def summarise(asked: Experiment, title: str, command: str) -> None:
    """The CSV of all rows, and the tables people read."""
    found, missing = kept(asked)
    results = asked.bench.cells.parent
    every = (row for cells in found.values() for one in cells for row in rows(asked, one))
    write_table(results / f"{asked.name}.csv", every, COLUMNS)
    estimates = {
        figure: {key: estimated(asked, cells, figure) for key, cells in found.items()} for figure in ("auc", "ap_fake")
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
                    **{
                        name: [round(one.value, 4), *(round(x, 4) for x in one.interval)] for name, one in parts.items()
                    },
                }
                for (model, kind), parts in several.items()
            }
            for figure, several in estimates.items()
        },
    }
    write_facts(results / f"{asked.name}.json", about)
    if any("regions" in one for one in cells):
        write_regions(cells, results / f"{asked.name}_regions.csv")
        draw_regions(asked, cells, results / f"{asked.name}_regions.png")
    lines = [f"# {title}", "", *markdown(asked, about, estimates, found)]
    write_page(results / f"{asked.name}.md", lines)
    print(f"written: {results / f'{asked.name}.md'}, {len(missing)} cells missing")


Estimates = dict[tuple[str, str], dict[str, Estimate]]
Cells = dict[tuple[str, str], list[dict[str, Any]]]


def markdown(asked: Experiment, about: dict[str, Any], estimates: dict[str, Estimates], found: Cells) -> Iterator[str]:
    """All tables: the transfer of all models, AUC by what was learned, localisation, parts of the face."""
    yield f"{about['cells']} runs, {len(about['missing'])} missing; commit {about['commit']}, {about['date']}."
    if len(makes := about["cells_by_data_fingerprint"]) > 1:
        yield ""
        counts = ", ".join(
            f"{count} cells on those of {asked.makes.get(mark, 'another')}" for mark, count in makes.items()
        )
        yield fill(f"The pictures were made by several kinds of processor, whose rounding differs: {counts}.", 118)
        yield ""
    yield "Mean over seeds [95 % bootstrap over seeds and faces]; fake positive; chance is 0.5."
    yield ""
    yield from transfer(estimates, found)
    if len({is_truncated(model) for model, _ in found}) == 2:
        yield ""
        yield from differences(estimates["auc"], found)
    for kind in asked.learned:
        mine = {model: parts for (model, learned), parts in estimates["auc"].items() if learned == kind}
        if mine:
            names = [*asked.kinds, "mean of unseen", "minimum"]
            yield ""
            yield f"AUC of networks that learned **{kind}**, by what they are tested on:"
            yield ""
            yield f"| model | seeds | {' | '.join(names)} |"
            yield "|---|---|" + "---|" * len(names)
            for model, parts in mine.items():
                yield f"| {model} | {len(found[model, kind])} | {' | '.join(str(parts[name]) for name in names)} |"
    cells = [one for several in found.values() for one in several]
    if any("localisation" in one for one in cells):
        yield ""
        yield from localised(asked, cells)
    if any("regions" in one for one in cells):
        yield ""
        yield from parts_of_faces(asked, cells)


def transfer(estimates: dict[str, Estimates], found: Cells) -> Iterator[str]:
    """One line a model: the manipulation it learned, those it did not, and the worst pair, over all that it learned."""
    yield "Over all manipulations learned. The minimum is that of the worst pair of learned and tested; each round of"
    yield "the bootstrap has a worst pair of its own, so that its interval lies low; AP rises where a picture is drawn"
    yield "twice, so that its intervals lie high: judge by AUC."
    yield ""
    yield "| model | runs | AUC, learned | AUC, unseen | AUC, minimum | AP, learned | AP, unseen | AP, minimum |"
    yield "|---|---|---|---|---|---|---|---|"
    for model in dict.fromkeys(model for model, _ in found):
        cells = [str(one) for figure in ("auc", "ap_fake") for one in overall(estimates[figure], model)]
        runs = sum(len(several) for (name, _), several in found.items() if name == model)
        yield f"| {model} | {runs} | {' | '.join(cells)} |"


def overall(estimates: Estimates, model: str) -> tuple[Estimate, Estimate, Estimate]:
    """Of one model over all that it learned: the mean where tested on that, the mean elsewhere, the worst pair."""
    mine = {kind: parts for (name, kind), parts in estimates.items() if name == model}

    def over(names: Sequence[str], how: Any) -> Estimate:
        each = [parts[name] for parts, name in zip(mine.values(), names, strict=True)]
        values, draws = [one.value for one in each], np.array([one.draws for one in each])
        return Estimate(float(how(values)), np.asarray(how(draws, axis=0)))

    count = len(mine)
    return over(list(mine), np.mean), over(["mean of unseen"] * count, np.mean), over(["minimum"] * count, np.min)


def differences(estimates: Estimates, found: Cells) -> Iterator[str]:
    """Each truncation against each whole-image baseline that learned the same manipulations: AUC on unseen ones."""
    models = dict.fromkeys(model for model, _ in found)
    learned = {model: {kind for name, kind in found if name == model} for model in models}
    whole = [model for model in models if not is_truncated(model)]
    yield "AUC on unseen manipulations, truncation minus whole-image baseline, paired over faces; an interval without 0"
    yield "is a difference:"
    yield ""
    yield f"| model | {' | '.join(f'against {one}' for one in whole)} |"
    yield "|---|" + "---|" * len(whole)
    for model in (one for one in models if is_truncated(one)):
        cells = [
            (overall(estimates, model)[1] - overall(estimates, other)[1]).signed
            if learned[model] == learned[other]
            else "-"
            for other in whole
        ]
        yield f"| {model} | {' | '.join(cells)} |"


def is_truncated(model: str) -> bool:
    """Whether it has patches: `xception_block2`, and not `xception`."""
    return "_block" in model or "_layer" in model


def localised(asked: Experiment, cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Do heatmaps find the changed pixels? By model and tested manipulation, learned and unseen apart."""
    yield "Pixel AUC of heatmaps against the truth masks, mean over runs \u00b1 95 % (Student's t over seeds, each seed"
    yield "the mean over what was learned), and in brackets what the same masks give on the untouched faces; IoU of the"
    yield "pixels with P(fake) >= 0.5, and in brackets that of calling every pixel fake. Whole-image baselines have no"
    yield "patches."
    yield ""
    yield "| model | tested on | pixel AUC, learned | pixel AUC, unseen | IoU, learned | IoU, unseen |"
    yield "|---|---|---|---|---|---|"
    for model in dict.fromkeys(one["model"] for one in cells if "localisation" in one):
        for kind in asked.kinds:
            shown = {}
            for name, beside in (("pixel_auc", "untouched_auc"), ("iou", "chance")):
                for is_learned in (True, False):
                    by_seed: dict[int, list[dict[str, float]]] = {}
                    for one in cells:
                        if one["model"] == model and (one["trained_on"] == kind) is is_learned:
                            by_seed.setdefault(one["seed"], []).append(one["localisation"][kind])
                    values = [float(np.mean([w[name] for w in several])) for several in by_seed.values()]
                    others = [w[beside] for several in by_seed.values() for w in several]
                    shown[name, is_learned] = f"{over_seeds(values)} ({np.mean(others):.2f})" if values else "-"
            yield f"| {model} | {kind} | {' | '.join(shown.values())} |"


def over_seeds(values: Sequence[float]) -> str:
    """The mean, and its interval where there is more than one."""
    return str(spread(list(values))) if len(values) > 1 else f"{values[0]:.2f}"


def parts_of_faces(asked: Experiment, cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Where surest patches lie: the part most above chance, and how often that is the mouth."""
    yield "Parts of the face that hold the surest patch of manipulated test pictures, over all runs; in brackets the"
    yield "share of random patches of the same pictures. First: the part that exceeds its random share most. The last"
    yield "column counts the runs whose first part is the mouth, and those in which chance does not explain the mouth's"
    yield "excess (exact test, Holm-corrected p < 0.05)."
    yield ""
    yield "| model | tested on | runs | first | second | mouth | mouth first, and beyond chance |"
    yield "|---|---|---|---|---|---|---|"
    mouth = PARTS.index("mouth")
    for model in dict.fromkeys(one["model"] for one in cells if "regions" in one):
        for kind in asked.kinds:
            mine = [one["regions"][kind] for one in cells if one["model"] == model and kind in one["regions"]]
            top, random = (np.array([np.array(one[name]) / one["n"] for one in mine]) for name in ("top", "random"))
            excess = top - random
            order = np.argsort(-excess.mean(0), kind="stable")
            said = [f"{PARTS[i]} {top[:, i].mean():.0%} ({random[:, i].mean():.0%})" for i in (*order[:2], mouth)]
            first = int((excess.argmax(1) == mouth).sum())
            sure = sum(one["p_holm"][mouth] < 0.05 and gap[mouth] > 0 for one, gap in zip(mine, excess, strict=True))
            yield f"| {model} | {kind} | {len(mine)} | {' | '.join(said)} | {first}, {sure} of {len(mine)} |"


def write_regions(cells: Sequence[dict[str, Any]], path: Path) -> None:
    """The counts of every part, run by run."""
    table = (
        {
            **{name: one[name] for name in ("model", "seed", "trained_on")},
            "tested_on": kind,
            "part": part,
            "n": said["n"],
            "top_count": top,
            "random_count": random,
            "p_holm": p_holm,
        }
        for one in cells
        for kind, said in one.get("regions", {}).items()
        for part, top, random, p_holm in zip(PARTS, said["top"], said["random"], said["p_holm"], strict=True)
    )
    write_table(path, table)


def draw_regions(asked: Experiment, cells: Sequence[dict[str, Any]], path: Path) -> None:
    """Bars of the share of surest patches in each part, by model; a dash where random patches lie."""
    models = list(dict.fromkeys(one["model"] for one in cells if "regions" in one))
    drawing = require("matplotlib.figure", "evaluate").Figure(
        figsize=(11, 2.4 * len(asked.kinds)), layout="constrained"
    )
    panels = drawing.subplots(len(asked.kinds), 1, squeeze=False, sharex=True)[:, 0]
    width = 0.8 / len(models)
    for panel, kind in zip(panels, asked.kinds, strict=True):
        for number, model in enumerate(models):
            mine = [one["regions"][kind] for one in cells if one["model"] == model and kind in one["regions"]]
            top, random = (np.mean([np.array(one[name]) / one["n"] for one in mine], 0) for name in ("top", "random"))
            places = np.arange(len(PARTS)) + width * (number + 0.5) - 0.4
            panel.bar(places, top, 0.95 * width, label=model)
            panel.hlines(random, places - width / 2, places + width / 2, "black", linewidth=1.2)
        panel.set_title(f"tested on {kind}", fontsize=9)
        panel.set_ylabel("share", fontsize=8)
    panels[-1].set_xticks(range(len(PARTS)), PARTS, fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=min(5, len(models)), frameon=False, fontsize=8)
    write_figure(path, drawing, 80)
