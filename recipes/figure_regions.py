"""Which part of a face gives a picture away? The paper's figure 4, with intervals and an exact test.

    python recipes/figure_regions.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/figure_regions.py --data PATH_TO_SHARED_DATA --work runs/table --quick       (no result written)

The networks are truncations of `recipes/table_generators.py` (StyleGAN2 against three sources of reals, 128-px PNG,
seed 0) and its --work: what has been built and trained there is used, what is missing is made. Pictures are that
table's tested ones: the test split of the sources trained on, any of the others, at most 200 of each; both copies of
StyleGAN2 count as one source. The shipped detector, trained on more sources, looks at those it has never seen.

The surest patch of each picture (of fakes the most fake-looking, of reals the most real-looking) is assigned to a part
by the shipped face parser and the paper's rule, and so are 20 patches of the picture drawn at random. A part is marked
where the exact test, corrected for the eleven parts (Holm), says that chance does not explain it.

Writes results/regions.csv, .json and .md and results/figure_regions.png (bars; no photograph). A network's rows are
kept in --work/regions, and a rerun makes only what is missing. Cost: 1 to 3 minutes a network on one core of a 2021
server CPU, besides building and training.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import telltale
from figure_heatmaps import pictures, shown
from result_files import keep, write_bytes, write_facts, write_page, write_table
from ship_detector import HELD_OUT
from table_generators import ROOT, Bench, trained
from telltale.detector import Detector
from telltale.explain.face_parsing import SHIPPED, by_parser
from telltale.explain.region_files import LEVEL, chart, table
from telltale.explain.regions import RegionRow, find_regions, region_rows
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

SHIPPED_DETECTOR = "telltale-faces"
MODELS = (SHIPPED_DETECTOR, "xception_block1", "xception_block2", "xception_block3", "resnet18_layer1")
SEED, DRAWS = 0, 20
ALL = "(all)"


def detector(bench: Bench, model: str) -> tuple[Detector, str]:
    """A network and the hash of its weights."""
    if model == SHIPPED_DETECTOR:
        found = telltale.load(model, threads=1)
        return found, found.sha256
    weights = trained(bench, model, "none", SEED)
    return load(weights), file_hash(weights)


def network(bench: Bench, model: str, kept: Path) -> dict[str, Any]:
    """One network's rows: from the disk, or made now."""
    found, sha256 = detector(bench, model)
    mark = {"weights_sha256": sha256, "data_fingerprint": bench.fingerprint, "parser_sha256": file_hash(SHIPPED)}
    path = kept / f"{model}.json"
    if path.exists():
        values: dict[str, Any] = json.loads(path.read_text())
        if values["mark"] != mark:
            sys.exit(f"{path} was made of other weights or pictures: delete it")
        return values
    begin = time.perf_counter()
    samples = [
        one for one in shown(bench) if model != SHIPPED_DETECTOR or one.split == "test" or one.source in HELD_OUT
    ]
    regions = find_regions(found, samples, by_parser(), draws=DRAWS, seed=SEED)
    if regions.failures:
        sys.exit(f"{len(regions.failures)} pictures cannot be used: {regions.failures[0].error}")
    values = {
        "model": model,
        "mark": mark,
        "seconds": round(time.perf_counter() - begin, 1),
        "omitted": len(regions.omissions),
        "rows": [asdict(row) for row in region_rows(regions)],
    }
    keep(path, values)
    print(model, f"{values['seconds']:.0f} s, {values['omitted']} pictures without a face", flush=True)
    return values


def together(networks: Sequence[dict[str, Any]]) -> list[RegionRow]:
    """The rows over all sources, named by network, as the figure shows them."""
    rows = [(found["model"], RegionRow(**row)) for found in networks for row in found["rows"]]
    return [replace(row, source=model) for model, row in rows if row.source == ALL]


def markdown(networks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """For every network and source, the parts that chance does not explain."""
    yield f"Share of surest patches in a part (of random patches); Holm-corrected p < {LEVEL}; most above chance first."
    yield ""
    yield "| network | source | label | pictures | above chance | below chance |"
    yield "|---|---|---|---|---|---|"
    for found in networks:
        rows = [RegionRow(**row) for row in found["rows"]]
        for kind in dict.fromkeys((row.source, row.label, row.n) for row in rows):
            mine = [row for row in rows if (row.source, row.label, row.n) == kind and row.p_holm < LEVEL]
            mine.sort(key=lambda row: row.random_share - row.share)
            said = [
                ", ".join(
                    f"{r.part} {r.share:.0%} ({r.random_share:.0%})" for r in mine if (r.share > r.random_share) is up
                )
                for up in (True, False)
            ]
            yield f"| {found['model']} | {kind[0]} | {kind[1]} | {kind[2]} | {said[0] or '-'} | {said[1] or '-'} |"


def write(networks: Sequence[dict[str, Any]], results: Path, bench: Bench, command: str) -> None:
    results.mkdir(parents=True, exist_ok=True)
    rows = [
        {"model": found["model"], **line}
        for found in networks
        for line in table([RegionRow(**r) for r in found["rows"]])
    ]
    write_table(results / "regions.csv", rows)
    write_bytes(results / "figure_regions.png", chart(together(networks)))
    write_page(results / "regions.md", markdown(networks))
    about = {
        "command": command,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "data_fingerprint": bench.fingerprint,
        "parser_sha256": file_hash(SHIPPED),
        "draws": DRAWS,
        "seed": SEED,
        "networks": [
            {
                "model": found["model"],
                "weights_sha256": found["mark"]["weights_sha256"],
                "seconds": found["seconds"],
                "omitted": found["omitted"],
            }
            for found in networks
        ],
        "machine": machine(),
    }
    write_facts(results / "regions.json", about)
    print(f"written: {results / 'regions.csv'}, {results / 'figure_regions.png'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/table"))
    parser.add_argument("--quick", action="store_true", help="few pictures, two networks; no result written")
    given = parser.parse_args()
    if not (given.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {given.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = given.work / "quick" if given.quick else given.work
    bench = pictures(given.data, work, quick=given.quick)
    networks = [network(bench, model, work / "regions") for model in MODELS[: 2 if given.quick else None]]
    write(networks, work if given.quick else ROOT / "results", bench, invocation())


if __name__ == "__main__":
    main()
