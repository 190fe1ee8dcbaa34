"""What the shipped detector's recipe is worth on a source it has never seen: each source left out in turn.

    python recipes/leave_one_source_out.py --data PATH_TO_SHARED_DATA --work runs/ship
    python recipes/leave_one_source_out.py --data PATH_TO_SHARED_DATA --work runs/ship --quick    (no result written)

The pictures, the preparation and the augmentation are those of `recipes/ship_detector.py`, whose --work it shares; the
depth is xception_block2, which that recipe chose on validation. One network is trained on every source, and one without
each; all for three epochs of 250 steps with a falling learning rate, so that they can be compared with each other (the
shipped detector had more). Each is judged on the test pictures of the source left out, against the pooled test pictures
of the other label, and so is the network that was trained with it. The threshold of the last two columns lets 5 % of
the reals of the network's own validation pictures pass as fakes.

Every network's scores are one file in results/leave_one_source_out/; a rerun computes only what is missing, and several
processes of the same command share the work: start it as often as there are cores. Cost: about 12 minutes a network on
one core of a 2021 server CPU, ten networks. `--summarise` writes results/leave_one_source_out.csv, .json and .md from
the files there are. Expected: AUC 0.47 [0.39, 0.54] on sd21 where it was left out, 0.96 where it was not.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from result_files import keep, write_facts, write_page, write_table
from sharing import unclaimed
from ship_detector import (
    ROOT,
    TRAINED_FAKE,
    TRAINED_REAL,
    Places,
    build_pictures,
    config,
    family,
    known,
    training_samples,
)
from telltale.data.samples import Sample
from telltale.evaluate.metrics import Estimate, auc, bootstrap
from telltale.learn.checkpoint import load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation
from trained_networks import told_apart, trained_once

DEPTH, EPOCHS, SEEDS = "xception_block2", 3, 1
ALL = "none"
FALSE_ALARM_RATE = 0.05
COLUMNS = (
    "left_out",
    "label",
    "seed",
    "n",
    "n_other",
    "auc",
    "auc_low",
    "auc_high",
    "auc_trained_on",
    "called_fake",
    "called_fake_trained_on",
)
Scores = NDArray[np.float64]


def without(samples: list[Sample], left_out: str) -> list[Sample]:
    """What training may touch: nothing of the source left out, and no twin of its pictures."""
    return training_samples([sample for sample in samples if left_out not in sample.source.split(":")])


def weights(places: Places, samples: list[Sample], left_out: str, seed: int) -> Path:
    """One network, trained on these samples, or going on where an interrupted run stopped."""
    out = places.work / "left_out" / f"{left_out}-{seed}"
    epochs = 1 if places.quick else EPOCHS
    settings = replace(
        config(places, DEPTH),
        name=f"without {left_out}",
        schedule="cosine",
        epochs=epochs,
        patience=epochs,
        threads=1,
        seed=seed,
        steps_per_epoch=5 if places.quick else 250,
    )
    return trained_once(places.work, out, settings, samples, told_apart(samples))


def cell(places: Places, everything: list[Sample], tested: list[Sample], left_out: str, seed: int) -> dict[str, Any]:
    """Scores of all test pictures, and the threshold from the network's own validation pictures."""
    begin = time.perf_counter()
    training = without(everything, left_out)
    detector = load(weights(places, training, left_out, seed))
    reals = [one for one in training if one.split == "validation" and not one.is_fake]
    passed = np.sort([detector(sample.pixels()).score for sample in reals])
    return {
        "left_out": left_out,
        "seed": seed,
        "threshold": float(passed[-1 - int(FALSE_ALARM_RATE * passed.size)]),
        "commit": commit(),
        "seconds": round(time.perf_counter() - begin),
        "pictures": [sample.path.name for sample in tested],
        "scores": [round(detector(sample.pixels()).score, 5) for sample in tested],
    }


def run(places: Places, everything: list[Sample], tested: list[Sample], folder: Path) -> None:
    """Every missing file; the network that saw everything comes first."""
    sources = (ALL, *TRAINED_FAKE, *TRAINED_REAL)
    wanted = [(source, seed) for seed in range(SEEDS) for source in (sources[:2] if places.quick else sources)]
    for left_out, seed in unclaimed(places.work, "leave_one_source_out", wanted):
        path = folder / f"{left_out}-{seed}.json"
        if not path.exists():
            found = cell(places, everything, tested, left_out, seed)
            keep(path, found)
            print(path.stem, f"{found['seconds']} s", flush=True)


