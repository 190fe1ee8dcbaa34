"""Prediction speed and peak memory: plain eager torch, whole-image ONNX Runtime, and telltale's tiles, side by side.

Commands:
    python benchmarks/speed.py            everything below; writes results/speed.csv        (15 minutes on 2 cores)
    python benchmarks/speed.py --tiles    which tiles cost least; writes results/tiles.csv  (4 minutes)
    python benchmarks/speed.py --large    100 megapixels alone                              (2 minutes)
    python benchmarks/speed.py --quick    one model, small pictures; writes nothing         (30 seconds)

Every case runs in a process of its own, twice, the cases in turns; the table holds the better speed, since other work
on the machine only slows, and the larger peak. Weights are random, pictures are noise, all threads work on one picture
unless a row says "files".

- torch: what a first script does: the module, eager, float32, NCHW, the whole picture.
- onnxruntime: `InferenceSession` with its defaults but for the threads, the whole picture.
- telltale onnxruntime, telltale openvino: `telltale.load(...)`, tiles.
- telltale onnxruntime files: one picture per thread, as `telltale predict FOLDER` works.
- prepare: `telltale.prepare` alone, for a detector that wants 256 px.

`peak_mb` is the process's peak resident memory, interpreter and libraries included; `on_top_mb` is what prediction
added to what was there with pixels and weights loaded; `cpu_seconds` is processor time for one picture. A row without
numbers did not fit into memory. The 4096 px rows of torch and onnxruntime take up to 15 GB.
"""

import argparse
import csv
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from telltale.image import Pixels, Preparation, prepare
from telltale.runtime import load

RESULTS = Path(__file__).parents[1] / "results"
MODELS = ("xception_block2", "resnet18_layer1")
SIDES = (128, 299, 1024, 4096)
LARGE = 10_000
TILES = (128, 192, 256, 384, 512, 768, 1024)
EAGER = "torch"
Row = dict[str, Any]
# Predicts once and says how many pictures that were.
Work = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    model: str
    backend: str
    threads: int
    side: int
    tile: int | None = None
    seconds: float = 2.0


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="one model, small pictures, nothing written")
    words.add_argument("--tiles", action="store_true", help="the sizes of tiles")
    words.add_argument("--large", action="store_true", help="100 megapixels alone, nothing written")
    words.add_argument("--threads", type=int, default=0, help="0 = every core")
    words.add_argument("--one", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        print(json.dumps(measure(Case(**json.loads(given.one[0])), Path(given.one[1]))))
        return
    threads = given.threads or len(os.sched_getaffinity(0))
    if given.tiles:
        report(run(tile_cases(threads)), RESULTS / "tiles.csv")
    elif given.large:
        report(run(large_cases(threads), rounds=1), None)
    elif given.quick:
        cases = speed_cases(("xception_block1",), (128, 512), threads)
        report(run([replace(case, seconds=0.3) for case in cases], rounds=1), None)
    else:
        report(run([*speed_cases(MODELS, SIDES, threads), *large_cases(threads)]), RESULTS / "speed.csv")


def speed_cases(models: Sequence[str], sides: Sequence[int], threads: int) -> list[Case]:
    return [
        Case(model, backend, threads, side)
        for model in models
        for side in sides
        for backend in BACKENDS
        if not (backend.endswith("files") and side > 1024)
    ]


def large_cases(threads: int) -> list[Case]:
    """100 megapixels at native resolution; and their preparation for detectors that want 256 px."""
    tiled = Case("xception_block2", "telltale onnxruntime", threads, LARGE)
    return [tiled, Case("preparation to 256 px", "prepare", 1, LARGE)]


def tile_cases(threads: int) -> list[Case]:
    return [Case(model, "telltale onnxruntime", threads, 2048, tile, seconds=0.0) for model in MODELS for tile in TILES]


def run(cases: Sequence[Case], rounds: int = 2) -> list[Row]:
    """One row for each case."""
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), {case.model for case in cases} & set(MODELS))
        found: dict[Case, list[Row]] = {case: [] for case in cases}
        for _ in range(rounds):
            for number, case in enumerate(cases, start=1):
                if sys.stderr.isatty():
                    said = f"{number}/{len(cases)} {case.model} {case.backend} {case.side} px"
                    print(f"\r{said:<78}", end="", file=sys.stderr)
                found[case] += apart(case, Path(folder))
    return list(rows(found))


def write_weights(folder: Path, models: set[str]) -> None:
    """Random weights as safetensors and ONNX; in a process of its own, so that torch stays out of this one."""
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import speed; speed.weights(*sys.argv[1:])"
    )
    subprocess.run([sys.executable, "-c", script, str(folder), *sorted(models)], check=True)


def weights(folder: str, *models: str) -> None:
    import torch

    from telltale.learn import build, save
    from telltale.learn.export import export
    from telltale.spec import DetectorSpec

    for name in models:
        torch.manual_seed(0)
        model = build(name)
        path = Path(folder) / f"{name}.safetensors"
        save(path, model, DetectorSpec(name=name, architecture=name, preparation=Preparation(), grid=model.grid))
        export(path, path.with_suffix(".onnx"))


