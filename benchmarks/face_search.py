"""How well the face parser finds faces, where no face detector is given: against boxes of another detector.

Command:  python benchmarks/face_search.py --data ../shared/data       (about 10 minutes on 1 core; --quick: a minute)
Writes:   results/face_search.csv

Pictures of the test split that have a box in the data's manifest; everything about the search was chosen on the
training split. `found`: share of pictures in which a box overlaps the known one by an intersection over union of
0.5 or more, with its 95 % Wilson interval; `median_overlap` of those; `others`: boxes a picture that overlap the known
one by less than 0.1: further faces that the manifest does not list, and mistakes. `small`: the known face's height is
less than a third of the picture's shorter side. `seconds`: per picture, everywhere searched, one thread.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.tracks import overlap
from telltale.evaluate.metrics import share
from telltale.explain.face_search import by_face_parser

TABLE = Path(__file__).parents[1] / "results" / "face_search.csv"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, required=True, help="a folder with manifest.csv")
    words.add_argument("--quick", action="store_true", help="few pictures of each source, no table")
    given = words.parse_args()
    samples = [one for one in scan([given.data], split="test") if one.face is not None]
    rows = []
    for source in sorted({one.source for one in samples}):
        chosen = [one for one in samples if one.source == source]
        rows += list(measured(source, chosen[:3] if given.quick else chosen))
    for one in rows:
        print("  ".join(f"{name} {value}" for name, value in one.items()))
    if not given.quick:
        with TABLE.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measured(source: str, samples: list[Sample]) -> Iterator[dict[str, Any]]:
    """A row for the source's large faces, and one for its small ones, where there are any."""
    find = by_face_parser()
    found: dict[str, list[tuple[float, int, float]]] = {"large": [], "small": []}
    for sample in samples:
        assert sample.face is not None
        pixels = sample.pixels()
        begin = time.perf_counter()
        overlaps = [overlap(sample.face, box) for box in find(pixels, (), True)]
        seconds = time.perf_counter() - begin
        kind = "small" if 3 * sample.face[3] < min(pixels.shape[:2]) else "large"
        found[kind].append((max(overlaps, default=0.0), sum(one < 0.1 for one in overlaps), seconds))
    for kind, values in found.items():
        if values:
            yield row(source, kind, np.array(values))


def row(source: str, kind: str, values: Any) -> dict[str, Any]:
    """Columns of `values`: best overlap, other boxes, seconds."""
    hits = values[:, 0] >= 0.5
    estimate = share(hits)
    return {
        "source": source,
        "faces": kind,
        "pictures": len(hits),
        "found": round(estimate.value, 3),
        "found_low": round(estimate.low, 3),
        "found_high": round(estimate.high, 3),
        "median_overlap": round(float(np.median(values[hits, 0])), 3) if hits.any() else "",
        "others": round(float(values[:, 1].mean()), 3),
        "seconds": round(float(np.median(values[:, 2])), 2),
    }


if __name__ == "__main__":
    main()
