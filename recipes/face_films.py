"""Films and their manipulations, cut at the one face that was manipulated, masks and all.

No script: `table_faceforensics.py` and `manipulated_videos.py` learn from what it makes (`face_crops.py`). Films, masks
and lists lie as FaceForensics++ has them; crops come out in the same layout, ORIGINALS and manipulated_sequences, with
masks/ beside.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

import numpy as np
from PIL import Image

from film_pairs import check_moments, masks_beside, read, shown_with
from result_files import keep
from telltale.data.equalise import Box, Window
from telltale.data.faceforensics import pairs_in
from telltale.data.tracks import FindFaces, SharedCrop, shared_crops, side_by_side
from telltale.data.video import Frame
from telltale.errors import InvalidDataset
from telltale.image import Pixels

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
ORIGINALS, MANIPULATED = "original_sequences/youtube", "manipulated_sequences"
SPLITS = ("train", "val", "test")
# A mask's pixel that is lighter was changed; what is darker may be the codec's.
LIT = 32
# Names of films that are left out are told up to here.
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """An original and what was made of it.

    Attributes:
        original: the video.
        made: method -> its manipulation.
        masks: method -> the video of its masks, where there is one.
    """

    original: Path
    made: Mapping[str, Path]
    masks: Mapping[str, Path]

    @property
    def name(self) -> str:
        """The original's."""
        return self.original.stem

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every file, which tell these videos from others of their names."""
        files = {
            "original": self.original,
            **self.made,
            **{f"{name}, masks": path for name, path in self.masks.items()},
        }
        return {name: path.stat().st_size for name, path in sorted(files.items())}


def films(root: Path, splits: Path, compression: str, methods: Sequence[str], parts: Sequence[str]) -> list[Film]:
    """Every original that the lists name, with all its manipulations; what is not there is counted in one line."""
    listed = [
        _film(root, compression, methods, target, source)
        for part in parts
        for pair in pairs_in(splits / f"{part}.json")
        for target, source in (pair, pair[::-1])
    ]
    missing = [path for film in listed if (path := _missing(film)) is not None]
    found = [film for film in listed if _missing(film) is None]
    if not found:
        sys.exit(_nothing(root, compression, methods, listed))
    if missing:
        print(f"left out: {len(missing)} of {len(listed)} originals of the lists, no {missing[0]}", file=sys.stderr)
    folders = sorted(path.relative_to(root).as_posix() for path in root.glob("*_sequences/*") if path.is_dir())
    if unused := [name for name in folders if name not in (ORIGINALS, *(f"{MANIPULATED}/{one}" for one in methods))]:
        print(f"not used: {', '.join(unused)}", file=sys.stderr)
    return found


def _film(root: Path, compression: str, methods: Sequence[str], target: str, source: str) -> Film:
    name, folders = f"{target}_{source}.mp4", {method: root / MANIPULATED / method for method in methods}
    masks = {method: folder / "masks" / "videos" / name for method, folder in folders.items()}
    return Film(
        original=root / ORIGINALS / compression / "videos" / f"{target}.mp4",
        made={method: folder / compression / "videos" / name for method, folder in folders.items()},
        masks={method: path for method, path in masks.items() if path.is_file()},
    )


def _missing(film: Film) -> Path | None:
    return next((path for path in (film.original, *film.made.values()) if not path.is_file()), None)


def _nothing(root: Path, compression: str, methods: Sequence[str], listed: Sequence[Film]) -> str:
    absent = [one for one in methods if not any(film.made[one].is_file() for film in listed)]
    there = sorted({path.parent.name for path in root.glob("*_sequences/*/*/videos") if path.parent.name != "masks"})
    without = f" (no video at all of {', '.join(absent)})" if absent else ""
    return (
        f"expected videos of the lists in {root}, each with its {len(methods)} manipulations; found none of "
        f"{compression}{without}, and videos of {', '.join(there) or 'no compression'}. Choose another --compression, "
        "leave methods that are not there out of --methods, or point --root at FaceForensics++'s own tree."
    )


def crops(
    root: Path,
    splits: Path,
    compression: str,
    out: Path,
    count: int,
    find: FindFaces,
    methods: Sequence[str] = METHODS,
    apart: float = 1.0,
    parts: Sequence[str] = SPLITS,
) -> None:
    """Cut every original of some lists, its manipulations and their masks at the same places.

    A film that is done is not looked at again, so that an interrupted run goes on where it stopped.
    """
    there = films(root, splits, compression, methods, parts)
    notes: dict[str, dict[str, Any]] = {}
    for number, film in enumerate(there, 1):
        done = out / "done" / film.name
        note = _note(done, film)
        if note is None:
            note = _cut(film, out, compression, count, find, apart)
            if note["left_out"]:
                print(f"left out: {film.name}: {note['left_out']}", file=sys.stderr)
            # Videos that do not fit may be replaced by better ones: they are looked at again.
            if not note["again"]:
                keep(done, note)
            if number % 50 == 0:
                print(f"{number} of {len(there)} films looked at", file=sys.stderr, flush=True)
        notes[film.name] = note
    left = [name for name, note in notes.items() if note["left_out"]]
    if len(left) == len(there):
        sys.exit(
            f"expected films to cut in {root}; all {len(there)} are left out, {left[0]}: {notes[left[0]]['left_out']}"
        )
    said = f"; left out: {', '.join(left[:SHOWN])}{f' and {len(left) - SHOWN} more' if len(left) > SHOWN else ''}"
    moments = sum(note["moments"] for note in notes.values())
    early = Counter(name for note in notes.values() for name in note["ends_early"])
    ends = "".join(f"; {name} ends before its original in {count}" for name, count in sorted(early.items()))
    print(f"{len(there) - len(left)} films, {moments} moments{ends}{said if left else ''}", file=sys.stderr, flush=True)
    (out / "splits").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        copyfile(splits / f"{split}.json", out / "splits" / f"{split}.json")


def _note(done: Path, film: Film) -> dict[str, Any] | None:
    """What became of a film; None where nobody has looked at it, or at other files, or where it was cut otherwise."""
    try:
        found = json.loads(done.read_text())
    except (FileNotFoundError, ValueError):
        return None
    whole = isinstance(found, dict) and "ends_early" in found
    return found if whole and found.get("bytes") == film.sizes else None


def _cut(film: Film, out: Path, compression: str, count: int, find: FindFaces, apart: float) -> dict[str, Any]:
    """Write a film's crops, those of every method or none, and say how many moments there are, or why not."""
    beside, images, truth = _folders(film, out, compression)
    # What an interrupted run left there, or one that cut otherwise or other videos.
    for folder in (beside, *images.values(), *truth.values()):
        rmtree(folder, ignore_errors=True)
    note: dict[str, Any] = {"moments": 0, "left_out": "", "again": False, "ends_early": [], "bytes": film.sizes}
    shown, known = read(film.original, count, apart), remembering(find)
    made = {method: read(path, count, apart) for method, path in film.made.items()}
    if empty := [name for name, those in {film.name: shown, **made}.items() if not those]:
        return note | {"left_out": f"no frame that can be decoded in {', '.join(empty)}", "again": True}
    try:
        found = {method: list(shared_crops(side_by_side(shown, those), known)) for method, those in made.items()}
        check_moments(shown, made, found)
        masks = {method: masks_beside(path, shown, count, apart) for method, path in film.masks.items()}
    except InvalidDataset as error:
        return note | {"left_out": str(error), "again": True}
    if not any(found.values()):
        return note | {"left_out": "no frame with a face"}
    face = face_at(found, masks)
    if not face:
        return note | {"left_out": "masks that lie on none of the faces found"}
    chosen = {
        method: {crop.seconds: crop for crop in faces if face.get(crop.seconds) == crop.track}
        for method, faces in found.items()
    }
    moments = sorted(set.intersection(*(set(crops_of) for crops_of in chosen.values())))
    if not moments:
        return note | {"left_out": "no moment at which all manipulations show the same face"}
    _write(film, out, compression, {method: [those[one] for one in moments] for method, those in chosen.items()}, masks)
    return note | {
        "moments": len(moments),
        "ends_early": [name for name, those in made.items() if len(those) < len(shown)],
    }


