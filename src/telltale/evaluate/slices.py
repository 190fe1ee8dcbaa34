"""The same figures on parts of the images: by size, quality, face, brightness, or any column of the data.

A number of many values is cut into bins of equally many images; anything else is taken value by value.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from telltale.evaluate.evaluation_entries import Chosen, Entry, Images, Judge
from telltale.evaluate.measures import measures
from telltale.evaluate.metrics import Estimate, share
from telltale.evaluate.resampling import Resampling, interval, on_draws

BINS = 4
# Numbers of no more values than this are shown one by one, and so many words at most.
FEW_VALUES, MOST_WORDS = 6, 12
UNKNOWN, OTHER = "(unknown)", "(other)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One detector on the images of one slice.

    Attributes:
        judge: which detector and pooling.
        column: what the images are sorted by.
        value: a word, a number, or "from to" of a bin.
        n_real, n_fake: images with a score.
        auc: with its interval; None where the note says why.
        false_alarm: share of the reals called "likely generated", with Wilson's interval, of groups where there are.
        detected: the same of the fakes.
        note: "", "too few", "no reals" or "no fakes".
    """

    judge: Judge
    column: str
    value: str
    n_real: int
    n_fake: int
    auc: Estimate | None
    false_alarm: Estimate | None
    detected: Estimate | None
    note: str


def slices(
    images: Images,
    entries: Sequence[Entry],
    columns: Mapping[str, Sequence[float | str | None]],
    *,
    rounds: int = 1000,
    seed: int = 0,
    least: int = 10,
) -> Iterator[SliceRow]:
    """A row for each entry, column and slice.

    Args:
        images, entries: as `collect` gives them.
        columns: a value for each image; None where it is not known.
        rounds: resamples behind the intervals.
        seed: of the draws.
        least: fewer reals or fakes than this get no AUC.
    """
    cut = [(column, value, chosen) for column, values in columns.items() for value, chosen in parted(values)]
    notes = {
        (number, place): _note(images.is_fake[chosen & entry.scored], least)
        for number, entry in enumerate(entries)
        for place, (_, _, chosen) in enumerate(cut)
    }
    places = {key: np.flatnonzero(cut[key[1]][2] & entries[key[0]].scored) for key, note in notes.items()}
    sets = {key: (entries[key[0]].prepared(images, places[key]), places[key]) for key in places if not notes[key]}
    how = images.resampling()
    drawn = on_draws(sets, how, rounds=rounds, seed=seed)
    for (number, place), note in notes.items():
        auc = (
            None
            if note
            else interval(_auc(images, entries[number], places[number, place]), drawn[number, place]["auc"])
        )
        yield _row(images, entries[number], cut[place], auc, note, how)


def _auc(images: Images, entry: Entry, places: Int[np.ndarray, "m"]) -> float:
    return measures(images.is_fake[places], entry.score[places]).auc


def _note(is_fake: Chosen, least: int) -> str:
    n_fake, n_real = int(is_fake.sum()), int((~is_fake).sum())
    if min(n_fake, n_real) >= max(1, least):
        return ""
    return "no fakes" if not n_fake else "no reals" if not n_real else "too few"


def _row(
    images: Images, entry: Entry, cut: tuple[str, str, Chosen], auc: Estimate | None, note: str, how: Resampling
) -> SliceRow:
    column, value, chosen = cut
    reals, fakes = (chosen & entry.scored & (images.is_fake == label) for label in (False, True))
    called = entry.verdict == "likely generated"
    return SliceRow(
        judge=entry.judge,
        column=column,
        value=value,
        n_real=int(reals.sum()),
        n_fake=int(fakes.sum()),
        auc=auc,
        false_alarm=share(called[reals], group=how.group[reals]) if reals.any() else None,
        detected=share(called[fakes], group=how.group[fakes]) if fakes.any() else None,
        note=note,
    )


def parted(values: Sequence[float | str | None], *, bins: int = BINS) -> list[tuple[str, Chosen]]:
    """Names of slices, each with the images in it; every image lies in just one.

    Args:
        values: numbers or words; None for what is not known.
        bins: of numbers, at most; each holds about equally many images, and equal numbers stay together.
    """
    numbers = np.array([value if isinstance(value, float) else np.nan for value in values], np.float64)
    words = [value if isinstance(value, str) else "" for value in values]
    known = np.isfinite(numbers)
    found = _by_value(numbers) if np.unique(numbers[known]).size <= FEW_VALUES else _by_bin(numbers, bins)
    counts = Counter(word for word in words if word)
    kept = [word for word, _ in counts.most_common(MOST_WORDS if len(counts) <= MOST_WORDS else MOST_WORDS - 1)]
    found += [(word, np.array([word == one for one in words], np.bool_)) for word in sorted(kept)]
    others = np.array([bool(word) and word not in kept for word in words], np.bool_)
    unknown = ~known & np.array([not word for word in words], np.bool_)
    return [(name, chosen) for name, chosen in (*found, (OTHER, others), (UNKNOWN, unknown)) if chosen.any()]


def _by_value(numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[tuple[str, Chosen]]:
    return [(f"{value:g}", numbers == value) for value in np.unique(numbers[np.isfinite(numbers)])]


def _by_bin(numbers: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int) -> list[tuple[str, Chosen]]:
    """Bins between quantiles, named by the least and the greatest number in them."""
    edges = np.unique(np.nanquantile(numbers, np.arange(1, bins) / bins))
    place = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="left"), -1)
    each = [place == index for index in range(edges.size + 1)]
    return [(f"{numbers[one].min():.4g} to {numbers[one].max():.4g}", one) for one in each if one.any()]