def measured(
    is_fake: NDArray[np.bool_], source: NDArray[np.str_], name: str, scores: Scores
) -> tuple[Estimate, Scores]:
    """AUC of one source against the pooled other label, and the source's own scores."""
    mine = source == name
    against = mine | (is_fake != is_fake[mine][0])
    return bootstrap(auc, is_fake[against], scores[against]), scores[mine]


def rows(found: list[dict[str, Any]], tested: list[Sample]) -> Iterator[dict[str, Any]]:
    """One row for each source left out."""
    is_fake = np.array([bool(sample.is_fake) for sample in tested])
    source = np.array([family(sample.source) for sample in tested])
    everything = {one["seed"]: one for one in found if one["left_out"] == ALL}
    for one in found:
        name = one["left_out"]
        if name == ALL or one["seed"] not in everything:
            continue
        whole = everything[one["seed"]]
        never, own = measured(is_fake, source, name, np.array(one["scores"]))
        with_it, own_with_it = measured(is_fake, source, name, np.array(whole["scores"]))
        label = bool(is_fake[source == name][0])
        yield {
            "left_out": name,
            "label": "fake" if label else "real",
            "seed": one["seed"],
            "n": own.size,
            "n_other": int((is_fake != label).sum()),
            "auc": round(never.value, 4),
            "auc_low": round(never.low, 4),
            "auc_high": round(never.high, 4),
            "auc_trained_on": round(with_it.value, 4),
            "called_fake": round(float((own > one["threshold"]).mean()), 4),
            "called_fake_trained_on": round(float((own_with_it > whole["threshold"]).mean()), 4),
        }


def summarise(folder: Path, tested: list[Sample], fingerprints: dict[str, str], command: str) -> None:
    """The CSV, what stands behind it, and a table to read."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not found:
        sys.exit(f"no files in {folder}: run without --summarise first")
    if any(one["pictures"] != [sample.path.name for sample in tested] for one in found):
        sys.exit(f"files in {folder} were made from other pictures: delete them and run again")
    table = sorted(rows(found, tested), key=lambda row: (row["label"], row["left_out"], row["seed"]))
    results = folder.parent
    write_table(results / "leave_one_source_out.csv", table, COLUMNS)
    about = {
        "command": command,
        "commit": commit(),
        "dataset_fingerprints": fingerprints,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "networks": len(found),
        "networks_of_a_full_run": SEEDS * (1 + len(TRAINED_FAKE) + len(TRAINED_REAL)),
        "seconds_of_all": sum(one["seconds"] for one in found),
    }
    write_facts(results / "leave_one_source_out.json", about)
    lines = [
        "# Each source left out in turn",
        "",
        f"{DEPTH}, one seed; {about['networks']} networks of {about['networks_of_a_full_run']}; commit "
        f"{about['commit']}, {about['date']}. AUC against the pooled test pictures of the other label [95 % bootstrap "
        "over pictures]; beside it that of the network trained on all sources. “Called fake” at a threshold that 5 % "
        "of the network's own validation reals exceed.",
        "",
        "| left out | label | pictures | AUC, never seen | AUC, trained on | called fake, never seen | trained on |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row['left_out']} | {row['label']} | {row['n']} | {row['auc']:.2f} [{row['auc_low']:.2f}, "
            f"{row['auc_high']:.2f}] | {row['auc_trained_on']:.2f} | {100 * row['called_fake']:.0f} % | "
            f"{100 * row['called_fake_trained_on']:.0f} % |"
            for row in table
        ),
    ]
    write_page(results / "leave_one_source_out.md", lines)
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/ship"), help="the --work of ship_detector")
    parser.add_argument("--summarise", action="store_true", help="write the tables from the files there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, two networks of 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    results = chosen.work / "quick" if chosen.quick else ROOT / "results"
    places = Places(data=chosen.data, work=chosen.work, results=results, weights=results, quick=chosen.quick)
    fingerprints = build_pictures(places)
    everything = known(places)
    sources = TRAINED_REAL + TRAINED_FAKE
    tested = [one for one in everything if one.split == "test" and family(one.source) in sources]
    folder = results / "leave_one_source_out"
    if not chosen.summarise:
        run(places, everything, tested, folder)
    if chosen.summarise or chosen.quick:
        summarise(folder, tested, fingerprints, invocation())


if __name__ == "__main__":
    main()
