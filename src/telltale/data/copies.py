"""Pictures with equal bytes: one picture, however many files and sources it lies in."""

from collections import defaultdict
from collections.abc import Sequence

from telltale.data.sample import Sample
from telltale.errors import InvalidDataset, UndecodableImage

SHOWN = 5


def check_one_label(samples: Sequence[Sample], hashes: Sequence[str | None]) -> None:
    """The same bytes, and with them the same file, must have one label; what is no picture may have any.

    Args:
        samples: labelled ones.
        hashes: of the bytes of each; None where they could not be read.

    Raises:
        InvalidDataset: naming up to five pictures that are both real and fake.
    """
    torn = [
        " = ".join(f"{samples[place].path} ({label(samples[place])})" for place in same[:SHOWN])
        for same in copies(hashes)
        if len({samples[place].is_fake for place in same}) > 1 and _decodes(samples[same[0]])
    ]
    if torn:
        raise InvalidDataset(
            expected="one label for the same picture",
            found=listed(torn, "both real and fake"),
            do="Correct the labels, or remove these files.",
        )


def copies(hashes: Sequence[str | None]) -> list[list[int]]:
    """Places of equal hashes, two or more of each; None is equal to nothing."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, digest in enumerate(hashes):
        if digest is not None:
            places[digest].append(place)
    return [same for same in places.values() if len(same) > 1]


def together(groups: Sequence[str], hashes: Sequence[str | None]) -> list[str]:
    """The groups, where a picture without one is in that of its copies; without any they are a group of their own.

    Copies that the data put into different groups stay there.
    """
    found = list(groups)
    for same in copies(hashes):
        given = next((groups[place] for place in same if groups[place]), f"same bytes {hashes[same[0]]}")
        for place in same:
            found[place] = groups[place] or given
    return found


def _decodes(sample: Sample) -> bool:
    """Whether there is a picture in the file: downloads that failed leave equal files, too, and empty ones."""
    try:
        sample.pixels()
    except UndecodableImage:
        return False
    return True


def label(sample: Sample) -> str:
    """The label in a word."""
    return "fake" if sample.is_fake else "real"


def listed(names: Sequence[str], what: str) -> str:
    """How many there are, and the first five."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"
