"""Which part of a face gives samples away, before and after equation 4, and to the classifier that recovered?

    python recipes/equation4_regions.py --data PATH_TO_SHARED_DATA --work runs/equation4
    python recipes/equation4_regions.py --data PATH_TO_SHARED_DATA --work runs/equation4 --quick    (no result written)

The paper repeats its figure 4 on a finetuned generator with the second classifier (section 4.4). Networks and samples
are those of `recipes/equation4.py` and its --work, which must have run. The surest patch of each test sample is
assigned to a part by the shipped face parser and the paper's rule, beside 20 patches drawn at random, for the first
classifier on samples before and after finetuning and for the second on those after.

A part is named where the exact test, corrected for the eleven parts (Holm), says in most seeds that chance does not
explain its share. All seeds look at samples of the same latents, so that they are not independent, and no test is made
over them together.

Every (classifier, seed) is one file in results/equation4_regions/; `--summarise` writes results/equation4_regions.csv,
.json and .md from those there are. Cost: about two minutes each on one core of a 2021 server CPU.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from equation4_contest import ARCHITECTURES, GENERATOR, SEEDS, Contest, asked_for, named, wanted
from result_files import keep, write_facts, write_page, write_table
from telltale.explain.face_parsing import SHIPPED, by_parser
from telltale.explain.face_parts import PARTS
from telltale.explain.regions import RegionRow, find_regions, region_rows
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

# Who judges, and which samples.
STUDIES = (("first", "before"), ("first", "after"), ("second", "after"))
LEVEL = 0.05


def study(bench: Contest, architecture: str, seed: int) -> dict[str, Any]:
    """The rows of one classifier, its successor, and the samples before and after."""
    begin = time.perf_counter()
    name = named("finetuned", architecture, seed)
    generators = {"before": bench.generator, "after": bench.work / "finetune" / name / f"{name}.safetensors"}
    found: dict[str, Any] = {"classifier": architecture, "seed": seed, "rows": {}, "omitted": {}, "weights_sha256": {}}
    for role, kind in STUDIES:
        weights = bench.work / "train" / named(role, architecture, seed) / "best.safetensors"
        for path in (weights, generators[kind]):
            if not path.is_file():
                sys.exit(f"no {path}: run recipes/equation4.py with this --work first")
        shown = bench.drawn(generators[kind], ("test",))
        regions = find_regions(load(weights), shown, by_parser(), draws=20, seed=0)
        if regions.failures:
            sys.exit(f"{len(regions.failures)} pictures cannot be used: {regions.failures[0].error}")
        found["rows"][f"{role} {kind}"] = [asdict(row) for row in region_rows(regions)]
        found["omitted"][f"{role} {kind}"] = len(regions.omissions)
        found["weights_sha256"][role] = file_hash(weights)
    return {
        **found,
        "parser_sha256": file_hash(SHIPPED),
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "command": invocation(),
        "machine": machine(),
    }


def lines(cells: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each classifier, seed, study and part."""
    for one in cells:
        for asked, rows in one["rows"].items():
            judge, samples = asked.split()
            for row in rows:
                part = RegionRow(**row)
                yield {
                    "classifier": one["classifier"],
                    "seed": one["seed"],
                    "judge": judge,
                    "samples": samples,
                    "part": part.part,
                    "n": part.n,
                    "share": round(part.share, 4),
                    "low": round(part.low, 4),
                    "high": round(part.high, 4),
                    "random_share": round(part.random_share, 4),
                    "p_holm": float(f"{part.p_holm:.3g}"),
                }


def together(rows: Sequence[dict[str, Any]], classifier: str, judge: str, samples: str) -> Iterator[dict[str, Any]]:
    """By part: means over seeds, and in how many of them chance does not explain the share, on which side."""
    for part in PARTS:
        mine = [
            row
            for row in rows
            if (row["classifier"], row["judge"], row["samples"], row["part"]) == (classifier, judge, samples, part)
        ]
        if not mine:
            continue
        named_in = [row["share"] - row["random_share"] for row in mine if row["p_holm"] < LEVEL]
        yield {
            "part": part,
            "share": float(np.mean([row["share"] for row in mine])),
            "random": float(np.mean([row["random_share"] for row in mine])),
            "above": sum(lead > 0 for lead in named_in),
            "below": sum(lead < 0 for lead in named_in),
            "seeds": len(mine),
        }


def markdown(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """For every classifier and study, the parts that chance does not explain."""
    counts = [row["n"] for row in rows]
    yield fill(
        "Share of surest patches in a part (of random patches), mean over seeds, for parts that lie above or below "
        f"chance in most seeds (exact test in each seed, Holm-corrected p < {LEVEL}); most above chance first. Of each "
        f"set of samples, those {min(counts)} to {max(counts)} in which the face parser sees a face.",
        118,
    )
    yield ""
    yield "| classifier | judge | samples | seeds | above chance | below chance |"
    yield "|---|---|---|---|---|---|"
    for classifier in dict.fromkeys(row["classifier"] for row in rows):
        for judge, samples in STUDIES:
            found = sorted(together(rows, classifier, judge, samples), key=lambda one: one["random"] - one["share"])
            sides = []
            for side in ("above", "below"):
                said = [one for one in found if 2 * one[side] > one["seeds"]]
                sides.append(", ".join(f"{one['part']} {one['share']:.0%} ({one['random']:.0%})" for one in said))
            seeds = found[0]["seeds"]
            yield f"| {classifier} | {judge} | {samples} finetuning | {seeds} | {sides[0] or '-'} | {sides[1] or '-'} |"


def summarise(bench: Contest, cells_at: Path) -> None:
    paths = [cells_at / f"{name}-{seed}.json" for name, seed in wanted(bench, 1 if bench.quick else SEEDS)]
    cells = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not cells:
        sys.exit(f"no cells in {cells_at}: run without --summarise first")
    cells.sort(key=lambda one: (ARCHITECTURES.index(one["classifier"]), one["seed"]))
    rows, results = list(lines(cells)), cells_at.parent
    write_table(results / "equation4_regions.csv", rows)
    write_page(results / "equation4_regions.md", markdown(rows))
    about = {
        "command": invocation(),
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] or "" for one in cells}),
        "date": time.strftime("%Y-%m-%d"),
        "machine": cells[0]["machine"],
        "parser_sha256": cells[0]["parser_sha256"],
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
        "omitted": {f"{one['classifier']}-{one['seed']}": one["omitted"] for one in cells},
        "missing": [path.stem for path in paths if not path.exists()],
    }
    write_facts(results / "equation4_regions.json", about)
    print(f"written: {results / 'equation4_regions.md'}, {len(about['missing'])} cells missing")


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], "equation4", [GENERATOR])
    cells_at = bench.cells.with_name("equation4_regions")
    if not chosen.summarise:
        for architecture, seed in wanted(bench, 1 if chosen.quick else SEEDS):
            path = cells_at / f"{architecture}-{seed}.json"
            if not path.exists():
                found = study(bench, architecture, seed)
                keep(path, found)
                print(path.stem, f"{found['seconds']} s", flush=True)
    if chosen.summarise or chosen.quick:
        summarise(bench, cells_at)


if __name__ == "__main__":
    main()
