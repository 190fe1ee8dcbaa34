"""Videos: how many times faster than real time, and how much memory an hour takes.

Command:  python benchmarks/video.py               (4 minutes on 2 cores; --quick: seconds, nothing written)
Writes:   results/video_speed.csv

A clip of 720p at 30 frames a second, H.264 as x264 makes it by default: a generated portrait that wanders through a
moving, noisy texture. Each way runs on two cores in a process of its own, the ways take turns, and the table holds the
median over three rounds, so that other work on the machine hits all of them alike.

- decode all: what a first script does: PyAV with two threads, every frame decoded, none looked at.
- decode all to RGB: the same, every frame as an array.
- frames: `telltale.data.video.frames`, one a second as upright RGB; what nobody needs is not decoded.
- predict: one frame a second decoded and scored by the shipped detector, as `telltale predict clip.mp4` does it.
- predict faces: the same for each face, found by the face parser, as with `--faces`.
- command, command --faces, command --heatmaps: `telltale predict clip.mp4 --threads 2` as a shell starts it, with all
  that Python and the detector take to start.
- predict hour: one hour of 720p at two frames a second, scored once a second; for its memory, one round.

`times_real_time` is the clip's length over the clock's seconds, start-up left out but for commands; `cpu_seconds` is
processor time for a minute of video, which other work disturbs less; `times_real_time_by_cpu` is what two cores make of
it when nothing else runs and both are always busy. `ratio` and `cpu_ratio` are to "decode all". `mb_at_5_min` and
`mb_peak`: resident memory of the process when five minutes of the video were through, and at its highest.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import av
import numpy as np
import psutil
from PIL import Image

from telltale.data.sample import Sample
from telltale.data.video import frames
from telltale.evaluate.scoring import Failure
from telltale.evaluate.video_faces import faces
from telltale.evaluate.video_scoring import score_video, whole
from telltale.explain.face_search import by_face_parser
from telltale.runtime import load

COMMAND = "command"
COMMANDS = (COMMAND, f"{COMMAND} --faces", f"{COMMAND} --heatmaps")
WAYS = ("decode all", "decode all to RGB", "frames", "predict", "predict faces", *COMMANDS)
HOUR = "predict hour"
HEIGHT, WIDTH, CORES = 720, 1280, 2
HERE = Path(__file__).parents[1]
TABLE = HERE / "results" / "video_speed.csv"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="short clips, one round, no table")
    words.add_argument("--one", nargs=2, metavar=("WAY", "CLIP"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], Path(given.one[1]))))
        return
    rounds, seconds, hour = (1, 4, 20) if given.quick else (3, 60, 3600)
    with tempfile.TemporaryDirectory() as folder:
        clip, long = Path(folder) / "clip.mp4", Path(folder) / "hour.mp4"
        write_clip(clip, seconds=seconds, rate=30)
        rows = list(compare(rounds, seconds, clip))
        write_clip(long, seconds=hour, rate=2, preset="ultrafast")
        rows.append(row(HOUR, hour, [run(HOUR, long)], None))
    for one in rows:
        print("  ".join(f"{name} {value}" for name, value in one.items()))
    if not given.quick:
        write(rows)


def compare(rounds: int, seconds: int, clip: Path) -> Iterator[dict[str, Any]]:
    """One row for each way: medians over the rounds, in which the ways take turns."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            found[way].append(run(way, clip))
    for way in WAYS:
        yield row(way, seconds, found[way], found[WAYS[0]])


def row(
    way: str, length: int, measured: list[dict[str, float]], plain: list[dict[str, float]] | None
) -> dict[str, Any]:
    seconds, cpu = middle(measured, "seconds"), middle(measured, "cpu")
    five = middle(measured, "mb_at_5_min")
    return {
        "way": way,
        "clip_seconds": length,
        "frames_out": int(middle(measured, "frames")),
        "seconds": round(seconds, 2),
        "times_real_time": round(length / seconds, 1),
        "cpu_seconds": round(60 * cpu / length, 2),
        "times_real_time_by_cpu": round(CORES * length / cpu, 1),
        "ratio": "" if plain is None else round(middle(plain, "seconds") / seconds, 2),
        "cpu_ratio": "" if plain is None else round(middle(plain, "cpu") / cpu, 2),
        "mb_at_5_min": round(five) if five else "",
        "mb_peak": round(middle(measured, "mb_peak")),
    }


