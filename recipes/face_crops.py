"""Crops of films as pictures that networks learn: built alike, each beside its original, and their truth masks.

No script: `table_faceforensics.py` and `manipulated_videos.py` take what `face_films.py` cut through it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale.data.build import build
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.errors import require
from telltale.explain.localisation import Mask


def build_crops(cut: Path, built: Path) -> tuple[list[Sample], str]:
    """All crops through `telltale build`, and the fingerprint; a manipulated frame counts with its original only.

    Crops were cut at the same places, and stay on each other. Who belongs together is what the lists say, so that
    look-alikes are not asked for: of one film every two pictures are.
    """
    found = [replace(one, source=one.source.split("/", maxsplit=1)[0]) for one in scan([cut])]
    report = build(found, built, replace(preset("paper"), crop="uncut"), workers=1, bits=0)
    built_index.cache_clear()
    everything = scan([built])
    originals = {picture_of(built, one) for one in everything if not one.is_fake}
    kept = [one for one in everything if picture_of(built, one) in originals]
    if len(kept) < len(everything):
        print(
            f"left out: {len(everything) - len(kept)} manipulated frames whose original frame is not there, or is the "
            f"same bytes as another: see duplicates.csv and failures.csv in {built}",
            file=sys.stderr,
        )
    return kept, report.fingerprint


@cache
def built_index(built: Path) -> dict[str, dict[str, Any]]:
    """What `telltale build` noted of each picture: its original, and what it cut from it."""
    columns = ["path", "original_path", "crop_x", "crop_y", "crop_width", "crop_height"]
    table = require("pyarrow.parquet", "data").read_table(built / "index.parquet", columns=columns)
    return {row["path"]: row for row in table.to_pylist()}


def picture_of(built: Path, sample: Sample) -> str:
    """<target>/<frame>, the same for an original and its manipulations."""
    original = Path(built_index(built)[sample.path.relative_to(built).as_posix()]["original_path"])
    return f"{original.parent.name.split('_')[0]}/{original.stem}"


def masks_of(built: Path, cut: Path, tested: Sequence[Sample]) -> Callable[[Sample], Mask] | None:
    """Truth masks of built pictures, cut and scaled as these were.

    A picture without a mask has an empty one, so that it counts nowhere; None where a method has no mask at all.

    Args:
        built: what `build_crops` wrote.
        cut: what `crops` wrote.
        tested: the pictures that will be asked for.
    """
    index, fakes = built_index(built), [one for one in tested if one.is_fake]

    def place(sample: Sample) -> Path:
        original = Path(index[sample.path.relative_to(built).as_posix()]["original_path"])
        return cut / "masks" / original.parents[3].name / original.parent.name / original.name

    def mask_of(sample: Sample) -> Mask:
        shape = sample.pixels().shape[:2]
        if not place(sample).is_file():
            return np.zeros(shape, np.bool_)
        row = index[sample.path.relative_to(built).as_posix()]
        x, y, width, height = (row[f"crop_{one}"] for one in ("x", "y", "width", "height"))
        with Image.open(place(sample)) as image:
            there = image.resize(shape[::-1], Image.Resampling.BILINEAR, (x, y, x + width, y + height))
        return np.asarray(there) >= 128

    def says(mask: Mask) -> bool:
        return bool(mask.any() and not mask.all())

    kinds = sorted({one.source for one in fakes})
    if without := [kind for kind in kinds if not any(says(mask_of(one)) for one in fakes if one.source == kind)]:
        print(f"no masks of {', '.join(without)}: none used", file=sys.stderr)
        return None
    if missing := [path for path in map(place, fakes) if not path.is_file()]:
        print(
            f"{len(missing)} of {len(fakes)} masks are not there, such as {missing[0]}: nothing is located in those "
            "pictures",
            file=sys.stderr,
        )
    return mask_of
