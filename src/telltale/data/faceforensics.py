"""FaceForensics++'s own tree, with frames extracted from its videos.

`original_sequences/<youtube|actors>/<compression>/<images|frames>/<video>/<frame>` are real,
`manipulated_sequences/<method>/<compression>/<images|frames>/<target>_<source>/<frame>` are fake. A source is named
after both folders, `Deepfakes/c23`: the same film in another compression is another source. Masks are no samples.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from telltale.data.sample import Sample
from telltale.data.vocabulary import split_of
from telltale.errors import InvalidDataset

_REAL, _FAKE = "original_sequences", "manipulated_sequences"
_MASKS, _VIDEOS = "masks", "videos"
_FRAMES = ("images", "frames")
# The released lists, and what each is called here.
_LISTS = {"train.json": "train", "val.json": "validation", "test.json": "test"}
_COMPRESSION = re.compile(r"raw|c\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Film:
    """What the folders about a film's frames say."""

    is_fake: bool
    method: str
    compression: str
    people: tuple[str, ...]

    @property
    def source(self) -> str:
        return f"{self.method}/{self.compression}" if self.compression else self.method


def is_faceforensics(root: Path) -> bool:
    """Whether a folder holds one of FaceForensics++'s two folders, or lies in one."""
    return _tree_of(root) is not None


def _tree_of(root: Path) -> Path | None:
    """The data set's own folder."""
    if (root / _REAL).is_dir() or (root / _FAKE).is_dir():
        return root.absolute()
    whole = root.absolute()
    return next((one.parent for one in (whole, *whole.parents) if one.name in (_REAL, _FAKE)), None)


def in_faceforensics(root: Path, found: Sequence[Path]) -> list[Sample]:
    """The frames among `found`, sorted by path; all videos that share a person are one group.

    A manipulated video `012_026` shows the scene of 012 with the face of 026, so both belong to one group. Splits come
    from `splits/{train,val,test}.json` (lists of such pairs) where that folder is there. Groups and splits are those
    of the whole tree, also where `root` is a folder in it.

    Args:
        root: the data set's own folder, or one in it, such as `manipulated_sequences/Deepfakes/c23`.
        found: the pictures under it.

    Warns where a list is missing beside others, and of videos that are in none.

    Raises:
        InvalidDataset: videos without frames, frames in no folder of a video, frames of several compressions, a list of
            pairs that is none, or lists that contradict each other.
    """
    tree = _tree_of(root) or root.absolute()
    inside = root.absolute().relative_to(tree).parts
    folders = dict.fromkeys(path.parent for path in found)
    read = {folder: _film((*inside, *folder.relative_to(root).parts)) for folder in folders}
    films = {folder: film for folder, film in read.items() if film is not None}
    _check_each_in_a_film(
        path for path in found if read[path.parent] is None and _is_frame(path.relative_to(root), inside)
    )
    if not films:
        videos = sum(1 for _ in root.rglob("*.mp4"))
        raise InvalidDataset(
            expected="extracted frames: <compression>/images/<video>/<frame>.png",
            found=f"{videos} videos and no frames in {root}",
            do="Extract frames first, for instance with ffmpeg.",
        )
    _check_one_compression(root, tree, films.values())
    if not inside:
        _say_what_has_no_frames(tree, {film.source for film in films.values()})
    pairs = [*(film.people for film in films.values()), *_manipulated(tree)]
    splits, groups = _splits(tree / "splits"), _Groups(pairs)
    about = {folder: _about(film, groups, splits) for folder, film in films.items()}
    if splits:
        _say_what_is_in_no_list(tree / "splits", [folder.name for folder, one in about.items() if not one.split])
    return [
        Sample(path=path, is_fake=one.is_fake, source=one.source, group=one.group, split=one.split)
        for path in found
        if (one := about.get(path.parent)) is not None
    ]


def _film(words: Sequence[str]) -> _Film | None:
    """By the names of a frame's folders, from the tree's own; None where they are no film's."""
    if len(words) < 3 or words[0] not in (_REAL, _FAKE) or _MASKS in words:
        return None
    compression = words[2] if _COMPRESSION.fullmatch(words[2]) else ""
    below = words[3:] if compression else words[2:]
    # Crops are often kept a folder below the film's.
    films = [name for before, name in pairwise(below) if before in _FRAMES] or below[-1:]
    if not films or films[0] in _FRAMES:
        return None
    return _Film(is_fake=words[0] == _FAKE, method=words[1], compression=compression, people=_people(films[0]))


