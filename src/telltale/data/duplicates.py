"""Pictures that are the same, or nearly, among many: without comparing each with each."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64, UInt16, UInt64

from telltale.data.perceptual import BANDS
from telltale.errors import InvalidConfig

# With fewer differing bits than bands, two hashes agree in at least one band.
MOST_BITS = BANDS - 1

Pair = tuple[int, int, int]


def look_alikes(hashes: Sequence[str], bits: int) -> list[Pair]:
    """Pairs of pictures whose perceptual hashes differ in at most `bits` bits.

    Complete: the 256 bits are cut into 16 bands, hashes that agree in a whole band are compared, and with at most 15
    differing bits one of the 16 bands must agree. Of pictures with one and the same hash each is paired with the first.

    Args:
        hashes: as `perceptual_hash` makes them; "" is like no other.
        bits: 0 to 15.

    Returns:
        (first, second, differing bits), first < second, sorted.

    Raises:
        InvalidConfig: `bits` out of range.
    """
    if not 0 <= bits <= MOST_BITS:
        raise InvalidConfig(expected=f"0 to {MOST_BITS} differing bits", found=str(bits), do="Correct the threshold.")
    first: dict[str, int] = {}
    same = [(first[text], number, 0) for number, text in enumerate(hashes) if text and _met(first, text, number)]
    numbers = np.array(list(first.values()), dtype=np.int64)
    if len(numbers) < 2:
        return same
    words, bands = _words(list(first)), _bands(list(first))
    found = {pair for band in bands.T for pair in _close(words, band, bits)}
    return sorted(same + [_numbered(numbers, pair) for pair in found])


def _met(first: dict[str, int], text: str, number: int) -> bool:
    """Whether this hash was met before; remembers where."""
    return first.setdefault(text, number) != number


def _numbered(numbers: Int64[np.ndarray, " n"], pair: Pair) -> Pair:
    one, other = sorted((int(numbers[pair[0]]), int(numbers[pair[1]])))
    return one, other, pair[2]


def _words(hashes: Sequence[str]) -> UInt64[np.ndarray, "n 4"]:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(len(hashes), -1)


def _bands(hashes: Sequence[str]) -> UInt16[np.ndarray, "n 16"]:
    """Neighbouring frequencies agree in aligned faces, so each band takes its bits from all over the spectrum."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), -1)
    bits = np.unpackbits(packed, axis=1)
    mixed = np.random.default_rng(0).permutation(bits.shape[1])
    return np.ascontiguousarray(np.packbits(bits[:, mixed], axis=1)).view(np.uint16)


def _close(words: UInt64[np.ndarray, "n 4"], band: UInt16[np.ndarray, " n"], bits: int) -> Iterator[Pair]:
    """Pairs among hashes that agree in this band: sorted by it, each is compared with the 1st, 2nd, ... after it."""
    order = np.argsort(band, kind="stable")
    ordered = band[order]
    start = np.arange(len(order))
    for step in range(1, len(order)):
        start = start[start + step < len(order)]
        start = start[ordered[start] == ordered[start + step]]
        if not len(start):
            return
        one, other = order[start], order[start + step]
        differing = np.bitwise_count(words[one] ^ words[other]).sum(axis=1)
        for index in np.flatnonzero(differing <= bits):
            yield int(one[index]), int(other[index]), int(differing[index])
