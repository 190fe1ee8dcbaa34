"""Frames of a video, one at a time: upright 8-bit RGB pixels and the time at which a player shows them.

Memory does not grow with the video's length: one frame is held, and what the decoder itself keeps. Needs PyAV, which
brings FFmpeg's decoders along (`[video]` extra).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from telltale.data.video_file import opened, picture_track, stated, undecodable
from telltale.errors import InvalidConfig, TooManyPixels, require
from telltale.image import MAX_PIXELS, Pixels, Resized

# A film that ends this much before its header says was cut off; edit lists and rounding explain less.
_MISSING = Fraction(1, 2)
_UNSPECIFIED = 2
# A stride of so many seconds and more means nothing.
ENDLESS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a video.

    Attributes:
        number: of the frames handed on, from 0.
        seconds: when a player shows it, from the video's beginning; from the file's time stamps, so that a variable
            frame rate is right.
        pixels: upright, as the file's display matrix says.
    """

    number: int
    seconds: float
    pixels: Pixels


def frames(
    path: Path,
    *,
    every_seconds: float | None = None,
    every_frames: int | None = None,
    max_frames: int | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
    ended: Callable[[float], None] | None = None,
) -> Iterator[Frame]:
    """Hand on a video's frames in the order in which they are shown.

    What is damaged is passed over; when all that could be decoded has been handed on, one error says what was missing
    and at what time. So a partial result is the caller's, and the reason comes with it.

    Args:
        path: the file.
        every_seconds: the first frame, then the first at or after each multiple of this; gaps are not filled.
        every_frames: every so many frames instead. With neither, every frame.
        max_frames: stop after so many.
        max_pixels: refuse larger frames, by the header before anything is decoded.
        threads: of the decoder.
        ended: called when all has been read, before the error of a damaged file, with the second at which the last
            picture is no longer shown; known only then, since no header can be trusted.

    Raises:
        UndecodableVideo: missing, empty, not a video, without a picture track (audio only), or damaged; the last after
            the frames that could be decoded.
        TooManyPixels: frames larger than the limit.
        InvalidConfig: two strides, or numbers that mean nothing.
        MissingExtra: without the `[video]` extra.
    """
    _check(every_seconds, every_frames, max_frames)
    av = require("av", "video")
    return _frames(av, path, _Stride(every_seconds, every_frames or 1), max_frames, max_pixels, threads, ended)


def _frames(
    av: Any,
    path: Path,
    stride: "_Stride",
    max_frames: int | None,
    max_pixels: int,
    threads: int,
    ended: Callable[[float], None] | None,
) -> Iterator[Frame]:
    with opened(av, path) as container:
        stream = picture_track(container, path)
        _check_pixels(stream.codec_context, path, max_pixels)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        clock, damage, convert, number = _Clock(stream), _Damage(path), _converter(av), 0
        for frame in _decoded(av, container, stream, stride, clock, damage):
            seconds = clock.of(frame)
            if not stride.wants(seconds):
                continue
            _check_pixels(frame, path, max_pixels)
            yield Frame(number=number, seconds=float(seconds), pixels=convert(frame))
            number += 1
            if number == max_frames:
                break
        else:
            damage.check_end(stream, clock)
            if ended is not None:
                ended(float(max(clock.end, clock.last or 0)))
        damage.check(any_frame=number > 0)


