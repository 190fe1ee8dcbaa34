"""Pictures that are the same, or nearly, among many: without comparing each with each."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64, UInt64

from telltale.errors import InvalidConfig

BANDS = 16
BAND_BITS = 16
# Two hashes with more than one differing bit in each of the 16 bands differ in 32 bits at least.
MOST_BITS = 2 * BANDS - 1
# Candidates compared at once: bounds the memory, not the result.
_AT_ONCE = 4_000_000

Pair = tuple[int, int, int]


def look_alikes(hashes: Sequence[str], bits: int) -> list[Pair]:
    """Pairs of pictures whose perceptual hashes differ in at most `bits` bits.

    Complete: the 256 bits are cut into 16 bands, and hashes are compared that differ in at most one bit of one band.
    With at most 31 differing bits there is always such a band. Of pictures with one and the same hash, each is paired
    with the first.

    Args:
        hashes: as `perceptual_hash` makes them; "" is like no other.
        bits: 0 to 31.

    Returns:
        (first, second, differing bits), first < second, sorted.

    Raises:
        InvalidConfig: `bits` out of range.
    """
    if not 0 <= bits <= MOST_BITS:
        raise InvalidConfig(expected=f"0 to {MOST_BITS} differing bits", found=str(bits), do="Correct the threshold.")
    first: dict[str, int] = {}
    same = [(first[text], number, 0) for number, text in enumerate(hashes) if text and _met(first, text, number)]
    if len(first) < 2:
        return same
    numbers = list(first.values())
    words = _words(first)
    found = {pair for band in _bands(words).T for pair in _close(words, np.ascontiguousarray(band), bits)}
    return sorted(same + [_numbered(numbers, pair) for pair in found])


def _met(first: dict[str, int], text: str, number: int) -> bool:
    """Whether this hash was met before; remembers where."""
    return first.setdefault(text, number) != number


def _numbered(numbers: Sequence[int], pair: Pair) -> Pair:
    one, other = sorted((numbers[pair[0]], numbers[pair[1]]))
    return one, other, pair[2]


def _words(hashes: dict[str, int]) -> UInt64[np.ndarray, "n 4"]:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(len(hashes), -1)


def _bands(words: UInt64[np.ndarray, "n 4"]) -> Int64[np.ndarray, "n 16"]:
    """Neighbouring frequencies agree in aligned faces, so each band takes its bits from all over the spectrum."""
    bits = np.unpackbits(words.view(np.uint8), axis=1)
    mixed = bits[:, np.random.default_rng(0).permutation(bits.shape[1])]
    return mixed.reshape(len(words), BANDS, BAND_BITS).astype(np.int64) @ (1 << np.arange(BAND_BITS))


def _close(words: UInt64[np.ndarray, "n 4"], band: Int64[np.ndarray, " n"], bits: int) -> Iterator[Pair]:
    """Pairs among hashes that agree in this band, or in all of it but one bit."""
    order = np.argsort(band, kind="stable")
    ordered = band[order]
    # Where each value of the band begins in the sorted list.
    start = np.searchsorted(ordered, np.arange((1 << BAND_BITS) + 1))
    place = np.arange(len(order))
    yield from _compared(words, order, place, place + 1, start[ordered + 1], bits)
    for bit in 1 << np.arange(BAND_BITS):
        without = np.flatnonzero(ordered & bit == 0)
        partner = ordered[without] | bit
        yield from _compared(words, order, without, start[partner], start[partner + 1], bits)


def _compared(
    words: UInt64[np.ndarray, "n 4"],
    order: Int64[np.ndarray, " n"],
    place: Int64[np.ndarray, " m"],
    first: Int64[np.ndarray, " m"],
    last: Int64[np.ndarray, " m"],
    bits: int,
) -> Iterator[Pair]:
    """Compare the hash at each place of the sorted list with those at `first` to `last`."""
    count = np.maximum(last - first, 0)
    if not count.any():
        return
    ends = np.cumsum(count)
    cuts = np.searchsorted(ends, np.arange(0, ends[-1], _AT_ONCE))
    for begin, end in zip(cuts, [*cuts[1:], len(place)], strict=True):
        many = count[begin:end]
        one = np.repeat(place[begin:end], many)
        skipped = np.repeat(np.cumsum(many) - many, many)
        other = np.repeat(first[begin:end], many) + np.arange(len(one)) - skipped
        differing = np.bitwise_count(words[order[one]] ^ words[order[other]]).sum(axis=1)
        for index in np.flatnonzero(differing <= bits):
            low, high = sorted((int(order[one[index]]), int(order[other[index]])))
            yield low, high, int(differing[index])
