"""What explaining costs on top of scoring: heatmaps and top patches against scores alone, side by side in one run.

Command:  python benchmarks/explain.py             (about 10 minutes on 2 idle cores; --quick: seconds, nothing written)
Writes:   results/explain_speed.csv

1,000 JPEGs of 256 px and the shipped detector. Each way runs in a process of its own, the ways take turns, and the
table holds the median over two rounds, so that other work on the machine hits all of them alike.

- score: read, decode, score, as `telltale predict FOLDER` does.
- heatmaps: the same, and an overlay with its legend as PNG for each picture, as `telltale explain heatmap`.
- heatmaps and patches: overlays, and the surest patch of each picture in a stream of the 100 surest of all.

`images_per_second` is by the clock, start-up included; `cpu_ms` is processor time per image, which other work disturbs
less. `ratio` is the clock's to scoring with as many workers, `cpu_ratio` the processor's; at most 2 is wanted.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Prediction
from telltale.evaluate.scoring import Failure, score_files
from telltale.explain.heatmap_files import write_heatmap
from telltale.explain.patches import Strongest, top_patches
from telltale.image import Pixels
from telltale.runtime import load

KINDS = {"score": None, "heatmaps": "overlay", "heatmaps and patches": "overlay"}
WAYS = tuple((name, workers) for workers in (1, 2) for name in KINDS)
SIDE = 256
TABLE = Path(__file__).parents[1] / "results" / "explain_speed.csv"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="few images, one round, no table")
    words.add_argument("--one", nargs=4, metavar=("WAY", "WORKERS", "DATA", "OUT"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        way, workers, data, out = given.one
        print(json.dumps(measure(way, int(workers), Path(data), Path(out))))
        return
    rounds, count = (1, 20) if given.quick else (2, 1000)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder) / "data", count)
        rows = list(compare(rounds, count, Path(folder)))
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if not given.quick:
        write(rows)


def compare(rounds: int, count: int, folder: Path) -> Iterator[dict[str, Any]]:
    """One row for each way: medians over the rounds, in which the ways take turns."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for name, workers in WAYS:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                command = [sys.executable, __file__, "--one", name, str(workers), str(folder / "data"), out]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name, workers].append(json.loads(done.stdout))
    seconds = {way: statistics.median(one["seconds"] for one in measured) for way, measured in found.items()}
    cpu = {way: statistics.median(one["cpu"] for one in measured) for way, measured in found.items()}
    for name, workers in WAYS:
        way, plain = (name, workers), ("score", workers)
        yield {
            "way": name,
            "workers": workers,
            "images": count,
            "images_per_second": round(count / seconds[way], 1),
            "cpu_ms": round(1000 * cpu[way] / count, 2),
            "ratio": round(seconds[way] / seconds[plain], 2),
            "cpu_ratio": round(cpu[way] / cpu[plain], 2),
        }


def measure(way: str, workers: int, data: Path, out: Path) -> dict[str, float]:
    """Seconds by the clock and of the processor."""
    begin, used = time.perf_counter(), spent()
    detector, kind = load("telltale-faces", threads=workers), KINDS[way]
    kept = Strongest(count=100)

    def draw(sample: Sample, pixels: Pixels, prediction: Prediction) -> None:
        assert kind is not None
        write_heatmap(out / f"{sample.path.stem}.png", kind, pixels, prediction, detector)

    samples = [Sample(path=path) for path in sorted(data.glob("*.jpg"))]
    records = score_files(detector, samples, workers=workers, visit=None if kind is None else draw)
    for order, record in enumerate(records):
        assert not isinstance(record, Failure), record.error
        if "patches" in way:
            kept.add(order, top_patches(record.prediction, detector, record.sample, record.shape))
    assert len(list(out.iterdir())) == (0 if kind is None else len(samples))
    assert len(kept.best()) == (min(100, len(samples)) if "patches" in way else 0)
    return {"seconds": time.perf_counter() - begin, "cpu": spent() - used}


def spent() -> float:
    """Processor time of this process."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def write_pictures(folder: Path, count: int) -> None:
    """Random colour with less and less at finer scales, as photographs have it."""
    folder.mkdir(parents=True)
    for number in range(count):
        draw = np.random.default_rng(number)
        total = np.full((SIDE, SIDE, 3), 128.0, np.float32)
        for cells, strength in ((4, 70), (16, 35), (64, 18)):
            coarse = Image.fromarray(draw.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            large = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
            total += (large / 127.5 - 1) * strength
        Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=90)


def write(rows: list[dict[str, Any]]) -> None:
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
