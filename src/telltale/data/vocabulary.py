"""The words by which folders and tables say real or fake, train or test; upper and lower case are the same."""

from collections.abc import Iterable, Mapping

_REAL = ("real", "reals", "0_real", "nature")
_FAKE = ("fake", "fakes", "1_fake", "ai", "generated", "synthetic", "manipulated")
LABELS: Mapping[str, bool] = {**dict.fromkeys(_REAL, False), **dict.fromkeys(_FAKE, True)}
SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# In a column whose name says what is meant (`is_fake`), and nowhere else: elsewhere 1 may be either.
TRUTH: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}

Labels = Mapping[str, bool]


def vocabulary(real: Iterable[str] = (), fake: Iterable[str] = ()) -> dict[str, bool]:
    """Words for labels, beside the known ones: word -> is fake."""
    return {word.casefold(): is_fake for words, is_fake in ((real, False), (fake, True)) for word in words}


def label_of(word: str, labels: Labels) -> bool | None:
    """Whether a word means fake; None where it means neither. `labels` outranks the known words."""
    folded = word.strip().casefold()
    return labels.get(folded, LABELS.get(folded))


def split_of(word: str) -> str | None:
    """The split that a word means; None where it means none."""
    return SPLITS.get(word.strip().casefold())
