"""Training speed: plain eager float32 against `telltale train`, side by side in one run.

Command:  python benchmarks/training.py            (5 minutes on 2 quiet cores; --quick: 1 minute, nothing written)
Writes:   results/training_speed.csv
Last run: 2026-11-29, two cores of an AMD EPYC with bf16: xception_block2 trains at 3.88 times plain eager. Without bf16
          (2026-11-23, four shared cores of AMD Zen 3) the ratio lay between 1.6 and 2.7 from run to run: plain eager
          depends on how fast the kernel hands out fresh pages.

Batches of 32 crops of 128 px, 2 threads. Each way runs in a process of its own and the ways take turns. A round gives
the median of its steps, the table the fastest of the rounds: other work on the machine only ever slows a round down.

- eager: what a first script does: float32, NCHW, torch's Adam, batches that lie ready in memory.
- steps: our step (channels-last, fused Adam, glibc told to keep its memory, bf16 where the processor multiplies it
  natively), on the same ready batches.
- train: our step fed by our input pipeline from 256-px pictures in memory, with flip, JPEG, blur, resize and noise.

`images_per_second` is by the clock; `cpu_seconds` is processor time per step, both threads together. Ratios are to
eager.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from telltale.data.samples import scan
from telltale.learn.classifier import build, loss
from telltale.learn.config import TrainConfig
from telltale.learn.precision import execution
from telltale.learn.run import Run, set_up

MODELS = ("xception_block2", "resnet18_layer1")
WAYS = ("eager", "steps", "train")
SIDE, CROP, BATCH, THREADS = 256, 128, 32, 2
TABLE = Path(__file__).parents[1] / "results" / "training_speed.csv"
Step = Callable[[], object]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="few steps, one round, no table")
    words.add_argument("--one", nargs=4, metavar=("WAY", "MODEL", "STEPS", "FOLDER"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        way, model, steps, folder = given.one
        print(json.dumps(measure(way, model, int(steps), Path(folder))))
        return
    rounds, steps = (1, 3) if given.quick else (3, 8)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        rows = [row for model in MODELS for row in compare(model, rounds, steps, Path(folder))]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if not given.quick:
        write(rows)


def compare(model: str, rounds: int, steps: int, folder: Path) -> Iterator[dict[str, Any]]:
    """One row for each way."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            words = [sys.executable, __file__, "--one", way, model, str(steps), str(folder)]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            found[way].append(json.loads(done.stdout))
    wall = {way: min(one["wall"] for one in found[way]) for way in WAYS}
    used = {way: min(one["cpu"] for one in found[way]) for way in WAYS}
    for way in WAYS:
        yield {
            "model": model,
            "way": way,
            "side": CROP,
            "batch": BATCH,
            "images_per_second": round(BATCH / wall[way], 1),
            "ratio_to_eager": round(wall["eager"] / wall[way], 2),
            "cpu_seconds": round(used[way], 3),
            "cpu_ratio_to_eager": round(used["eager"] / used[way], 2),
            **found[way][0]["facts"],
        }


def measure(way: str, model: str, steps: int, folder: Path) -> dict[str, Any]:
    """Median wall and processor seconds of a step."""
    config = settings(model, folder, augmented=way == "train")
    how = execution(config)
    step = eager(model) if way == "eager" else ours(set_up(config), steps + 2, ready=way == "steps")
    facts = how.facts()
    if way == "eager":
        facts |= {"precision": "fp32", "channels_last": False}
    times = list(timed(step, steps))
    return {
        "wall": statistics.median(wall for wall, _ in times),
        "cpu": statistics.median(cpu for _, cpu in times),
        "facts": {
            name: facts[name] for name in ("threads", "precision", "channels_last", "processor", "bf16_native", "torch")
        },
    }


def timed(step: Step, steps: int) -> Iterator[tuple[float, float]]:
    """Two steps to warm up, then wall and processor seconds of each."""
    for number in range(steps + 2):
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        if number >= 2:
            yield time.perf_counter() - wall, time.process_time() - cpu


def eager(model: str) -> Step:
    """The straightforward way."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    network = build(model)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    drawn = np.random.default_rng(0).integers(0, 256, (BATCH, CROP, CROP, 3), dtype=np.uint8)
    pixels, is_fake = torch.from_numpy(drawn), torch.arange(BATCH) % 2 == 1

    def step() -> float:
        images = network.scaled(pixels).contiguous()
        value = loss(network(images), is_fake)
        optimiser.zero_grad()
        torch.autograd.backward(value)
        optimiser.step()
        return value.item()

    return step


def ours(run: Run, steps: int, *, ready: bool) -> Step:
    """The step of `telltale train`, on one batch that lies ready or fed by the input pipeline."""
    if not ready:
        losses = run.steps(0, steps)
        return lambda: next(losses)
    batches = run.batches(0, 1)
    batch = next(batches)
    batches.close()
    run.model.train()
    return lambda: run.step(batch, 0)


def settings(model: str, folder: Path, *, augmented: bool) -> TrainConfig:
    often = 0.3 if augmented else 0.0
    return TrainConfig(
        data=(str(folder),),
        architecture=model,
        crop=CROP,
        batch=BATCH,
        threads=THREADS,
        device="cpu",
        flip=0.5,
        jpeg=often,
        blur=often,
        resize=often,
        noise=often,
    )


def write_pictures(folder: Path) -> None:
    """Noise over smooth colours: costs a codec about what a photograph does."""
    draw = np.random.default_rng(0)
    for split in ("train", "validation"):
        for label in ("real", "fake"):
            home = folder / split / label
            home.mkdir(parents=True)
            for number in range(32):
                colours = Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((SIDE, SIDE))
                grained = np.asarray(colours) + draw.normal(0, 4, (SIDE, SIDE, 3))
                Image.fromarray(np.clip(grained, 0, 255).astype(np.uint8)).save(home / f"{number}.png")
    assert len(scan([folder])) == 128


def write(rows: list[dict[str, Any]]) -> None:
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"written: {TABLE}")


if __name__ == "__main__":
    main()
