"""The file of a video: what is opened at all, its picture track, and how long its header says it is.

Needs PyAV (`[video]` extra), which the caller brings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from telltale.errors import UndecodableVideo

ENDINGS = frozenset(
    (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".wmv", ".flv", ".ogv")
)
# TypeScript's more often than a transport stream's: the file's first bytes decide.
SHARED = frozenset((".ts", ".mts"))
# Bytes of a packet, and where in it the byte stands by which each is known; cameras put four of their own first.
_PACKETS, _SYNC = ((188, 0), (192, 4)), 0x47
# FFmpeg's names of containers that hold one film and nothing else: a playlist, which names further files and
# addresses, is never opened, whatever its ending.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg"


def is_video(path: Path) -> bool:
    """Whether a file's ending is that of a video; where others share the ending, its first bytes are read."""
    ending = path.suffix.lower()
    return ending in ENDINGS or (ending in SHARED and _is_transport_stream(path))


def _is_transport_stream(path: Path) -> bool:
    try:
        # Not of a pipe: what is read of it is gone.
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(3 * 192)
    # What cannot be read is told when it is scored. A path with a null character raises ValueError.
    except (OSError, ValueError):
        return False
    return any(
        len(head) > place + 2 * size and {head[place], head[place + size], head[place + 2 * size]} == {_SYNC}
        for size, place in _PACKETS
    )


def endings() -> str:
    """Which files are taken for videos, in words."""
    return f"{' '.join(sorted(ENDINGS))}, and {' '.join(sorted(SHARED))} with a transport stream inside"


@contextmanager
def opened(av: Any, path: Path) -> Iterator[Any]:
    """PyAV's container of a file that holds one film.

    Raises:
        UndecodableVideo: missing, empty, or not a video.
    """
    with _bytes_of(path) as stream:
        try:
            options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
            container = av.open(stream, options=options)
        # A damaged header can raise nearly anything; each means the same to the caller.
        except (av.error.FFmpegError, ValueError, EOFError) as error:
            # The last of an FFmpegError's words is the file's own name.
            why = getattr(error, "strerror", None) or error.args[-1]
            raise undecodable(f"a file that does not open as a video ({why})", path) from error
        with container:
            yield container


def _bytes_of(path: Path) -> BinaryIO:
    try:
        stream = path.open("rb")  # `opened` closes it
        if stream.seekable() and not stream.read(1):
            stream.close()
            raise undecodable("an empty file (0 bytes)", path)
        stream.seek(0)
        return stream
    # A path with a null character raises ValueError.
    except (OSError, ValueError) as error:
        raise undecodable(f"a file that cannot be read ({error.args[-1]})", path) from error


def picture_track(container: Any, path: Path) -> Any:
    """The first picture track that is not a cover of a record.

    Raises:
        UndecodableVideo: none, or one in an unknown codec.
    """
    for stream in container.streams.video:
        if "attached_pic" not in str(stream.disposition).lower():
            if stream.codec_context is None:
                raise undecodable("a picture track in a codec that this FFmpeg does not know", path)
            return stream
    heard = "sound only" if container.streams.audio else "no picture track"
    raise undecodable(f"a file with {heard}", path)


def stated(stream: Any) -> Fraction | None:
    """The length of the picture track by the file's header; None where only the whole file's is stated."""
    # FFmpeg gives every track of a Windows Media file the whole file's length: its sound may go on for longer.
    if stream.container.format.name == "asf":
        return None
    if stream.duration is not None:
        # FFmpeg shortens an AVI without its index, as a cut leaves it, to what is there; the header's count stays.
        frames = stream.frames if stream.container.format.name == "avi" else 0
        return Fraction(max(stream.duration, frames) * stream.time_base)
    # Matroska: HH:MM:SS.fraction. Some writers leave it at zero.
    parts = stream.metadata.get("DURATION", "").strip("\0").split(":")
    try:
        hours, minutes, seconds = (Fraction(part) for part in parts)
    except ValueError:
        return None
    # It is the time at which the track ends, and a track may begin later than the others.
    return 3600 * hours + 60 * minutes + seconds - Fraction((stream.start_time or 0) * stream.time_base)


def undecodable(found: str, path: Path) -> UndecodableVideo:
    """The one error of files that are no whole video."""
    return UndecodableVideo(
        expected="a video (MP4, MOV, MKV, WebM, AVI, MPEG, ...)",
        found=f"{found}: {path}",
        do="Check the file, or leave it out.",
    )