def _folders(film: Film, out: Path, compression: str) -> tuple[Path, dict[str, Path], dict[str, Path]]:
    """Where a film's crops go: the original's, by method the manipulated ones, by method their masks."""
    made = {
        method: (out / MANIPULATED / method / compression / "images", path.stem) for method, path in film.made.items()
    }
    return (
        out / ORIGINALS / compression / "images" / film.name,
        {method: folder / name for method, (folder, name) in made.items()},
        {method: out / "masks" / method / name for method, (_, name) in made.items()},
    )


def _write(
    film: Film,
    out: Path,
    compression: str,
    chosen: Mapping[str, Sequence[SharedCrop]],
    masks: Mapping[str, Sequence[Frame]],
) -> None:
    beside, images, truth = _folders(film, out, compression)
    for method, those in chosen.items():
        for crop in those:
            name = f"{round(crop.seconds * 1000):07d}.png"
            for folder, pixels in ((images[method], crop.manipulated), (beside, crop.original)):
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name, compress_level=1)
            mask = shown_with(masks.get(method, ()), crop.seconds)
            if mask is not None:
                truth[method].mkdir(parents=True, exist_ok=True)
                lit = np.uint8(255) * (crop.window.cut(mask).max(axis=2) >= LIT)
                Image.fromarray(lit).save(truth[method] / name)


