"""WebDataset shards: tar files in which files of one name before the first dot belong to one sample."""

import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from telltale.data.sample import Member, Sample
from telltale.data.vocabulary import TRUTH, Labels, label_of, split_of
from telltale.errors import InvalidDataset

PICTURES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif")
)
_TEXTS = (".cls", ".json", ".txt")
# What a sample's .json may be asked for, by the keys of a manifest's columns; the path is the member's own.
_ASKED = ("label", "source", "split", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """A shard, the keys of its .json files that are not the usual ones, and the words its labels may be."""

    file: Path
    keys: Mapping[str, str]
    labels: Labels


def in_shard(file: Path, columns: Mapping[str, str], labels: Labels) -> list[Sample]:
    """The samples of a shard, in its order; their bytes stay in the shard until they are read.

    The label stands in the sample's `.json` (`is_fake`, or `label`), in its `.cls` file as a word, or in the folders
    of its name. Source, split and group come from the `.json`, or the split from the shard's name (`train-0001.tar`).
    A key that is not there, or null, means that nothing is known.

    Args:
        file: the shard.
        columns: keys of the `.json` that are not the usual ones, under label, source, split, group; others do not
            concern a shard.
        labels: further label words.

    Raises:
        InvalidDataset: not an uncompressed tar file, no pictures, a label that is missing or unknown, or a key that no
            `.json` has.
    """
    shard = _Shard(file=file, keys={key: columns[key] for key in _ASKED if key in columns}, labels=labels)
    try:
        with tarfile.open(file, "r:") as archive:
            members = [member for member in archive if member.isfile()]
            kinds = defaultdict(dict)  # type: defaultdict[str, dict[str, tarfile.TarInfo]]
            for member in members:
                key, ending = _parted(member.name)
                kinds[key][ending] = member
            texts = {name: _texts(archive, found) for name, found in kinds.items()}
    except (OSError, tarfile.TarError, ValueError) as error:
        raise InvalidDataset(
            expected=f"an uncompressed tar file: {file}", found=f"something else ({error})", do="Check the file."
        ) from error
    _check_keys(shard, texts)
    samples = [
        _sample(shard, member, texts[name])
        for name, found in kinds.items()
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


def _check_keys(shard: _Shard, texts: Mapping[str, Mapping[str, Any]]) -> None:
    """A key that was named and is nowhere is a typing error, not something unknown."""
    there = {key for said in texts.values() if isinstance(about := said.get(".json"), dict) for key in about}
    missing = sorted(set(shard.keys.values()) - there)
    if missing:
        raise InvalidDataset(
            expected=f"the key {', '.join(missing)} in .json files of {shard.file}",
            found=f"the keys {', '.join(sorted(there)) or 'none'}",
            do="Name the keys as columns: --label-column, --source-column and so on.",
        )


def _sample(shard: _Shard, member: tarfile.TarInfo, texts: dict[str, Any]) -> Sample:
    about = texts.get(".json", {})
    if not isinstance(about, dict):
        raise _wrong(shard, member, "an object in its .json", repr(about))
    return Sample(
        path=shard.file / member.name,
        is_fake=_label(shard, member, texts),
        source=_said(shard, about, "source"),
        split=_split(shard, member, about),
        group=_said(shard, about, "group"),
        member=Member(archive=shard.file, start=member.offset_data, length=member.size),
    )


def _said(shard: _Shard, about: Mapping[str, Any], key: str) -> str:
    """What the .json says under a key; "" where it says nothing."""
    value = about.get(shard.keys.get(key, key))
    return "" if value is None else str(value)


def _label(shard: _Shard, member: tarfile.TarInfo, texts: dict[str, Any]) -> bool:
    about = texts.get(".json", {})
    if shard.keys.get("label", "is_fake") == "is_fake" and "is_fake" in about:
        found = TRUTH.get(str(about["is_fake"]).casefold())
        words = [str(about["is_fake"])]
    else:
        words = [word for word in (_said(shard, about, "label"), texts.get(".cls", "")) if word]
        words = words or list(PurePosixPath(member.name).parts[:-1])
        said = {label for word in words if (label := label_of(word, shard.labels)) is not None}
        found = said.pop() if len(said) == 1 else None
    if found is None:
        raise _wrong(shard, member, "a label, real or fake, in .json, .cls or the folder", ", ".join(words) or "none")
    return found


def _split(shard: _Shard, member: tarfile.TarInfo, about: Mapping[str, Any]) -> str:
    if word := _said(shard, about, "split"):
        found = split_of(word)
        if found is None:
            raise _wrong(shard, member, "a split (train, validation, test)", repr(word))
        return found
    words = (*PurePosixPath(member.name).parts[:-1], re.split(r"[^a-zA-Z]", shard.file.name)[0])
    return next((found for word in words if (found := split_of(word)) is not None), "")


def _wrong(shard: _Shard, member: tarfile.TarInfo, expected: str, found: str) -> InvalidDataset:
    return InvalidDataset(
        expected=expected,
        found=f"{found} for {member.name} in {shard.file}",
        do="Correct the shard, or say what the word means: --real-label, --fake-label.",
    )
