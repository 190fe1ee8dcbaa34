"""Memory over a long video: what an hour takes is what a few minutes take."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from small_videos import av, shade

# In a process of its own: what other tests left to the allocator is handed out again, and would hide or feign growth.
MEASURE = """
import json, sys
from pathlib import Path
import psutil
from telltale.data.sample import Sample
from telltale.evaluate.video_scoring import score_video
from telltale.runtime import load

process, found = psutil.Process(), []

def visit(frame, _):
    if frame.number % 50 == 0:
        found.append((frame.seconds, process.memory_info().rss))

done = score_video(load(sys.argv[1], threads=2), Sample(path=Path(sys.argv[2])), visit=visit)
print(json.dumps({"frames": done.frames, "error": done.error, "found": found}))
"""


def write_hour(path: Path, *, rate: int) -> Path:
    """One hour of 320 x 240 that changes slowly, so that it is soon written."""
    images = [av.VideoFrame.from_ndarray(shade(index, height=240, width=320), format="rgb24") for index in range(12)]
    frames = [image.reformat(format="yuv420p") for image in images]
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=rate)
        track.width, track.height, track.pix_fmt = 320, 240, "yuv420p"
        for index in range(3600 * rate):
            frame = frames[index // (60 * rate) % 12]
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return path


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_five_minutes(tiny_detector: Path, tmp_path: Path) -> None:
    path = write_hour(tmp_path / "hour.mp4", rate=5)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tiny_detector), str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["frames"], told["error"]) == (3600, None)
    early = max(size for seconds, size in told["found"] if seconds <= 300)
    late = max(size for seconds, size in told["found"] if seconds > 300)
    # A frame as RGB is 230 kB, and 3,300 of them 760 MB; what is kept of each is less than 1 kB, 3.3 MB in all.
    assert late - early < 12e6
