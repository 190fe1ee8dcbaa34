"""Another spec into the same weights: every byte of the network stays as it is.

Both kinds of file keep the spec beside the weights, so that it can be exchanged without reading a single weight, and
without torch or onnx:

- safetensors: eight bytes of length, a JSON header, the weights; the spec is in the header's `__metadata__`;
- ONNX: a protobuf message, a sequence of fields; the spec is in a field `metadata_props` (number 14) of its own.
"""

import json
from collections.abc import Iterator

from telltale.errors import InvalidDetector
from telltale.spec import METADATA_KEY, DetectorSpec

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def with_spec(data: bytes, spec: DetectorSpec, *, ending: str) -> bytes:
    """The file's bytes with another spec.

    Args:
        data: of an ONNX or safetensors file of telltale.
        spec: the new one.
        ending: ".onnx" or ".safetensors".

    Raises:
        InvalidDetector: another ending, or a damaged file.
    """
    writers = {".onnx": _in_onnx, ".safetensors": _in_safetensors}
    if ending not in writers:
        raise InvalidDetector(
            expected="an .onnx or .safetensors file", found=ending or "no ending", do="Name one of the two."
        )
    try:
        return writers[ending](data, spec.to_json())
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InvalidDetector(
            expected=f"a whole {ending} file", found=f"a damaged one ({error})", do="Export or train it again."
        ) from error


def _in_safetensors(data: bytes, text: str) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = {**header.get("__metadata__", {}), METADATA_KEY: text}
    said = json.dumps(header, separators=(",", ":")).encode()
    # The format asks that the weights begin at a multiple of eight bytes.
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said + data[8 + length :]


def _in_onnx(data: bytes, text: str) -> bytes:
    """Everything else in its place, byte for byte; the new entry at the end, where protobuf allows it."""
    kept = [data[first:last] for first, last, content in _fields(data) if content is None or not _is_ours(content)]
    entry = _field(_KEY, METADATA_KEY.encode()) + _field(_VALUE, text.encode())
    return b"".join(kept) + _field(_METADATA_PROPS, entry)


def _is_ours(content: bytes) -> bool:
    return content.startswith(_field(_KEY, METADATA_KEY.encode()))


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes | None]]:
    """(first byte, end, content) of every field of the outermost message; content of metadata only."""
    place = 0
    while place < len(data):
        first = place
        tag, place = _varint(data, place)
        content = None
        if tag & 7 == _VARINT:
            place = _varint(data, place)[1]
        elif tag & 7 == _BYTES:
            length, begin = _varint(data, place)
            place = begin + length
            content = data[begin:place] if tag >> 3 == _METADATA_PROPS else None
        elif tag & 7 in (_FIXED64, _FIXED32):
            place += 8 if tag & 7 == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {tag & 7}")
        if place > len(data):
            raise ValueError("the last field is cut off")
        yield first, place, content


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _length(len(content)) + content


def _length(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