def _decoded(
    av: Any, container: Any, stream: Any, stride: "_Stride", clock: "_Clock", damage: "_Damage"
) -> Iterator[Any]:
    """Every frame that can be decoded, but for those that nothing needs."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.is_corrupt:
                damage.add(clock.last, "a packet that is cut off or damaged")
            clock.see(packet)
            # No other frame refers to these, and the stride passes over them: the result is the same without.
            stream.codec_context.skip_frame = "NONREF" if stride.passes(clock.of_packet(packet)) else "DEFAULT"
            for frame in packet.decode():
                if frame.is_corrupt:
                    damage.add(clock.last, "a frame that the decoder calls corrupt")
                else:
                    yield frame
        except av.error.FFmpegError as error:
            damage.add(clock.last, error.strerror or str(error))
            if damage.count > 1000:
                return


class _Stride:
    """Which frames are wanted."""

    def __init__(self, every_seconds: float | None, every_frames: int) -> None:
        self._every = None if every_seconds is None else Fraction(every_seconds).limit_denominator(1_000_000)
        self._every_frames = every_frames
        self._count = 0
        self._next = Fraction(0)

    def wants(self, seconds: Fraction) -> bool:
        """Whether to hand this frame on; every frame that was decoded is asked for once, in order."""
        if self._every is None:
            self._count += 1
            return (self._count - 1) % self._every_frames == 0
        if seconds < self._next:
            return False
        self._next = (seconds // self._every + 1) * self._every
        return True

    def passes(self, seconds: Fraction | None) -> bool:
        """Whether a frame of this time is certain not to be wanted."""
        return self._every is not None and seconds is not None and 0 <= seconds < self._next


class _Clock:
    """Time stamps to seconds from the beginning, never running backwards."""

    def __init__(self, stream: Any) -> None:
        self._base = stream.time_base or Fraction(1, 25)
        self._step = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        self._start = None if stream.start_time is None else stream.start_time * self._base
        self.last: Fraction | None = None
        self.end = Fraction(0)

    def of(self, frame: Any) -> Fraction:
        """When a decoded frame is shown; frames come in the order of their time."""
        stamp = frame.dts if frame.pts is None else frame.pts
        following = Fraction(0) if self.last is None else self.last + self._step
        if stamp is None:
            seconds = following
        else:
            absolute = stamp * (frame.time_base or self._base)
            self._start = absolute if self._start is None else self._start
            seconds = absolute - self._start
            # Clips joined without mending their time stamps begin again: go on from where the last one ended.
            if self.last is not None and seconds < self.last:
                self._start, seconds = absolute - following, following
        self.last = max(seconds, Fraction(0))
        return self.last

    def of_packet(self, packet: Any) -> Fraction | None:
        """When its frame will be shown; None where that is not certain."""
        return None if packet.pts is None or self._start is None else packet.pts * self._base - self._start

    def see(self, packet: Any) -> None:
        """Remember how far the file reaches."""
        seconds = self.of_packet(packet)
        if seconds is not None and not packet.is_corrupt:
            self.end = max(self.end, seconds + (packet.duration or 0) * self._base)


@dataclass(slots=True)
class _Damage:
    """What was passed over."""

    path: Path
    count: int = 0
    first: str = field(default="")

    def add(self, seconds: Fraction | None, reason: str) -> None:
        self.count += 1
        self.first = self.first or f"{reason} {_place(seconds)}"

    def check_end(self, stream: Any, clock: _Clock) -> None:
        """A film that ends before its header says it does was cut off."""
        length = stated(stream)
        if length is not None and length - clock.end > _MISSING:
            self.add(clock.end, f"the end, {float(length):.1f} s by the header,")

    def check(self, *, any_frame: bool) -> None:
        """Raise if anything was missing."""
        if not any_frame:
            raise undecodable(f"no frame that can be decoded ({self.first or 'a track without frames'})", self.path)
        if self.count:
            more = f" and {self.count - 1:,} more" if self.count > 1 else ""
            raise undecodable(f"a damaged one: {self.first}{more}", self.path)


def _place(seconds: Fraction | None) -> str:
    return "at the beginning" if seconds is None else f"after {float(seconds):.2f} s"


def _check_pixels(sized: Any, path: Path, max_pixels: int) -> None:
    if sized.width * sized.height > max_pixels:
        raise TooManyPixels(
            expected=f"frames of at most {max_pixels:,} pixels",
            found=f"{sized.width} x {sized.height} = {sized.width * sized.height:,}: {path}",
            do="Raise the limit with --max-pixels (max_pixels=) if you trust the file.",
        )


def _converter(av: Any) -> Any:
    """A function from a decoded frame to upright RGB pixels; FFmpeg's tables are made once."""
    reformatter = av.video.reformatter.VideoReformatter()

    def convert(frame: Any) -> Pixels:
        # Where the file does not say, large frames are BT.709 and small ones BT.601, as players have it.
        large = frame.height > 576 or frame.width >= 1280
        matrix = "ITU709" if int(frame.colorspace) == _UNSPECIFIED and large else None
        rgb = reformatter.reformat(frame, format="rgb24", src_colorspace=matrix)
        return upright(rgb.to_ndarray(), _display_matrix(frame))

    return convert


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
            return a, b, c, d
    return 1, 0, 0, 1


def upright(pixels: Pixels, matrix: tuple[int, int, int, int]) -> Resized:
    """Turn and mirror as a display matrix says: column x, row y are shown at (ax + cy, bx + dy).

    Args:
        pixels: as they were coded.
        matrix: a, b, c, d; angles between quarter turns become the nearest.
    """
    a, b, c, d = matrix
    across, down = (c, b) if abs(c) > abs(a) else (a, d)
    turned = pixels.transpose(1, 0, 2) if abs(c) > abs(a) else pixels
    return np.ascontiguousarray(turned[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _check(every_seconds: float | None, every_frames: int | None, max_frames: int | None) -> None:
    sound = every_seconds is None or (every_frames is None and 1e-6 <= every_seconds < ENDLESS)
    if not (sound and (every_frames or 1) >= 1 and every_frames != 0 and (max_frames is None or max_frames >= 1)):
        raise InvalidConfig(
            expected="a stride in seconds above 0 or one of 1 frame or more, not both, and 1 frame or more in all",
            found=f"every_seconds {every_seconds}, every_frames {every_frames}, max_frames {max_frames}",
            do="Correct the numbers.",
        )
