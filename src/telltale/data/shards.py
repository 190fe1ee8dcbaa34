"""WebDataset shards: tar files in which files of one name before the first dot belong to one sample."""

import json
import re
import tarfile
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from telltale.data.sample import Member, Sample
from telltale.data.vocabulary import TRUTH, Labels, label_of, split_of
from telltale.errors import InvalidDataset

PICTURES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
)
_TEXTS = (".cls", ".json", ".txt")


def in_shard(file: Path, labels: Labels) -> list[Sample]:
    """The samples of a shard, in its order; their bytes stay in the shard until they are read.

    The label stands in the sample's `.json` (`is_fake`, or `label`), in its `.cls` file as a word, or in the folders
    of its name. Source, split and group come from the `.json`, or the split from the shard's name (`train-0001.tar`).

    Raises:
        InvalidDataset: not an uncompressed tar file, no pictures, or a label that is missing or unknown.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            members = [member for member in archive if member.isfile()]
            kinds = defaultdict(dict)  # type: defaultdict[str, dict[str, tarfile.TarInfo]]
            for member in members:
                key, ending = _parted(member.name)
                kinds[key][ending] = member
            texts = {key: _texts(archive, found) for key, found in kinds.items()}
    except (OSError, tarfile.TarError, ValueError) as error:
        raise InvalidDataset(
            expected=f"an uncompressed tar file: {file}", found=f"something else ({error})", do="Check the file."
        ) from error
    samples = [
        _sample(file, member, texts[key], labels)
        for key, found in kinds.items()
        for ending, member in found.items()
        if PurePosixPath(ending).suffix in PICTURES or ending in PICTURES
    ]
    if not samples:
        raise InvalidDataset(
            expected="pictures in the shard", found=f"none among {len(members)} files of {file}", do="Check the file."
        )
    return samples


def _parted(name: str) -> tuple[str, str]:
    """`a/b.seg.png` is the sample `a/b` and its ending `.seg.png`, as WebDataset has it."""
    path = PurePosixPath(name)
    stem, dot, ending = path.name.partition(".")
    return str(path.with_name(stem)), (dot + ending).lower()


def _texts(archive: tarfile.TarFile, found: dict[str, tarfile.TarInfo]) -> dict[str, Any]:
    """What a sample's small files say, by ending."""
    said: dict[str, Any] = {}
    for ending in _TEXTS:
        stream = archive.extractfile(found[ending]) if ending in found else None
        if stream is not None:
            text = stream.read().decode()
            said[ending] = json.loads(text) if ending == ".json" else text.strip()
    return said


def _sample(file: Path, member: tarfile.TarInfo, texts: dict[str, Any], labels: Labels) -> Sample:
    about = texts.get(".json", {})
    if not isinstance(about, dict):
        raise _wrong(file, member, "an object in its .json", repr(about))
    return Sample(
        path=file / member.name,
        is_fake=_label(file, member, texts, labels),
        source=str(about.get("source", "")),
        split=_split(file, member, about),
        group=str(about.get("group", "")),
        member=Member(archive=file, start=member.offset_data, length=member.size),
    )


def _label(file: Path, member: tarfile.TarInfo, texts: dict[str, Any], labels: Labels) -> bool:
    about = texts.get(".json", {})
    if "is_fake" in about:
        found = TRUTH.get(str(about["is_fake"]).casefold())
        words = [str(about["is_fake"])]
    else:
        words = [str(word) for word in (about.get("label"), texts.get(".cls")) if word is not None]
        words = words or list(PurePosixPath(member.name).parts[:-1])
        said = {label for word in words if (label := label_of(word, labels)) is not None}
        found = said.pop() if len(said) == 1 else None
    if found is None:
        raise _wrong(file, member, "a label, real or fake, in .json, .cls or the folder", ", ".join(words) or "none")
    return found


def _split(file: Path, member: tarfile.TarInfo, about: dict[str, Any]) -> str:
    if about.get("split"):
        found = split_of(str(about["split"]))
        if found is None:
            raise _wrong(file, member, "a split (train, validation, test)", repr(about["split"]))
        return found
    words = (*PurePosixPath(member.name).parts[:-1], re.split(r"[^a-zA-Z]", file.name)[0])
    return next((found for word in words if (found := split_of(word)) is not None), "")


def _wrong(file: Path, member: tarfile.TarInfo, expected: str, found: str) -> InvalidDataset:
    return InvalidDataset(
        expected=expected,
        found=f"{found} for {member.name} in {file}",
        do="Correct the shard, or say what the word means: --real-label, --fake-label.",
    )
