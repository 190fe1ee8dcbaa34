"""Files taken apart into segments and chunks: what names an encoder, and which bytes code no pixel."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How a file is put together.

    Attributes:
        marks: segments or chunks in file order, with the details that tell encoders apart.
        overhead: bytes that follow no content: headers, metadata, quantisation tables, trailing data. Coded pixels,
            Huffman tables, scan headers and palettes are left out.
    """

    marks: str
    overhead: int


def container(data: bytes, kind: str) -> Container | None:
    """Take a JPEG, PNG or WebP file apart; None for other formats.

    A damaged file is read as far as its lengths hold.

    Args:
        data: the whole file.
        kind: Pillow's name of its format.
    """
    if kind not in _READERS:
        return None
    parts = list(_READERS[kind](data))
    marks = " ".join(mark for mark, _ in groupby(part.mark for part in parts if part.mark))
    return Container(marks=marks, overhead=len(data) - sum(part.content for part in parts))


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment or chunk: what names it, and how many of its bytes follow the content."""

    mark: str
    content: int


# The next marker after coded pixels: 0xFF 0x00 is a coded byte, 0xFF 0xD0 to 0xD7 restart the coder.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_HUFFMAN, _END, _SCAN = 0xC4, 0xD9, 0xDA
_JPEG_NAMES = {0xDB: "DQT", 0xDD: "DRI", _SCAN: "SOS", 0xFE: "COM"}


def _jpeg(data: bytes) -> Iterator[_Part]:
    """Segments up to the end of the picture; what lies behind the first scan is counted and not named."""
    place, scanned = 2, False
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _END:
        kind = data[place + 1]
        if kind == 0xFF:
            place += 1
            continue
        start, place = place, min(place + 2 + struct.unpack_from(">H", data, place + 2)[0], len(data))
        mark = "" if scanned else _jpeg_mark(kind, data[start + 4 : place])
        if kind == _SCAN:
            found = _AFTER_SCAN.search(data, place)
            place, scanned = found.start() if found else len(data), True
        # How many scans there are, and which codes they need, follows the content.
        yield _Part(mark, place - start if kind in (_HUFFMAN, _SCAN) else 0)


def _jpeg_mark(kind: int, body: bytes) -> str:
    if kind == _HUFFMAN:
        return "DHT:standard" if _is_standard_huffman(body) else "DHT:optimised"
    if 0xC0 <= kind <= 0xCF:
        return f"SOF{kind - 0xC0}"
    if 0xE0 <= kind <= 0xEF:
        return f"APP{kind - 0xE0}:{_application(body)}"
    return _JPEG_NAMES.get(kind, f"{kind:02X}")


def _application(body: bytes) -> str:
    """Whose segment it is; a JFIF header also has a version, a unit and a density, which encoders fill differently."""
    owner = body.split(b"\0", 1)[0][:16].decode("ascii", "replace")
    if owner == "JFIF" and len(body) >= 12:
        _, major, minor, unit, across, down = struct.unpack_from(">5s3B2H", body)
        return f"JFIF-{major}.{minor:02d}-{unit}-{across}x{down}"
    return "".join(letter for letter in owner if letter.isprintable() and not letter.isspace())


def _is_standard_huffman(body: bytes) -> bool:
    """The tables of ITU-T T.81, annex K, code all 12 or 162 symbols; those made for one picture leave some out."""
    place = 0
    while place + 17 <= len(body):
        count = sum(body[place + 1 : place + 17])
        if count != (162 if body[place] >> 4 else 12):
            return False
        place += 17 + count
    return True


def _png(data: bytes) -> Iterator[_Part]:
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        start, place = place, min(place + 12 + length, len(data))
        yield _Part(kind.decode("latin-1"), place - start if kind in (b"IDAT", b"PLTE", b"tRNS") else 0)
        if kind == b"IEND":
            return


def _webp(data: bytes) -> Iterator[_Part]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        body, place = place + 8, min(place + 8 + length + length % 2, len(data))
        yield _Part(kind.decode("latin-1").strip(), place - body if kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF") else 0)


_READERS: dict[str, Callable[[bytes], Iterator[_Part]]] = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}
