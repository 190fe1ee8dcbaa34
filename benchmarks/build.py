"""Building speed: a plain Pillow loop against `telltale build`, side by side in one run.

Command:  python benchmarks/build.py               (about 12 minutes on 2 cores; --quick: seconds, nothing written)
Writes:   results/build_speed.csv

JPEGs of 512 px become PNGs of 128 px, the preset `paper`. Each way runs in a process of its own, the ways take turns,
and the table holds the median over the rounds, so that other work on the machine hits all of them alike.

- pillow: what a first script does: open, convert, crop the centre, resize with Lanczos, save. One process, or two.
- build: hashes of bytes and looks, facts of the original, crops off the block grid, splits, duplicates, index,
  a journal to resume from. One process, or two.

`images_per_second` is by the clock, start-up included; `cpu_ms` is processor time per image, of all processes, which
other work disturbs less. `ratio` is to Pillow with as many processes; `seconds_for_10000` is what the rate gives.
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
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from telltale.data.build import build
from telltale.data.samples import scan
from telltale.data.settings import preset

WAYS = tuple((name, processes) for processes in (1, 2) for name in ("pillow", "build"))
SIDE, BUILT = 512, 128
TABLE = Path(__file__).parents[1] / "results" / "build_speed.csv"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="few images, one round, no table")
    words.add_argument("--one", nargs=4, metavar=("WAY", "PROCESSES", "DATA", "OUT"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        way, processes, data, out = given.one
        print(json.dumps(measure(way, int(processes), Path(data), Path(out))))
        return
    rounds, count = (1, 24) if given.quick else (1, 10_000)
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
    for number in range(rounds):
        for name, processes in WAYS:
            out = folder / f"{name}-{processes}-{number}"
            command = [sys.executable, __file__, "--one", name, str(processes), str(folder / "data"), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name, processes].append(json.loads(done.stdout))
    seconds = {way: statistics.median(one["seconds"] for one in measured) for way, measured in found.items()}
    for (name, processes), measured in found.items():
        rate = count / seconds[name, processes]
        yield {
            "way": name,
            "processes": processes,
            "images": count,
            "images_per_second": round(rate, 1),
            "cpu_ms": round(1000 * statistics.median(one["cpu"] for one in measured) / count, 2),
            "ratio": round(seconds["pillow", processes] / seconds[name, processes], 2),
            "seconds_for_10000": round(10_000 / rate, 1),
        }


def measure(way: str, processes: int, data: Path, out: Path) -> dict[str, float]:
    """Seconds by the clock and of the processors, this process's children included."""
    begin, used = time.perf_counter(), spent()
    if way == "build":
        build(scan([data]), out, preset("paper"), workers=processes)
    else:
        by_pillow(sorted(data.rglob("*.jpg")), out, processes)
    return {"seconds": time.perf_counter() - begin, "cpu": spent() - used}


def by_pillow(paths: list[Path], out: Path, processes: int) -> None:
    out.mkdir(parents=True)
    tasks = [(path, out / f"{path.parent.name}-{path.stem}.png") for path in paths]
    if processes == 1:
        for task in tasks:
            by_hand(task)
        return
    with get_context("spawn").Pool(processes) as pool:
        pool.map(by_hand, tasks, chunksize=8)
        pool.close()
        pool.join()


def by_hand(task: tuple[Path, Path]) -> None:
    with Image.open(task[0]) as image:
        border = 4
        cut = image.convert("RGB").crop((border, border, SIDE - border, SIDE - border))
        cut.resize((BUILT, BUILT), Image.Resampling.LANCZOS).save(task[1])


def spent() -> float:
    """Processor time of this process and of its children that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def write_pictures(folder: Path, count: int) -> None:
    """Half real, half fake; random colour with less and less at finer scales, as photographs have it."""
    with get_context("spawn").Pool() as pool:
        pool.starmap(write_some, [(folder, range(first, count, 16)) for first in range(16)])
        pool.close()
        pool.join()


def write_some(folder: Path, numbers: range) -> None:
    for number in numbers:
        draw = np.random.default_rng(number)
        total = np.full((SIDE, SIDE, 3), 128.0, np.float32)
        for cells, strength in ((4, 70), (16, 35), (64, 18), (256, 9)):
            coarse = Image.fromarray(draw.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            total += (
                np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1
            ) * strength
        path = folder / ("real", "fake")[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(path, quality=(75, 90)[number // 2 % 2])


def write(rows: list[dict[str, Any]]) -> None:
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
