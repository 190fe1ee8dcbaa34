"""Which images there are: folders, manifests, built data sets and tar shards, all read as samples."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from telltale.data.layouts import has_columns, in_folder
from telltale.data.manifests import ENDINGS, in_manifest
from telltale.data.sample import Member, Sample
from telltale.data.shards import in_shard
from telltale.data.vocabulary import Labels
from telltale.errors import InvalidDataset

__all__ = ["Member", "Sample", "check_columns", "scan"]


def scan(
    sources: Sequence[Path],
    *,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    labels: Labels | None = None,
) -> list[Sample]:
    """List the images of folders, manifests and shards, in a fixed order; no picture is opened.

    A source is one of

    - a manifest: CSV, Parquet or JSON lines, with paths relative to its own folder;
    - a data set that `telltale build` wrote (a folder with `index.parquet`), or any folder with a `manifest.csv`;
    - a folder with labels as folder names, upper or lower case: `real/fake`, `0_real/1_fake`, `nature/ai`, with
      splits and generators above or below them (`<split>/<label>`, `<generator>/{real,fake}`);
    - FaceForensics++ with extracted frames, all of it or folders in it; a Hugging Face imagefolder (`metadata.csv`,
      `.jsonl`);
    - a WebDataset shard (`.tar`), or a folder of them.

    Args:
        sources: which to read.
        columns: names of a manifest's columns (or of the keys of a shard's `.json` files), where they are not the
            usual ones: keys out of path, label, source, split, group, face_x, face_y, face_w, face_h.
        split: keep the samples of one split only.
        labels: further label words, in lower case: word -> is fake.

    Raises:
        InvalidDataset: nothing there, an unknown layout, an unknown label or split, a wrong manifest, names of
            columns where no source has any.
        MissingExtra: Parquet without the `[evaluate]` extra.
    """
    found = [sample for source in sources for sample in _in_source(source, columns or {}, labels or {})]
    if sources:
        check_columns(sources, columns or {})
    chosen = [sample for sample in found if split in (None, sample.split)]
    if not chosen:
        names = ", ".join(map(str, sources)) or "no source"
        kept = f"none of the split {split!r} among {len(found):,}" if found else "none"
        raise InvalidDataset(expected="images", found=f"{kept} in {names}", do="Check the path and the split.")
    return chosen


def check_columns(sources: Sequence[Path], columns: Mapping[str, str]) -> None:
    """Refuse names of columns that nothing would read, instead of leaving them unused.

    Raises:
        InvalidDataset: names of columns, and no source that has any.
    """
    if columns and not any(map(has_columns, sources)):
        raise InvalidDataset(
            expected=f"a manifest or shards with the column {', '.join(columns.values())}",
            found=", ".join(map(str, sources)) or "folders of one label only",
            do="Leave the names of columns out, or name the manifest itself.",
        )


def _in_source(source: Path, columns: Mapping[str, str], labels: Labels) -> list[Sample]:
    if source.is_dir():
        return in_folder(source, columns, labels)
    ending = source.suffix.lower()
    read: dict[str, Callable[[], list[Sample]]] = {
        **dict.fromkeys(ENDINGS, lambda: in_manifest(source, columns, labels)),
        ".tar": lambda: in_shard(source, columns, labels),
    }
    if ending not in read or not source.is_file():
        what = "another kind of file" if source.exists() else "nothing there"
        raise InvalidDataset(
            expected=f"a folder, a manifest ({', '.join(ENDINGS)}) or a shard (.tar)",
            found=f"{what}: {source}",
            do="Check the path.",
        )
    return read[ending]()
