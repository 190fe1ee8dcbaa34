"""Pictures that are in a data set more than once: under both labels, or on two sides of a split."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from telltale.data.cue_table import Record
from telltale.data.duplicates import look_alikes
from telltale.data.sample import Sample

# Of 256 bits of the perceptual hash: `telltale build` takes the same by default.
ALIKE_BITS = 8

Paths = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Paths of the same picture.

    Attributes:
        same_across_labels: equal bytes or equal pixels, real here and fake there.
        same_across_splits: equal bytes or equal pixels, in two splits.
        alike_across_labels: pairs that look alike, real and fake, and are not of one group (a re-synthesis and its
            original are meant to look alike).
        alike_across_splits: pairs that look alike, in two splits.
        same: sets of equal pictures in all.
    """

    same_across_labels: tuple[Paths, ...]
    same_across_splits: tuple[Paths, ...]
    alike_across_labels: tuple[Paths, ...]
    alike_across_splits: tuple[Paths, ...]
    same: int


def find_repeats(samples: Sequence[Sample], records: Sequence[Record]) -> Repeats:
    """Compare files by bytes and pixels, and by perceptual hash."""
    sets = _equal(records)
    same = {(one, other) for members in sets for one in members for other in members}
    pairs = [(one, other) for one, other, _ in look_alikes([record.look for record in records], ALIKE_BITS)]
    alike = [pair for pair in pairs if pair not in same]
    apart = [(one, other) for one, other in alike if not _one_group(samples[one], samples[other])]
    return Repeats(
        same_across_labels=_across(samples, sets, lambda sample: sample.is_fake),
        same_across_splits=_across(samples, sets, lambda sample: sample.split),
        alike_across_labels=_across(samples, apart, lambda sample: sample.is_fake),
        alike_across_splits=_across(samples, alike, lambda sample: sample.split),
        same=len(sets),
    )


def _equal(records: Sequence[Record]) -> list[list[int]]:
    """Sets of records with equal pixels: equal bytes have those too."""
    found = defaultdict(list)
    for number, record in enumerate(records):
        found[record.pixel_hash].append(number)
    return [members for members in found.values() if len(members) > 1]


def _one_group(one: Sample, other: Sample) -> bool:
    return one.group != "" and one.group == other.group


def _across(
    samples: Sequence[Sample], sets: Iterable[Sequence[int]], what: Callable[[Sample], object]
) -> tuple[Paths, ...]:
    """Those sets whose members differ in something that is known of them; no split is no side."""
    return tuple(
        tuple(str(samples[number].path) for number in members)
        for members in sets
        if len({what(samples[number]) for number in members} - {None, ""}) > 1
    )
