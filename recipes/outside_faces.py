"""Faces of pictures and films from outside, cut as detectors want them. No script: `outside_checks.py` runs it."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from manipulated import CUT, SIDE, finished
from telltale.data.equalise import encode
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.data.tracks import crop_window, halves, shared_crops
from telltale.data.video import frames
from telltale.explain.face_parsing import load_parser
from telltale.explain.face_parts import PARTS, PartMap
from telltale.explain.face_search import by_face_parser
from telltale.generate.manipulations_regions import FEATURES, box_of
from telltale.image import Pixels, resize

COMPOSITES, PORTRAITS, VIDEOS = "photoshop600", "unsplash600", "swap_videos"
WIDE_SIDE = 224
# H.264 transforms blocks of 8 pixels at most: halves whose width is no multiple of them lie otherwise on that grid.
BLOCK = 8
# Part -> what counts as it, and which digits of a composite's old name (left eye, right eye, nose, mouth).
REPLACED = {"eyes": (("eyes", "brows"), (0, 1)), "nose": (("nose",), (2,)), "mouth": (("mouth",), (3,))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One cut face.

    Attributes:
        name: of its files: <name>.jpg as the networks of table_manipulation see it, <name>_wide.jpg as the shipped
            detector does, and the part maps of both as .png.
        source: out of COMPOSITES, PORTRAITS, VIDEOS.
        is_fake: whether it is manipulated.
        group: what is drawn together: target group of a video; the picture itself.
        pair: the same for an original half and its swapped half.
        replaced: parts out of REPLACED.
    """

    name: str
    source: str
    is_fake: bool
    group: str
    pair: str
    replaced: tuple[str, ...]


def faces(data: Path, out: Path, *, quick: bool) -> list[Face]:
    """Cut all faces, or read what an earlier run finished."""
    if not (out / "faces.json").is_file():
        out.mkdir(parents=True, exist_ok=True)
        made = [*_pictures(data, out, quick=quick), *_videos(data, out, quick=quick)]
        (out / "faces.tmp").write_text(json.dumps([asdict(one) for one in made]))
        (out / "faces.tmp").replace(out / "faces.json")
    return [Face(**{**one, "replaced": tuple(one["replaced"])}) for one in json.loads((out / "faces.json").read_text())]


def fingerprint(out: Path, found: Sequence[Face]) -> str:
    """sha256 over names, truths, pictures and part maps."""
    digest = sha256()
    for one in found:
        digest.update(f"{one.name} {one.source} {one.is_fake} {one.group} {one.replaced}".encode())
        for ending in (".jpg", "_wide.jpg", ".png", "_wide.png"):
            digest.update((out / f"{one.name}{ending}").read_bytes())
    return digest.hexdigest()


def still_pictures(data: Path, *, quick: bool) -> list[Sample]:
    """Composites and portraits, those included in which no face will be found."""
    everything = [one for one in scan([data / "manifest.csv"]) if one.source in (COMPOSITES, PORTRAITS)]
    return everything[:: 10 if quick else 1]


def uneven(data: Path) -> dict[str, str]:
    """Films whose halves lie otherwise on the codec's grid: target group -> its file's name."""
    with (data / "manipulated" / "swap_videos.csv").open(newline="", encoding="utf-8") as stream:
        films = list(csv.DictReader(stream))
    return {film["target_group"]: Path(film["path"]).stem for film in films if int(film["half_width"]) % BLOCK}


def _pictures(data: Path, out: Path, *, quick: bool) -> Iterator[Face]:
    """Composites and portraits, each cut where its own face lies."""
    with (data / "manipulated" / "photoshop600_original_names.csv").open(newline="", encoding="utf-8") as stream:
        digits = {Path(row["path"]).stem: row["original_name"].split("_")[-1][:4] for row in csv.DictReader(stream)}
    find, parse = by_face_parser(), load_parser()
    for sample in still_pictures(data, quick=quick):
        pixels = sample.pixels()
        # Portraits: a face that fills the picture is looked for first, which is quick.
        boxes = find(pixels, [], False) or find(pixels, [], True)
        box = max(boxes, key=lambda one: one[2] * one[3], default=None)
        window = None if box is None else crop_window((pixels.shape[0], pixels.shape[1]), box)
        name = f"{sample.source}-{sample.path.stem}"
        wide = None if window is None else np.ascontiguousarray(window.cut(pixels))
        if wide is None or not _written(out, parse, wide, {name: wide}):
            print(f"left out: no face in {sample.path.name} of {sample.source}", file=sys.stderr)
            continue
        truth = digits[sample.path.stem] if sample.source == COMPOSITES else "0000"
        replaced = tuple(part for part, (_, places) in REPLACED.items() if any(truth[i] == "1" for i in places))
        yield Face(
            name=name, source=sample.source, is_fake=bool(sample.is_fake), group=name, pair=name, replaced=replaced
        )


def _videos(data: Path, out: Path, *, quick: bool) -> Iterator[Face]:
    """Both halves of one frame a second, cut where the original's face lies."""
    with (data / "manipulated" / "swap_videos.csv").open(newline="", encoding="utf-8") as stream:
        films = list(csv.DictReader(stream))[: 2 if quick else None]
    find, parse = by_face_parser(), load_parser()
    for film in films:
        path = data / film["path"]
        pairs = halves(frames(path, every_seconds=1.0, max_frames=2 if quick else None))
        for crop in shared_crops(pairs, find):
            pair = f"{VIDEOS}-{path.stem}-{round(crop.seconds * 1000):06d}-{crop.track}"
            names = {f"{pair}-original": crop.original, f"{pair}-swapped": crop.manipulated}
            if not _written(out, parse, crop.original, names):
                continue
            for name in names:
                yield Face(
                    name=name,
                    source=VIDEOS,
                    is_fake=name.endswith("swapped"),
                    group=film["target_group"],
                    pair=pair,
                    replaced=(),
                )


def _written(out: Path, parse: Callable[[Pixels], PartMap], guide: Pixels, wanted: dict[str, Pixels]) -> bool:
    """Each picture in both cuts, placed by the parts of `guide` alone; False where that shows no face."""
    parts = parse(guide)
    features = np.isin(parts, [PARTS.index(name) for name in FEATURES])
    window = crop_window((parts.shape[0], parts.shape[1]), box_of(features), scale=CUT) if features.any() else None
    if window is None:
        return False
    for name, wide in wanted.items():
        there = parts if wide is guide else parse(np.ascontiguousarray(wide))
        tight = np.ascontiguousarray(window.cut(wide))
        (out / f"{name}.jpg").write_bytes(finished(resize(tight, SIDE, SIDE)))
        settings = preset("web", side=WIDE_SIDE, quality=(90, 90))
        (out / f"{name}_wide.jpg").write_bytes(encode(resize(wide, WIDE_SIDE, WIDE_SIDE), settings, 90))
        _scaled(np.ascontiguousarray(window.cut(there)), SIDE).save(out / f"{name}.png")
        _scaled(there, WIDE_SIDE).save(out / f"{name}_wide.png")
    return True


def _scaled(parts: UInt8[np.ndarray, "rows columns"], side: int) -> Image.Image:
    return Image.fromarray(parts).resize((side, side), Image.Resampling.NEAREST)
