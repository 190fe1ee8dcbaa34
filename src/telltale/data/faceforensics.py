"""FaceForensics++'s own tree, with frames extracted from its videos.

`original_sequences/<youtube|actors>/<compression>/<images|frames>/<video>/<frame>` are real,
`manipulated_sequences/<method>/<compression>/<images|frames>/<target>_<source>/<frame>` are fake.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from telltale.data.sample import Sample
from telltale.data.vocabulary import split_of
from telltale.errors import InvalidDataset

_REAL, _FAKE = "original_sequences", "manipulated_sequences"


def is_faceforensics(root: Path) -> bool:
    """Whether a folder holds one of FaceForensics++'s two folders."""
    return (root / _REAL).is_dir() or (root / _FAKE).is_dir()


def in_faceforensics(root: Path, found: Sequence[Path]) -> list[Sample]:
    """The frames among `found`, sorted by path; all videos that share a person are one group.

    A manipulated video `012_026` shows the scene of 012 with the face of 026, so both belong to one group. Splits come
    from `splits/{train,val,test}.json` (lists of such pairs) where that folder is there.

    Raises:
        InvalidDataset: videos without frames, or a list of pairs that is none.
    """
    frames = [path for path in found if path.relative_to(root).parts[0] in (_REAL, _FAKE)]
    if not frames:
        videos = sum(1 for _ in root.rglob("*.mp4"))
        raise InvalidDataset(
            expected="extracted frames: <compression>/images/<video>/<frame>.png",
            found=f"{videos} videos and no pictures in {root}",
            do="Extract frames first, for instance with ffmpeg.",
        )
    groups = _Groups(_people(path) for path in frames)
    splits = _splits(root / "splits")
    return [_sample(root, path, groups, splits) for path in frames]


def _sample(root: Path, path: Path, groups: "_Groups", splits: dict[str, str]) -> Sample:
    kind, source = path.relative_to(root).parts[:2]
    people = _people(path)
    return Sample(
        path=path,
        is_fake=kind == _FAKE,
        source=source,
        group=groups.name(people[0]),
        split=next((splits[person] for person in people if person in splits), ""),
    )


def _people(path: Path) -> tuple[str, ...]:
    """`012_026` is two people, `012` one; `01_02__walking__ABC` two actors, `01__walking` one."""
    return tuple(path.parent.name.split("__")[0].split("_"))


class _Groups:
    """People who are in one video, and whoever shares one with them."""

    def __init__(self, videos: Iterable[tuple[str, ...]]) -> None:
        self._parent: dict[str, str] = {}
        for people in videos:
            for person in people:
                one, other = sorted((self.name(people[0]), self.name(person)))
                self._parent[other] = one

    def name(self, person: str) -> str:
        """The first of the group's people."""
        while (parent := self._parent.setdefault(person, person)) != person:
            person = parent
        return person


def _splits(folder: Path) -> dict[str, str]:
    """Person -> split, from the released lists."""
    known: dict[str, str] = {}
    for file in sorted(folder.glob("*.json")):
        split = split_of(file.stem)
        if split is not None:
            known.update({person: split for pair in pairs_in(file) for person in pair})
    return known


def pairs_in(file: Path) -> list[tuple[str, str]]:
    """The pairs of videos that one of the released lists holds.

    Raises:
        InvalidDataset: not such a list.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_list(file, f"a file that is not JSON ({error})") from error
    pairs = found if isinstance(found, list) else [found]
    for pair in pairs:
        # A word would be read as a pair, or more, of letters.
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(person, str) for person in pair)):
            raise _no_list(file, f"{json.dumps(pair)[:60]} in it")
    return [(one, other) for one, other in pairs]


def _no_list(file: Path, found: str) -> InvalidDataset:
    return InvalidDataset(
        expected=f'a list of pairs of videos, [["000", "003"], ...]: {file}',
        found=found,
        do="Take the data set's own list, or remove the file.",
    )
