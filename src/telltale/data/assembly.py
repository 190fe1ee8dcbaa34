"""Join built pictures with their labels: contradictions, duplicates, splits, and the rows of the index."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from telltale.data.duplicates import Pair, look_alikes
from telltale.data.making import Row, built_name
from telltale.data.sample import Sample
from telltale.data.settings import BuildSettings
from telltale.data.splits import ORDER, Placement, Shares, place

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A sample whose picture was built.

    Attributes:
        sample: what it is.
        key: of its built picture.
        facts: of its built picture and its original file.
        twins: re-synthesis -> (key, facts).
    """

    sample: Sample
    key: str
    facts: Row
    twins: Mapping[str, tuple[str, Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """A built data set, before it is written.

    Attributes:
        rows: of the index, sorted by path.
        failures: of `failures.csv`: originals that contradict each other.
        duplicates: of `duplicates.csv`.
        drawn: originals whose split was drawn.
    """

    rows: list[Row]
    failures: list[Row]
    duplicates: list[Row]
    drawn: int


def assemble(
    originals: Sequence[Original], settings: BuildSettings, *, shares: Shares, bits: int, move: bool
) -> Assembly:
    """Decide what is part of the data set, and on which side of the split.

    The same bytes labelled real here and fake there are left out altogether: nobody knows what they are. Of originals
    with the same bytes (and the same face box) and one label, one is kept.

    Args:
        originals: in any order; the result does not depend on it.
        settings: of the build.
        shares: of the splits that are drawn.
        bits: see `look_alikes`.
        move: see `place`.
    """
    ordered = sorted(originals, key=_rank)
    torn_apart = _contradicting(ordered)
    failures = [
        failure_row(one.sample, "", why) for number, one in enumerate(ordered) if (why := torn_apart.get(number))
    ]
    sound = [one for number, one in enumerate(ordered) if number not in torn_apart]
    same = _same(sound)
    alike = _alike(sound, {second for _, second, _ in same}, bits)
    placement = place(
        [one.sample for one in sound],
        [str(one.facts["sha256"]) for one in sound],
        [(first, second) for first, second, _ in (*same, *alike)],
        shares=shares,
        seed=settings.seed,
        move=move,
    )
    left_out = {second for _, second, _ in same}
    rows = [
        row
        for number in range(len(sound))
        if number not in left_out
        for row in _rows(sound, number, placement, settings)
    ]
    return Assembly(
        rows=sorted(rows, key=lambda row: str(row["path"])),
        failures=failures,
        duplicates=list(_duplicates(sound, same, alike, placement, move=move)),
        drawn=len(placement.drawn - left_out),
    )


def failure_row(sample: Sample, twin: str, why: str) -> Row:
    """A row of `failures.csv`."""
    return {
        "original_path": printable(str(sample.path)),
        "is_fake": sample.is_fake if not twin else True,
        "source": twin_source(twin, sample) if twin else sample.source,
        "split": sample.split,
        "reason": why,
    }


def twin_source(name: str, sample: Sample) -> str:
    """The source of a re-synthesis, such as `taef2:celebahq`."""
    return f"{name}:{sample.source}" if sample.source else name


def printable(text: str) -> str:
    """The text with bytes of a path that are no text spelled out, as Parquet needs it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _rank(one: Original) -> tuple[bool, int, str, str]:
    """Of several with the same bytes the first is kept: labelled, of the earliest split, by path."""
    split = ORDER.index(one.sample.split) if one.sample.split in ORDER else len(ORDER)
    return one.sample.is_fake is None, split, printable(str(one.sample.path)), one.key


def _contradicting(originals: Sequence[Original]) -> dict[int, str]:
    """Originals whose bytes are labelled real here and fake there, with the reason."""
    copies: defaultdict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(originals):
        copies[one.facts["sha256"]].append(number)
    reasons: dict[int, str] = {}
    for numbers in copies.values():
        labels = {originals[number].sample.is_fake for number in numbers} - {None}
        if len(labels) > 1:
            named = [f"{originals[n].sample.path} ({_label(originals[n].sample)})" for n in numbers]
            more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            reason = (
                f"expected one label for the same bytes; found {', '.join(named[:SHOWN])}{more}. Correct the labels."
            )
            reasons.update(dict.fromkeys(numbers, reason))
    return reasons


def _same(originals: Sequence[Original]) -> list[Pair]:
    """Pairs of the one that is kept and another with the same bytes and face box."""
    first: dict[str, int] = {}
    pairs = ((first.setdefault(one.key, number), number, 0) for number, one in enumerate(originals))
    return [pair for pair in pairs if pair[0] != pair[1]]


def _alike(originals: Sequence[Original], left_out: set[int], bits: int) -> list[Pair]:
    kept = [number for number in range(len(originals)) if number not in left_out]
    hashes = [str(originals[number].facts["perceptual_hash"]) for number in kept]
    return [(kept[first], kept[second], distance) for first, second, distance in look_alikes(hashes, bits)]


def _rows(originals: Sequence[Original], number: int, placement: Placement, settings: BuildSettings) -> Iterator[Row]:
    """The picture's row, and one for each of its twins: same split, same group."""
    one = originals[number]
    path = built_name(one.key, settings)
    # A picture and its twins are a group, also where the picture belongs to none.
    group = placement.groups[number] or (f"twins-{one.key[:12]}" if one.twins else "")
    common = {
        "split": placement.splits[number],
        "group": printable(group),
        "original_path": printable(str(one.sample.path)),
        "original_group": printable(one.sample.group),
    }
    about = {"path": path, "is_fake": one.sample.is_fake, "source": printable(one.sample.source), "twin_of": ""}
    yield {**about, **common, "key": one.key, **one.facts}
    for name, (key, facts) in one.twins.items():
        source = printable(twin_source(name, one.sample))
        about = {"path": built_name(key, settings), "is_fake": True, "source": source, "twin_of": path}
        yield {**about, **common, "key": key, **facts}


def _duplicates(
    originals: Sequence[Original], same: list[Pair], alike: list[Pair], placement: Placement, *, move: bool
) -> Iterator[Row]:
    for pair in same:
        yield _pair(originals, pair, "same bytes", "second left out")
    for first, second, distance in alike:
        apart = placement.splits[first] != placement.splits[second]
        action = "on different sides" if apart else "on one side"
        yield _pair(originals, (first, second, distance), "look alike", action)
    for first, second in placement.torn:
        action = f"moved to {placement.splits[first]}" if move else "left where they were"
        yield _pair(originals, (first, second, None), "belong together", action)


def _pair(originals: Sequence[Original], pair: tuple[int, int, int | None], kind: str, action: str) -> Row:
    row: Row = {"kind": kind, "bits": pair[2], "action": action}
    for place_, number in (("first", pair[0]), ("second", pair[1])):
        sample = originals[number].sample
        row |= {
            f"{place_}_path": printable(str(sample.path)),
            f"{place_}_label": _label(sample),
            f"{place_}_source": sample.source,
            f"{place_}_split": sample.split,
            f"{place_}_group": sample.group,
        }
    return row


def _label(sample: Sample) -> str:
    return {True: "fake", False: "real", None: "no label"}[sample.is_fake]
