"""How near the generators' samples are to photographs: one row a generator, and the floor that photographs set.

    python recipes/generator_quality.py --data PATH_TO_SHARED_DATA --work runs/quality
    python recipes/generator_quality.py --data PATH_TO_SHARED_DATA --work runs/quality --quick    (no result written)

For every file of results/generators: the kernel distance (KID) of 809 samples, saved as the photographs of `celeba64`
are, to its 809 photographs that no generator has learned from. KID is defined on an Inception network's features; here
they are those of the shipped face parser (`telltale.generate.quality`), a stand-in trained here, so compare these
figures with each other only. The row "photographs" is the floor: 809 photographs learned from against the same 809. It
is about 0; a generator whose interval reaches it has met the photographs as far as these features see.

train_seconds are processor seconds of the training's last run, from the file's header: of a training that was
interrupted and went on, only what came after.

Writes results/generators.csv and .json. What is measured stays in --work by the weights' hash, and a rerun measures
only what is new. Cost: 1 to 5 minutes a generator on one core of a 2021 server CPU. Expected: factor analysers and VAE,
which blur, farther away than the GANs; every one above the floor.
"""

import argparse
import json
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from result_files import keep, write_facts, write_table
from table_seeds import REAL, samples
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.generate.families import read_generator_facts
from telltale.generate.quality import face_features, kernel_distance
from telltale.learn.checkpoint import file_hash
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
QUALITY = "KID, features of telltale's face parser"
COLUMNS = ("name", "family", "seed", "parameters", "train_seconds", "kid", "kid_error", "quality")
# No other recipe samples these latents.
LATENT_SEED = 104


def features(found: Sequence[Sample]) -> Any:
    """Of pictures, a row each."""
    return face_features(np.stack([one.pixels() for one in found]))


def fingerprint(found: Sequence[Sample]) -> str:
    """A hash of the photographs' bytes, in order."""
    return sha256(b"".join(sha256(one.read()).digest() for one in found)).hexdigest()


def measured(path: Path, pictures: Sequence[Sample], held_out: Any) -> dict[str, float]:
    """Distance of pictures to the photographs held out, from the file at `path` or measured and kept there."""
    if not path.exists():
        found = kernel_distance(features(pictures), held_out)
        keep(path, {"kid": round(found.value, 5), "kid_error": round(found.error, 5)})
    kept: dict[str, float] = json.loads(path.read_text())
    return kept


def rows(reals: Sequence[Sample], generators: Path, work: Path) -> list[dict[str, Any]]:
    """One for the floor, one for each generator."""
    unseen = [one for one in reals if one.split != "train"]
    learned = [one for one in reals if one.split == "train"][: len(unseen)]
    held_out = features(unseen)
    floor = measured(work / f"photographs-{len(unseen)}.json", learned, held_out)
    shown = {"family": f"{REAL}, learned from against held out", "seed": "", "parameters": "", "train_seconds": ""}
    found = [{"name": "photographs", **shown, **floor, "quality": QUALITY}]
    for weights in sorted(generators.glob("*.safetensors")):
        about = read_generator_facts(weights)
        made = samples(weights, len(unseen), "quality", work / "samples" / weights.stem, seed=LATENT_SEED)
        kept = work / f"{weights.stem}-{file_hash(weights)[:12]}-{len(unseen)}.json"
        row = {
            "name": weights.stem,
            "family": about.family,
            "seed": int(weights.stem.rsplit("-", 1)[1]),
            "parameters": about.made_with["parameters"],
            "train_seconds": about.made_with["processor_seconds_of_the_last_run"],
            **measured(kept, made, held_out),
            "quality": QUALITY,
        }
        print(f"{row['name']} {row['kid']:.4f} ± {row['kid_error']:.4f}", flush=True)
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--generators", type=Path, default=ROOT / "results" / "generators")
    parser.add_argument("--work", type=Path, default=Path("runs/quality"), help="where samples and measures are kept")
    parser.add_argument("--quick", action="store_true", help="few pictures, no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    results = work if chosen.quick else ROOT / "results"
    begin = time.perf_counter()
    everything = [one for one in scan([chosen.data / "manifest.csv"]) if one.source == REAL]
    reals = everything[:: 80 if chosen.quick else 1]
    found = rows(reals, chosen.generators, work)
    write_table(results / "generators.csv", found, COLUMNS)
    about = {
        "command": invocation(),
        "commit": commit(),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - begin),
        "data_fingerprint": fingerprint(reals),
        "generators_sha256": {path.stem: file_hash(path) for path in sorted(chosen.generators.glob("*.safetensors"))},
        "rows": found,
    }
    write_facts(results / "generators.json", about)
    print(f"written: {results / 'generators.csv'}")


if __name__ == "__main__":
    main()