def _is_frame(path: Path, inside: Sequence[str]) -> bool:
    """Whether a picture has a label by its folder, and is no mask."""
    words = (*inside, *path.parts)
    return words[0] in (_REAL, _FAKE) and _MASKS not in words


def _check_each_in_a_film(paths: Iterable[Path]) -> None:
    """Frames of all videos in one folder would be missing without a word."""
    if lost := sorted(paths):
        raise InvalidDataset(
            expected="each frame in a folder of its video: <compression>/images/<video>/<frame>",
            found=f"{len(lost)} elsewhere, such as {lost[0]}",
            do="Move them into folders named after their videos, or name the folders that are meant.",
        )


def _about(film: _Film, groups: "_Groups", splits: Mapping[str, str]) -> Sample:
    """What every frame of a film is."""
    return Sample(
        path=Path(),
        is_fake=film.is_fake,
        source=film.source,
        group=groups.name(film.people[0]),
        split=next((splits[person] for person in film.people if person in splits), ""),
    )


def _people(video: str) -> tuple[str, ...]:
    """`012_026` is two people, `012` one; `01_02__walking__ABC` two actors, `01__walking` one."""
    return tuple(video.split("__")[0].split("_"))


def _check_one_compression(root: Path, tree: Path, films: Iterable[_Film]) -> None:
    """The same film twice would count twice, and what was asked of one compression would be answered for both."""
    frames = Counter(film.compression for film in films)
    if len(frames) > 1:
        named = [f"{name or 'no compression in their names'} ({count} films)" for name, count in sorted(frames.items())]
        raise InvalidDataset(
            expected=f"frames of one compression in {root}",
            found=" and ".join(named),
            do=f"Name the folders of the one you mean, such as {tree}/*_sequences/*/{max(frames)}; or those of "
            "several, whose sources keep them apart.",
        )


def _say_what_has_no_frames(tree: Path, sources: set[str]) -> None:
    """A method whose videos were downloaded and not extracted would be missing without a word."""
    folders = (folder.parent for name in (_REAL, _FAKE) for folder in tree.glob(f"{name}/*/*/{_VIDEOS}"))
    without = [f"{folder.parent.name}/{folder.name}" for folder in sorted(folders) if folder.name != _MASKS]
    if left := [source for source in without if source not in sources]:
        warnings.warn(f"{tree}: left out, videos without frames: {', '.join(left)}", stacklevel=2)


def _say_what_is_in_no_list(folder: Path, without: Sequence[str]) -> None:
    """Where the data set's own splits are asked for, others would be drawn without a word."""
    there = {split_of(file.stem) for file in folder.glob("*.json")}
    if missing := [name for name, split in _LISTS.items() if split not in there]:
        warnings.warn(f"{folder}: without {', '.join(missing)}; videos of no list come without a split", stacklevel=2)
    if films := sorted(set(without)):
        warnings.warn(f"{folder}: {len(films)} videos are in none of the lists, such as {films[0]}", stacklevel=2)


def _manipulated(tree: Path) -> Iterator[tuple[str, ...]]:
    """The people of every manipulated video of the tree, extracted or not."""
    for folder in (*_FRAMES, _VIDEOS):
        for path in tree.glob(f"{_FAKE}/*/*/{folder}/*"):
            yield _people(path.stem)


class _Groups:
    """People who are in one video, and whoever shares one with them."""

    def __init__(self, videos: Iterable[tuple[str, ...]]) -> None:
        self._parent: dict[str, str] = {}
        for people in dict.fromkeys(videos):
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
        if split is None:
            continue
        for person in dict.fromkeys(one for pair in pairs_in(file) for one in pair):
            if known.setdefault(person, split) != split:
                raise InvalidDataset(
                    expected=f"each video in one of the lists in {folder}",
                    found=f"{person} for {known[person]} and, in {file.name}, for {split}",
                    do="Take the data set's own lists, and each once.",
                )
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
