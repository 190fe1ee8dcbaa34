"""Faces of celebahq and five manipulations of each, both halves of every pair through one codec, with truth masks.

    python recipes/manipulated.py --data PATH_TO_SHARED_DATA --out manipulated
    python recipes/manipulated.py --data PATH_TO_SHARED_DATA --out manipulated --quick       (a few faces)

Writes <manipulation>/*.jpg, untouched/*.jpg, masks/<manipulation>/*.png (white where the manipulation changed pixels),
parts/*.png (what each pixel shows, by number in `telltale.explain.face_parts.PARTS`) and manifest.csv: every command of
telltale reads them. The pictures show real people: keep them to yourself. `table_manipulation.py` and
`outside_checks.py` train on them.

- Faces: celebahq's own splits, 300 to train, 50 to validate, 120 to test, those whose parsing mask shows eyes, nose and
  mouth. Each is cut to a square about the box of those, 1.8 times as large, as faces are cut from videos, and scaled
  to 128 px. A wider cut would leave most of a manipulated picture untouched.
- Manipulation at those 128 px. Who lends a face or a part is of the same split: of 20 drawn by the picture's hash the
  one whose features lie most alike.
- Then one line of code writes both halves as JPEG of quality 95. Nothing scales a picture after it was manipulated; in
  a film cut out afterwards the traces would be softer.

The labels cannot be read off anything but the manipulation: real and fakes of a pair are one photograph, one cut, one
codec. celebahq comes without names, and the same person may have been photographed twice: photographs are apart between
the splits, people possibly not all. As every person is real as often as fake, knowing one does not help.

Cost: 2 minutes of one core of a 2021 server CPU, most of it the autoencoder; --workers 2 shares it.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image

from arguments import positive
from sharing import alone
from telltale.data.equalise import encode, equalise, picture_key
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.data.tracks import crop_window
from telltale.errors import UnsuitableImage, require
from telltale.explain.face_parts import PARTS, merged
from telltale.explain.localisation import Mask
from telltale.explain.masks import read_mask
from telltale.generate.manipulations import Face, manipulations
from telltale.generate.manipulations_regions import FEATURES, box_of, is_workable, region_of
from telltale.generate.resynthesis import resynthesiser
from telltale.image import Pixels, decode

SOURCE, UNTOUCHED = "celebahq", "untouched"
MANIPULATIONS = ("swap", "autoencoder", "self_blended", "part", "inpainted")
SIZES = {"train": 300, "validation": 50, "test": 120}
QUICK_SIZES = {"train": 6, "validation": 3, "test": 4}
SIDE, QUALITY = 128, 95
# Side of the square over the larger side of the box of brows, eyes, nose and mouth.
CUT = 1.8
CANDIDATES = 20
SEEN = ("eyes", "nose", "mouth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A face as cut and scaled."""

    key: str
    split: str
    face: Face


def manipulated(data: Path, out: Path, *, quick: bool, workers: int = 1) -> list[Sample]:
    """Make the set, or read what an earlier run finished: `untouched` is real, `MANIPULATIONS` are fake.

    Args:
        data: the shared data.
        out: its folder.
        quick: a few faces.
        workers: processes.

    Raises:
        SystemExit: an earlier run made another set there.
    """
    with alone(out, "pictures"):
        if not (out / "manifest.csv").is_file():
            rows = [row for rows in _made(data, out, QUICK_SIZES if quick else SIZES, workers) for row in rows]
            with (out / "manifest.tmp").open("w", newline="", encoding="utf-8") as stream:
                table = csv.writer(stream, lineterminator="\n")
                table.writerow(("path", "label", "source", "group", "split"))
                table.writerows(rows)
            (out / "manifest.tmp").replace(out / "manifest.csv")
    found = scan([out / "manifest.csv"])
    if (len({one.group for one in found}) <= sum(QUICK_SIZES.values())) is not quick:
        there, asked = ("all", "a few") if quick else ("a few", "all")
        sys.exit(f"{out} holds {there} faces, not {asked}: choose another folder, or delete that one")
    return found


def fingerprint(found: Sequence[Sample]) -> str:
    """sha256 over the names, pictures and masks of a set."""
    digest = sha256()
    for one in sorted(found, key=lambda sample: (sample.source, sample.path.name)):
        digest.update(f"{one.source} {one.path.name} {one.split}".encode() + one.read())
        if one.is_fake:
            digest.update(_mask_path(one).read_bytes())
    return digest.hexdigest()


def mask_of(sample: Sample) -> Mask:
    """Where a manipulated picture was changed."""
    return read_mask(_mask_path(sample), (SIDE, SIDE))


def _mask_path(sample: Sample) -> Path:
    return sample.path.parents[1] / "masks" / sample.source / f"{sample.path.stem}.png"


def _made(data: Path, out: Path, sizes: dict[str, int], workers: int) -> Iterator[list[tuple[str, ...]]]:
    """The manifest's rows of each face."""
    for name in (UNTOUCHED, "parts", *MANIPULATIONS, *(f"masks/{name}" for name in MANIPULATIONS)):
        (out / name).mkdir(parents=True, exist_ok=True)
    samples = [one for one in scan([data / "manifest.csv"]) if one.source == SOURCE]
    pairs = []
    for split, count in sizes.items():
        originals = list(_shown([one for one in samples if one.split == split], count))
        layouts = np.array([layout(one.face) for one in originals])
        pairs += [(one, originals[_donor(place, one.key, layouts)].face) for place, one in enumerate(originals)]
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (data / "generators",)) as pool:
        for done, rows in enumerate(pool.map(partial(_written, out), pairs), start=1):
            yield rows
            if done % 50 == 0:
                print(f"{done} of {len(pairs)} faces", file=sys.stderr, flush=True)


