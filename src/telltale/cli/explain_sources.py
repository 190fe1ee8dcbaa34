"""Which pictures `telltale explain patches` and `localise` look at, and where their results go."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.sample import Sample

DATA = "Data sets, folders, manifests, shards; or pictures, of which nothing else is known. May be repeated."


def explained(
    data: Sequence[Path],
    *,
    split: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    label: str | None = None,
) -> "list[Sample]":
    """The samples of data sets, with picture files as samples that have no label, source or split.

    Raises:
        InvalidDataset: nothing there, or an unknown layout.
        InvalidConfig: a source that no sample has, another label than "real" or "fake", or nothing left.
    """
    from telltale.cli.sources import ENDINGS, find
    from telltale.data.samples import scan
    from telltale.evaluate.evaluation import only_sources

    named = [path for path in data if path.suffix.lower() in ENDINGS and not path.is_dir()]
    others = [path for path in data if path not in named]
    found = scan(others, split=split) if others or not named else []
    found += [sample for sample in find([str(path) for path in named]) if split in (None, sample.split)]
    return _labelled(only_sources(found, include, exclude), label)


def _labelled(samples: "list[Sample]", label: str | None) -> "list[Sample]":
    if label is None:
        return samples
    kept = [one for one in samples if label in ("real", "fake") and one.is_fake is (label == "fake")]
    if not kept:
        raise InvalidConfig(
            expected="real or fake, and pictures with that label",
            found=f"{label!r}, and {len(samples)} pictures of which none has it",
            do="Correct --label.",
        )
    return kept


def new_folder(out: Path) -> None:
    """Make the folder of a result: an earlier one is never overwritten, nor mixed with another.

    Raises:
        InvalidConfig: something lies there.
    """
    there = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if there:
        raise InvalidConfig(
            expected=f"a new or empty folder: {out}", found=", ".join(there[:5]), do="Choose another --out."
        )
    out.mkdir(parents=True, exist_ok=True)
