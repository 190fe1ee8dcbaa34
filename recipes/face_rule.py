"""What does `telltale explain regions` take for a face? The rule on faces, and on pictures in which there is none.

    python recipes/face_rule.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/face_rule.py --data PATH_TO_SHARED_DATA --work runs/table --quick       (no result written)

The shipped face parser was trained on faces alone and finds parts of one in anything. So its parts must also lie as in
a face (`shows_a_face`); that they are there (`names_a_face`) is enough for masks drawn by people only. Counted is what
either rule passes:

- faces: the pictures of `recipes/figure_regions.py`, whose --work is used: test pictures of the sources trained on, any
  of the others, at most 200 of each, 128-px face crops. The rule's limits were set on 562 training pictures, of the
  same sources and of a few of these pictures themselves;
- no faces: photographs, textures and drawings that come with scikit-learn and scikit-image, each whole and 25 windows
  of it drawn at random (seed 0). None of them set a limit, but the choice of which parts must be there was made with
  them in view. A cat and a phantom of a head are among them.

Writes results/face_rule.csv and .json. Cost: 2 minutes on one core of a 2021 server CPU, besides building.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from figure_heatmaps import pictures, shown
from result_files import write_facts, write_table
from table_generators import ROOT
from telltale.explain.face_parsing import SHIPPED, load_parser
from telltale.explain.face_parts import names_a_face, shows_a_face
from telltale.image import Pixels, decode
from telltale.learn.checkpoint import file_hash
from telltale.provenance import commit, invocation

WINDOWS = 25
# Files of scikit-learn and scikit-image that show no human face.
NO_FACES = {
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "data",
        (
            *("brick.png", "cell.png", "chelsea.png", "chessboard_RGB.png", "coffee.png", "coins.png", "color.png"),
            *("grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png"),
            *("moon.png", "motorcycle_left.png", "page.png", "phantom.png", "retina.jpg", "rocket.jpg", "text.png"),
        ),
    ),
}


def faces(data: Path, work: Path, *, quick: bool) -> Iterator[tuple[str, Pixels]]:
    """Source and pixels of every picture of the table of face parts."""
    for sample in shown(pictures(data, work, quick=quick)):
        yield sample.source, sample.pixels()


def no_faces(*, quick: bool) -> Iterator[tuple[str, Pixels]]:
    """Name and pixels of each picture, whole and in windows."""
    random = np.random.default_rng(0)
    for package, (folder, names) in NO_FACES.items():
        for name in names[: 2 if quick else None]:
            pixels = decode(files(package).joinpath(folder, name).read_bytes())
            height, width = pixels.shape[:2]
            yield Path(name).stem, pixels
            for _ in range(1 if quick else WINDOWS):
                side = int(min(height, width) * random.uniform(0.25, 1))
                y, x = (int(random.integers(0, length - side + 1)) for length in (height, width))
                yield Path(name).stem, np.ascontiguousarray(pixels[y : y + side, x : x + side])


def counted(kind: str, looked_at: Iterable[tuple[str, Pixels]]) -> list[dict[str, Any]]:
    """A row for each source: how many pictures, and how many either rule passes."""
    parse, found = load_parser(), dict[str, list[int]]()
    for source, pixels in looked_at:
        parts = parse(pixels)
        row = found.setdefault(source, [0, 0, 0])
        for place, one in enumerate((True, names_a_face(parts), shows_a_face(parts))):
            row[place] += one
    return [
        {"kind": kind, "source": source, "pictures": n, "named": named, "shown": shown}
        for source, (n, named, shown) in sorted(found.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--work", type=Path, default=Path("runs/table"))
    parser.add_argument("--quick", action="store_true", help="few pictures; no result written")
    given = parser.parse_args()
    if not (given.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {given.data}: point --data at the folder of images")
    begin = time.perf_counter()
    work = given.work / "quick" if given.quick else given.work
    rows = counted("face", faces(given.data, work, quick=given.quick))
    rows += counted("no face", no_faces(quick=given.quick))
    out = work if given.quick else ROOT / "results"
    write_table(out / "face_rule.csv", rows)
    about = {
        "command": invocation(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - begin, 1),
        "parser_sha256": file_hash(SHIPPED),
        "packages": {name: version(name) for name in ("scikit-learn", "scikit-image")},
    }
    write_facts(out / "face_rule.json", about)
    for kind in ("face", "no face"):
        n, named, shown = (
            sum(row[name] for row in rows if row["kind"] == kind) for name in ("pictures", "named", "shown")
        )
        print(f"{kind}: {n} pictures, {named} have the parts, {shown} have them as in a face")


if __name__ == "__main__":
    main()