def _shown(samples: Sequence[Sample], count: int) -> Iterator[Original]:
    """The first `count` faces with eyes, nose and mouth."""
    for sample in samples:
        original = _original(sample)
        if original and all(is_workable(original.face.parts == PARTS.index(name)) for name in SEEN):
            yield original
            count -= 1
        if not count:
            return


def _original(sample: Sample) -> Original | None:
    """The face as cut; None where the mask shows none."""
    data = sample.read()
    settings = replace(preset("paper"), side=SIDE)
    pixels = decode(data, name=str(sample.path))
    with Image.open(sample.path.parents[1] / f"{SOURCE}_masks" / f"{sample.path.stem}.png") as image:
        classes = np.asarray(image)
    features = np.isin(merged(classes), [PARTS.index(name) for name in FEATURES])
    if not features.any():
        return None
    window = crop_window((classes.shape[0], classes.shape[1]), box_of(features), scale=CUT)
    if window is None:
        return None
    cut = Image.fromarray(np.ascontiguousarray(window.cut(classes)))
    parts = merged(np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.NEAREST)))
    key = picture_key(data, sample.face, settings.seed)
    return Original(key=key, split=sample.split, face=Face(equalise(pixels, window, settings), parts))


def layout(face: Face) -> Float64[np.ndarray, "numbers"]:
    """How the head is held: where eyes, nose and mouth lie within the features' box, and the box's aspect."""
    x, y, width, height = box_of(region_of(face, FEATURES))
    middles = [np.argwhere(face.parts == PARTS.index(name)).mean(0) for name in SEEN]
    places = (np.array(middles) - (y, x)) / (height, width)
    return np.append(places.ravel(), np.log(width / height))


def _donor(place: int, key: str, layouts: Float64[np.ndarray, "n numbers"]) -> int:
    """Of some that the key draws the one most alike, but not the face itself."""
    others = np.delete(np.arange(len(layouts)), place)
    draw = np.random.default_rng(int(sha256(f"{key} donor".encode()).hexdigest()[:15], 16))
    drawn = draw.choice(others, min(CANDIDATES, len(others)), replace=False)
    return int(drawn[np.abs(layouts[drawn] - layouts[place]).sum(1).argmin()])


def _start(generators: Path) -> None:
    """In every process: one thread, and the autoencoder read once."""
    global _known
    torch.set_num_threads(1)
    require("cv2", "faces").setNumThreads(1)
    _known = manipulations(resynthesiser("taef2", generators))


_known = manipulations(lambda pixels: pixels)


def _written(out: Path, pair: tuple[Original, Face]) -> list[tuple[str, ...]]:
    """All files of one face; no row of it where one manipulation is not possible, so that all sets stay paired."""
    original, donor = pair
    try:
        made = {
            name: known(original.face, donor, int(sha256(f"{original.key} {name}".encode()).hexdigest()[:8], 16))
            for name, known in _known.items()
        }
    except UnsuitableImage as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
    name = f"{sha256(original.key.encode()).hexdigest()[:16]}"
    Image.fromarray(original.face.parts).save(out / "parts" / f"{name}.png")
    for kind, one in made.items():
        Image.fromarray(one.mask.astype(np.uint8) * 255).save(out / "masks" / kind / f"{name}.png")
    rows: list[tuple[str, ...]] = []
    for kind, pixels in {UNTOUCHED: original.face.pixels, **{kind: one.pixels for kind, one in made.items()}}.items():
        (out / kind / f"{name}.jpg").write_bytes(finished(pixels))
        label = "real" if kind == UNTOUCHED else "fake"
        rows.append((f"{kind}/{name}.jpg", label, kind, name, original.split))
    return rows


def finished(pixels: Pixels) -> bytes:
    """What every picture passes, real or manipulated: one codec."""
    return encode(pixels, preset("paper", side=SIDE, codec="jpeg", quality=(QUALITY, QUALITY)), QUALITY)


def sheet(found: Sequence[Sample], count: int) -> bytes:
    """A PNG of the first faces with all their manipulations, to look at."""
    groups = list(dict.fromkeys(one.group for one in found if one.split == "test"))[:count]
    by_place = {(one.group, one.source): one for one in found}
    rows = [[by_place[group, kind].pixels() for kind in (UNTOUCHED, *MANIPULATIONS)] for group in groups]
    stream = BytesIO()
    Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows])).save(stream, "PNG")
    return stream.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--out", type=Path, required=True, help="a folder for pictures, masks and manifest.csv")
    parser.add_argument("--workers", type=positive, default=1, help="processes")
    parser.add_argument("--quick", action="store_true", help="a few faces")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    if chosen.out.exists() and not chosen.out.is_dir():
        parser.error(f"{chosen.out} is a file: --out takes a folder")
    found = manipulated(chosen.data, chosen.out, quick=chosen.quick, workers=chosen.workers)
    (chosen.out / "sheet.png").write_bytes(sheet(found, 8))
    counts = {kind: sum(one.source == kind for one in found) for kind in (UNTOUCHED, *MANIPULATIONS)}
    print(f"{chosen.out}: {counts}; data fingerprint {fingerprint(found)[:12]}")


if __name__ == "__main__":
    main()
