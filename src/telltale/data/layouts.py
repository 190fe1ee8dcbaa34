"""Trees of folders whose names say what the pictures in them are."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from telltale.data.faceforensics import in_faceforensics, is_faceforensics
from telltale.data.manifests import ENDINGS, in_imagefolder, in_manifest, is_metadata
from telltale.data.sample import Sample
from telltale.data.shards import PICTURES, in_shard
from telltale.data.vocabulary import Labels, label_of, split_of
from telltale.errors import InvalidDataset

KNOWN = (
    "real/ and fake/ (or 0_real/ and 1_fake/, nature/ and ai/), with <split>/ or <generator>/ above or below; "
    "a built data set (index.parquet); a manifest (.csv, .parquet, .jsonl); FaceForensics++ with frames "
    "(original_sequences/, manipulated_sequences/); a Hugging Face imagefolder (metadata.csv); WebDataset shards (.tar)"
)
_TABLES = ("index.parquet", "manifest.csv", "manifest.parquet")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def in_folder(root: Path, columns: Mapping[str, str], labels: Labels) -> list[Sample]:
    """The samples of a folder in any known layout, sorted by path.

    Raises:
        InvalidDataset: no known layout; the message shows what is there and what would be understood.
    """
    table = _manifest(root)
    if table is not None:
        return in_manifest(table, columns, labels)
    if is_faceforensics(root):
        return in_faceforensics(root, pictures(root))
    metadata = _metadata(root)
    if metadata:
        return [sample for file in metadata for sample in in_imagefolder(file, root, columns, labels)]
    found = pictures(root)
    shards = [] if found else _shards(root)
    if shards:
        return [sample for shard in shards for sample in in_shard(shard, columns, labels)]
    return _by_names(root, found, labels)


def tables(source: Path) -> list[Path]:
    """The tables that `scan` would read in a folder, or the source itself where it is one."""
    if not source.is_dir():
        return [source] if source.suffix.lower() in ENDINGS else []
    table = _manifest(source)
    return _metadata(source) if table is None else [table]


def has_columns(source: Path) -> bool:
    """Whether `scan` would read names of columns there: from a table, or from the .json files of shards."""
    return bool(tables(source)) or (bool(_shards(source)) if source.is_dir() else source.suffix.lower() == ".tar")


def _shards(root: Path) -> list[Path]:
    return sorted(root.glob("*.tar"))


def _manifest(root: Path) -> Path | None:
    return next((root / name for name in _TABLES if (root / name).is_file()), None)


def _metadata(root: Path) -> list[Path]:
    files = [file for name in _METADATA for file in (root / name, *root.glob(f"*/{name}"))]
    return sorted(file for file in files if is_metadata(file))


def pictures(root: Path) -> list[Path]:
    """Every file with a picture's ending under a folder, sorted; links to folders are not followed."""
    return sorted(
        Path(folder) / name
        for folder, _, names in os.walk(root)
        for name in names
        if Path(name).suffix.lower() in PICTURES and not name.startswith(".")
    )


def of_one_label(root: Path, is_fake: bool) -> list[Sample]:
    """Every picture under a folder that holds one label only; the source is the folder's name.

    Raises:
        InvalidDataset: not a folder, or no pictures in it.
    """
    found = pictures(root)
    if not found:
        raise InvalidDataset(expected="a folder of pictures", found=f"none in {root}", do="Check the path.")
    source = root.resolve().name
    return [
        Sample(path=path, is_fake=is_fake, source=source, split=_splits(path.relative_to(root).parts[:-1]))
        for path in found
    ]


def _by_names(root: Path, found: Sequence[Path], labels: Labels) -> list[Sample]:
    """Labels by folder name. The folder's own name counts where no name below it is a label."""
    folders = {path.parent: path.parent.relative_to(root).parts for path in found}
    own = root.resolve().name
    if not any(label_of(word, labels) is not None for words in folders.values() for word in words):
        folders = {folder: (own, *words) for folder, words in folders.items()}
    samples = {folder: _of_folder(words, own, labels) for folder, words in folders.items()}
    without = Counter(str(folder) for folder in (path.parent for path in found) if samples[folder] is None)
    if without or not found:
        raise _unknown(root, len(found), without)
    return [
        Sample(path=path, is_fake=about.is_fake, source=about.source, split=about.split)
        for path in found
        if (about := samples[path.parent]) is not None
    ]


def _of_folder(words: Sequence[str], own: str, labels: Labels) -> Sample | None:
    """What a folder's name says; None where it says no label, or two."""
    said = {found for word in words if (found := label_of(word, labels)) is not None}
    if len(said) != 1:
        return None
    plain = [word for word in words if label_of(word, labels) is None and split_of(word) is None]
    return Sample(path=Path(), is_fake=said.pop(), source="/".join(plain), split=_splits(words) or _splits((own,)))


def _splits(words: Sequence[str]) -> str:
    return next((found for word in words if (found := split_of(word)) is not None), "")


def _unknown(root: Path, count: int, without: Mapping[str, int]) -> InvalidDataset:
    listed = ", ".join(f"{number} in {folder}" for folder, number in sorted(without.items())[:5])
    more = f" and {len(without) - 5} folders more" if len(without) > 5 else ""
    inside = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    return InvalidDataset(
        expected=f"a layout that says which pictures are fake: {KNOWN}",
        found=f"{count} pictures, {sum(without.values())} of them without one label ({listed}{more}); {root} holds "
        f"{inside}",
        do="Rename the folders, name label words with --real-label and --fake-label, or give --real DIR --fake DIR.",
    )