def middle(measured: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in measured)


def run(way: str, clip: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", way, str(clip)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(way: str, clip: Path) -> dict[str, float]:
    """Seconds by the clock and of the processors; resident memory in MB."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if way in COMMANDS:
        return by_command(clip, way.split()[1:])
    detector = load("telltale-faces", threads=CORES)
    look = faces(by_face_parser(threads=CORES)) if way == "predict faces" else whole
    at_five: list[float] = []
    with watched() as peak:
        begin, used = time.perf_counter(), time.process_time()
        if way.startswith("decode all"):
            count = by_hand(clip, to_rgb=way.endswith("RGB"))
        elif way == "frames":
            count = sum(1 for _ in frames(clip, every_seconds=1.0, threads=CORES))
        else:

            def visit(frame: Any, _: Any) -> None:
                if frame.seconds >= 300 and not at_five:
                    at_five.append(resident())

            found = score_video(detector, Sample(path=clip), look=look, visit=visit)
            assert not isinstance(found, Failure), found
            count = found.frames
        spent = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - used}
    return {**spent, "frames": count, "mb_peak": max(peak), "mb_at_5_min": at_five[0] if at_five else 0.0}


def by_hand(clip: Path, *, to_rgb: bool) -> int:
    with av.open(str(clip)) as container:
        track = container.streams.video[0]
        track.thread_type = "AUTO"
        track.codec_context.thread_count = CORES
        count = 0
        for frame in container.decode(track):
            if to_rgb:
                frame.to_ndarray(format="rgb24")
            count += 1
    return count


def by_command(clip: Path, options: list[str]) -> dict[str, float]:
    """Another process, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        more = [*options, folder] if "--heatmaps" in options else options
        command = [sys.executable, "-m", "telltale", "predict", str(clip), "--json", "--threads", str(CORES), *more]
        begin = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux counts the peak in KiB, macOS in bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    frames_out = json.loads(done.stdout)["video"]["frames"]
    cpu = used.ru_utime + used.ru_stime
    return {"seconds": seconds, "cpu": cpu, "frames": frames_out, "mb_peak": peak, "mb_at_5_min": 0.0}


@contextmanager
def watched() -> Iterator[list[float]]:
    """Resident memory of this process in MB, five times a second; at least one reading."""
    over, found = Event(), [resident()]

    def watch() -> None:
        while not over.wait(0.2):
            found.append(resident())

    thread = Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def resident() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def write_clip(path: Path, *, seconds: int, rate: int, preset: str = "medium") -> None:
    """The portrait wandering over a texture that moves; noise as a camera has it, from eight patterns."""
    draw = np.random.default_rng(0)
    texture = write_texture(draw)
    noise = [draw.integers(-5, 6, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(8)]
    with Image.open(HERE / "examples" / "portrait.jpg") as picture:
        face = np.asarray(picture.convert("RGB").resize((400, 400)))
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=rate)
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        track.options = {"preset": preset}
        for index in range(seconds * rate):
            at = index / rate
            y, x = round(150 + 140 * np.sin(at / 1.3)), round(200 + 180 * np.cos(at / 1.9))
            picture = texture[y : y + HEIGHT, x : x + WIDTH].copy()
            top, left = round(160 + 150 * np.sin(at / 2.1)), round(440 + 400 * np.cos(at / 3.7))
            picture[top : top + 400, left : left + 400] = face
            noisy = np.clip(picture + noise[index % 8], 0, 255).astype(np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        container.mux(track.encode())


def write_texture(draw: np.random.Generator) -> Any:
    """Random colour with less and less at finer scales, as photographs have it; int16."""
    height, width = HEIGHT + 380, WIDTH + 420
    total = np.full((height, width, 3), 128.0, np.float32)
    for cells, strength in ((8, 60), (32, 30), (128, 16), (512, 9)):
        coarse = Image.fromarray(draw.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        fine = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        total += (fine / 127.5 - 1) * strength
    return np.clip(total, 0, 255).astype(np.int16)


def write(rows: list[dict[str, Any]]) -> None:
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
