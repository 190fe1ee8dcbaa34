"""Splits by group: whatever belongs together lands on one side."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from telltale.data.sample import Sample
from telltale.errors import InvalidConfig

# Earlier ones win where a group lies on several sides: a test set that lost pictures is still clean.
ORDER = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the pictures without a split goes where, as any three numbers; they need not add up to 1."""

    train: float = 80.0
    validation: float = 10.0
    test: float = 10.0

    def __post_init__(self) -> None:
        """Refuse shares that mean nothing.

        Raises:
            InvalidConfig: a negative share, or nothing but zeros.
        """
        shares = (self.train, self.validation, self.test)
        if not all(share >= 0 for share in shares) or not 0 < sum(shares) < float("inf"):
            raise InvalidConfig(
                expected="three shares of 0 or more, not all 0", found=str(shares), do="For instance 80/10/10."
            )

    def draw(self, name: str, seed: int) -> str:
        """The split of a group: always the same for one name, seed and shares."""
        number = int.from_bytes(sha256(f"{seed} split {name}".encode()).digest()[:8]) / 2**64
        total = self.train + self.validation + self.test
        if number < self.train / total:
            return "train"
        return "validation" if number < (self.train + self.validation) / total else "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where each sample goes.

    Attributes:
        splits: of each sample.
        groups: of each sample: its own group, or one name for all that must stay together with it.
        torn: (first, second) samples that belong together and came with different splits.
        drawn: samples whose split was drawn, since neither they nor any that they belong to came with one.
    """

    splits: list[str]
    groups: list[str]
    torn: list[tuple[int, int]]
    drawn: frozenset[int]


def place(
    samples: Sequence[Sample],
    keys: Sequence[str],
    pairs: Iterable[tuple[int, int]],
    *,
    shares: Shares,
    seed: int,
    move: bool,
) -> Placement:
    """Give every sample a split and a group.

    Samples of one group, and samples that are paired, belong together. A split that a sample comes with is kept; a
    sample without one follows those it belongs to, else a split is drawn for all of them.

    Args:
        samples: the samples.
        keys: of each, something that its content decides.
        pairs: samples to keep together.
        shares: of the splits that are drawn.
        seed: of the drawing.
        move: where samples that belong together come with different splits, put all of them on the earliest of train,
            validation, test; otherwise they stay where they are.
    """
    splits = [sample.split for sample in samples]
    groups = [sample.group for sample in samples]
    torn: list[tuple[int, int]] = []
    without: set[int] = set()
    for members in _together(samples, pairs):
        firsts = {splits[member]: member for member in reversed(members) if splits[member]}
        there = [split for split in ORDER if split in firsts]
        torn.extend((firsts[there[0]], firsts[split]) for split in there[1:])
        named = sorted({samples[member].group for member in members} - {""})
        name = named[0] if named else f"alike-{min(keys[member] for member in members)[:12]}"
        drawn = there[0] if there else shares.draw(named[0] if named else min(keys[member] for member in members), seed)
        without.update(() if there else members)
        for member in members:
            splits[member] = drawn if move or not splits[member] else splits[member]
            groups[member] = name if len(members) > 1 else groups[member]
    return Placement(splits=splits, groups=groups, torn=torn, drawn=frozenset(without))


def _together(samples: Sequence[Sample], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Lists of samples that belong together, each sorted; a sample alone is a list of one."""
    parent = list(range(len(samples)))

    def head(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in (*_of_one_group(samples), *pairs):
        first, second = sorted((head(one), head(other)))
        parent[second] = first
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number in range(len(samples)):
        members[head(number)].append(number)
    return list(members.values())


def _of_one_group(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    return [(first.setdefault(sample.group, number), number) for number, sample in enumerate(samples) if sample.group]