def apart(case: Case, folder: Path) -> list[Row]:
    """What a fresh process measures; nothing where it ran out of memory or was killed for it."""
    words = [sys.executable, __file__, "--one", json.dumps(asdict(case)), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode and not (done.returncode < 0 or "alloc" in done.stderr or "MemoryError" in done.stderr):
        sys.exit(done.stderr)
    return [] if done.returncode else [json.loads(done.stdout)]


def measure(case: Case, folder: Path) -> Row:
    """Seconds per picture by the clock and of the processor, and memory."""
    work = BACKENDS[case.backend](case, folder) if case.backend in BACKENDS else preparation(case)
    before = peak_mb()
    work()
    times = list(timed(work, case.seconds))
    return {
        "wall": statistics.median(wall for wall, _ in times),
        "cpu": min(cpu for _, cpu in times),
        "peak": peak_mb(),
        "before": before,
    }


def timed(work: Work, seconds: float) -> Iterator[tuple[float, float]]:
    """Seconds per picture, by the clock and of the processor: once at least, and again while time is left."""
    end = time.perf_counter() + seconds
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        count = work()
        yield (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count
        if time.perf_counter() > end:
            return


def peak_mb() -> float:
    """Peak resident memory of this process alone; getrusage would count its parent's from before exec."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, "this benchmark reads Linux's /proc"
    return int(found[1]) / 1024


def picture(side: int) -> Pixels:
    """Noise, drawn row by row, so that the drawing leaves no peak of its own."""
    pixels, draw = np.empty((side, side, 3), np.uint8), np.random.default_rng(0)
    for row in pixels:
        row[:] = draw.integers(0, 256, row.shape, dtype=np.uint8)
    return pixels


def eager(case: Case, folder: Path) -> Work:
    import torch

    from telltale.learn import restore

    torch.set_num_threads(case.threads)
    model, _ = restore(folder / f"{case.model}.safetensors")
    pixels = torch.from_numpy(picture(case.side)[None])

    def work() -> int:
        with torch.inference_mode():
            model(model.scaled(pixels).contiguous())
        return 1

    return work


def whole(case: Case, folder: Path) -> Work:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    session = onnxruntime.InferenceSession(str(folder / f"{case.model}.onnx"), options)
    pixels = picture(case.side)[None]

    def work() -> int:
        session.run(None, {"images": pixels})
        return 1

    return work


def tiled(case: Case, folder: Path, backend: str = "onnxruntime") -> Work:
    detector = load(folder / f"{case.model}.onnx", backend=backend, threads=case.threads)
    if case.tile is not None:
        detector = replace(detector, tile=case.tile)
    pixels = picture(case.side)

    def work() -> int:
        detector.patch_logits(pixels)
        return 1

    return work


def files(case: Case, folder: Path) -> Work:
    from concurrent.futures import ThreadPoolExecutor

    detector = replace(load(folder / f"{case.model}.onnx", threads=case.threads), threads=1)
    pixels, count = picture(case.side), 8 * case.threads
    workers = ThreadPoolExecutor(case.threads)

    def work() -> int:
        return len(list(workers.map(detector.patch_logits, [pixels] * count)))

    return work


def preparation(case: Case) -> Work:
    pixels = picture(case.side)

    def work() -> int:
        prepare(pixels, Preparation(side=256))
        return 1

    return work


BACKENDS: dict[str, Callable[[Case, Path], Work]] = {
    EAGER: eager,
    "onnxruntime": whole,
    "telltale onnxruntime": tiled,
    "telltale openvino": lambda case, folder: tiled(case, folder, "openvino"),
    "telltale onnxruntime files": files,
}


def rows(found: dict[Case, list[Row]]) -> Iterator[Row]:
    speeds = {case: max((1 / one["wall"] for one in times), default=None) for case, times in found.items()}
    for case, times in found.items():
        speed, slow = speeds[case], speeds.get(replace(case, backend=EAGER, tile=None))
        yield {
            "model": case.model,
            "backend": case.backend,
            "threads": case.threads,
            "side": case.side,
            "images_per_second": "" if speed is None else float(f"{speed:.3g}"),
            "peak_mb": "" if speed is None else round(max(one["peak"] for one in times)),
            "ratio_to_eager": "" if speed is None or slow is None else round(speed / slow, 2),
            "on_top_mb": "" if speed is None else round(max(one["peak"] - one["before"] for one in times)),
            "cpu_seconds": "" if speed is None else float(f"{min(one['cpu'] for one in times):.3g}"),
            "tile": case.tile or "",
            **facts(),
        }


def facts() -> Row:
    """Where the numbers come from."""
    from importlib.metadata import version

    described = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    engines = " ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "openvino"))
    return {"cpu": described[1] if described else platform.machine(), "engines": engines}


def report(table: list[Row], path: Path | None) -> None:
    shown = [name for name in table[0] if name not in facts()]
    widths = {name: max(len(name), *(len(str(row[name])) for row in table)) for name in shown}
    print("  ".join(f"{name:>{widths[name]}}" for name in shown))
    for row in table:
        print("  ".join(f"{row[name]!s:>{widths[name]}}" for name in shown))
    if path is None:
        return
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
