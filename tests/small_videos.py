"""Videos made for a test: small, and wrong in one way at a time."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale.image import Pixels

av: Any = pytest.importorskip("av")


def shade(index: int, *, height: int = 48, width: int = 64) -> Pixels:
    """A frame that is told from its neighbours by its brightness: `index` steps of 16 above 16, a lighter top left."""
    pixels = np.full((height, width, 3), 16 + 16 * (index % 12), np.uint8)
    pixels[: height // 2, : width // 2] += 32
    return pixels


def index_of(pixels: Pixels) -> int:
    """Which `shade` a decoded frame is, by its lower right."""
    return round((float(pixels[-8:, -8:].mean()) - 16) / 16)


def write_video(
    path: Path,
    images: Sequence[Pixels],
    *,
    milliseconds: Sequence[int] | None = None,
    rate: int = 10,
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
    matrix: Sequence[int] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """One track of pictures, `rate` a second or at the times given; nearly lossless."""
    height, width = images[0].shape[:2]
    with av.open(str(path), "w", options=container_options or {}) as container:
        track = container.add_stream(codec, rate=rate)
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        track.bit_rate = 4_000_000
        track.options = options or {}
        track.codec_context.time_base = Fraction(1, 1000 if milliseconds else rate)
        for index, pixels in enumerate(images):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = milliseconds[index] if milliseconds else index
            frame.time_base = track.codec_context.time_base
            container.mux(track.encode(frame))
        container.mux(track.encode())
    if matrix is not None:
        _set_matrix(path, matrix)
    return path


def _set_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Write a, b, c, d into the track header of an MP4 file, as phones do; 16.16 numbers."""
    data = bytearray(path.read_bytes())
    # The box: 4 bytes of size, the name, version and flags, 20 of times and ids, 8 reserved, 8 of layer and volume.
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = matrix
    numbers = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)


def write_sound(path: Path) -> Path:
    """Half a second of silence and nothing to look at."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=8000)
        track.layout = "mono"
        frame = av.AudioFrame(format="fltp", layout="mono", samples=4096)
        frame.sample_rate = 8000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(track.encode(frame))
        container.mux(track.encode())
    return path


def write_long_sound(path: Path, images: Sequence[Pixels], *, codec: str, sound: str, seconds: int) -> Path:
    """Ten pictures a second, and silence that goes on for longer."""
    rate = 44100
    with av.open(str(path), "w") as container:
        track, heard = container.add_stream(codec, rate=10), container.add_stream(sound, rate=rate)
        track.height, track.width, track.pix_fmt = *images[0].shape[:2], "yuv420p"
        heard.layout, heard.bit_rate = "mono", 64_000
        packets = []
        for index, pixels in enumerate(images):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts = index
            packets += track.encode(picture)
        packets += track.encode()
        container.start_encoding()
        samples = heard.codec_context.frame_size
        for index in range(seconds * rate // samples):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
            frame.sample_rate, frame.pts = rate, index * samples
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            packets += heard.encode(frame)
        for packet in sorted([*packets, *heard.encode()], key=lambda one: one.dts * one.time_base):
            container.mux(packet)
    return path