def face_at(found: Mapping[str, Sequence[SharedCrop]], masks: Mapping[str, Sequence[Frame]]) -> dict[float, int]:
    """Moment -> the one face that counts there, by its track.

    The face that the masks lie on, where a film has masks: at a moment at which one lies on no face, or is empty, that
    frame is not manipulated, or nobody knows whose face is, and none counts; that may be so at every moment. Without
    masks, the face that is there longest.

    Args:
        found: method -> crops of all faces; the tracks are the original's, so that methods agree on them.
        masks: method -> frames of its masks, where there are some.
    """
    lie: defaultdict[float, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for method, those in masks.items():
        for crop in found[method]:
            mask = shown_with(those, crop.seconds)
            if mask is not None:
                lie[crop.seconds][crop.track].append(_lies_on(mask, crop.window))
    if lie:
        best = {seconds: max(faces, key=lambda one: sum(faces[one])) for seconds, faces in lie.items()}
        return {seconds: track for seconds, track in best.items() if all(lie[seconds][track])}
    everything = [crop for those in found.values() for crop in those]
    track = longest(everything)
    return {crop.seconds: crop.track for crop in everything if crop.track == track}


def longest(found: Iterable[SharedCrop]) -> int | None:
    """The track of the face that is there at most moments; of several, of the largest. None where there is no face."""
    seen: defaultdict[int, dict[float, int]] = defaultdict(dict)
    for crop in found:
        seen[crop.track][crop.seconds] = crop.window.width
    return max(seen, key=lambda track: (len(seen[track]), sum(seen[track].values())), default=None)


def _lies_on(mask: Pixels, window: Window) -> float:
    """Intersection over union of mask and window; 0 where half of the mask or more lies elsewhere.

    A window about a larger face may hold all of a smaller face's mask: of the two the tighter one is the mask's own.
    """
    whole, inside = (int((part.max(axis=2) >= LIT).sum()) for part in (mask, window.cut(mask)))
    return inside / (whole + window.width * window.height - inside) if 2 * inside > whole else 0.0


def remembering(find: FindFaces) -> FindFaces:
    """The same, but a frame is searched once: an original is looked at again beside each of its manipulations."""
    known: dict[bytes, Sequence[Box]] = {}

    def look(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        key = pixels.tobytes()
        if key not in known:
            known[key] = find(pixels, hints, everywhere)
        return known[key]

    return look
