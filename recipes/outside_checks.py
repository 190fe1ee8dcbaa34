"""Manipulations that nobody here made, never trained on: expert composites, and the swapped halves of videos.

    python recipes/outside_checks.py --data PATH_TO_SHARED_DATA --networks runs/manipulation/train
    python recipes/outside_checks.py --data PATH_TO_SHARED_DATA --summarise                        (needs no network)
    python recipes/outside_checks.py --data PATH_TO_SHARED_DATA --quick                            (no result written)

- `photoshop600`, 100 composites by experts against the 160 portraits of `unsplash600`, which share an encoder and not a
  photographer. Which of eyes, nose and mouth was replaced is in the composites' old names (their digits tell the eyes
  apart; here either counts, since nobody says whose left is meant). The part whose pixels have the highest mean
  P(fake), measured against the detector's own mean for that part on the unsplash600 portraits, is where it points:
  `pointing` is how often that part was replaced, over composites of which not all three were, with Wilson's interval.
  `habit` beside it is the mean of the same over all ways to deal the truths to the composites: what a detector gets
  that always points to the same place. `pointing_p` is how rarely such a deal is as far off, exact and two-sided.
  A row for each part: AUC of its mean P(fake) between composites where it was replaced and where it was not, with the
  p of Mann and Whitney's test; pointing among composites in which the detector points to it. Both kinds of p also
  after Holm's correction: for all detectors, and for all of their parts.
- `swap_videos`, ten films that show an original on the left and its swapped face on the right, one frame a second.
  Faces are found on the original half alone and both halves are cut there. AUC over all frames, and how often the
  swapped half scores higher than its own original (`pairs`, every film weighing the same), with intervals over films
  as `outside_figures.py` says; the same over films whose halves lie alike on the grid of the codec; and for each film
  by its `target_group`, AUC then being that within the film.

Every face is cut about its features as `recipes/manipulated.py` cuts them, scaled, and passes its one codec; for the
shipped detector the cut is that of videos, scaled to the 224 px it learned. The shipped face parser finds faces and
parts. Detectors are the shipped one and networks of `recipes/table_manipulation.py`, seed 0, where they are trained.

Each detector is one file in results/outside_checks/; a rerun computes only what is missing, and then writes
results/outside_checks.csv, .json and .md from all there are; `--summarise` only does the latter. Cells of one table
are of the same pictures: another kind of processor may round otherwise and then is refused, unless MAKES knows it.
Cost: 5 minutes to cut the faces, then 10 to 30 seconds a detector, on one core of a 2021 server CPU; the tables take
half a minute.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import telltale
from manipulated import MANIPULATIONS
from manipulation_cells import ESSENTIAL, named
from outside_faces import COMPOSITES, PORTRAITS, REPLACED, VIDEOS, Face, faces, fingerprint, still_pictures, uneven
from outside_figures import judged
from outside_summary import SHIPPED, write
from result_files import keep
from table_generators import ROOT
from telltale.detector import Detector
from telltale.explain.face_parsing import SHIPPED as PARSER
from telltale.explain.face_parts import PARTS, PartMap
from telltale.explain.localisation import heat_on_picture
from telltale.image import decode
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

SEED = 0
# The faces as kinds of processor cut them that cells were computed on; their list is the same, whatever the rounding.
MAKES = {
    "455b786de2e8707668ac0132fb1beadceee6a59ad216943250c0eb0a1e65d006": "AMD EPYC with AVX-512, Intel Xeon with AMX",
}
# A part with fewer pixels of the picture cannot be judged.
LEAST = 20


def names() -> Iterator[tuple[str, str]]:
    """(name, folder of its training) of every network, in order."""
    for model in ESSENTIAL:
        for kind in MANIPULATIONS:
            yield f"{model}, trained on {kind}", f"{named(model)}-{kind}-{SEED}"


def detectors(networks: Path) -> Iterator[tuple[str, Callable[[], Detector], str]]:
    """(name, how to load it, hash) of the shipped detector and of every network that is trained."""
    shipped = telltale.load(SHIPPED, threads=1)
    yield SHIPPED, lambda: shipped, shipped.sha256
    for name, folder in names():
        weights = networks / folder / "best.safetensors"
        if (weights.parent / "done").exists():
            yield name, partial(load, weights), file_hash(weights)


def cell(detector: Detector, out: Path, found: Sequence[Face], *, wide: bool) -> dict[str, Any]:
    """The score of every face, and where it has patches the mean P(fake) of each part."""
    scores, heats = [], []
    for one in found:
        stem = f"{one.name}_wide" if wide else one.name
        pixels = decode(out / f"{stem}.jpg")
        said = detector(pixels)
        # All digits: a saturated network still ranks.
        scores.append(float(said.score))
        if detector.spec.grid is not None and one.source != VIDEOS:
            heat = heat_on_picture(said, detector, (pixels.shape[0], pixels.shape[1]))
            heats.append(_by_part(heat, np.asarray(Image.open(out / f"{stem}.png"))))
    return {"scores": scores, "parts": heats}


def _by_part(heat: NDArray[np.float32], parts: PartMap) -> list[float | None]:
    answers: list[float | None] = []
    for places, _ in REPLACED.values():
        there = np.isin(parts, [PARTS.index(name) for name in places]) & np.isfinite(heat)
        answers.append(float(heat[there].mean()) if there.sum() >= LEAST else None)
    return answers


def run(out: Path, found: Sequence[Face], mark: str, networks: Path, cells: Path) -> None:
    """Every missing cell."""
    marks = agreed(cells, mark)
    for name, loaded, sha256_of_weights in detectors(networks):
        path = cells / f"{named(name)}.json"
        if path.exists() and json.loads(path.read_text())["weights_sha256"] == sha256_of_weights:
            continue
        if marks - {mark}:
            sys.exit(
                f"{path} is to be computed, but the others in its folder are of the pictures of another kind of "
                f"processor ({MAKES[next(iter(marks))]}): run there, or delete all cells and run again"
            )
        begin = time.perf_counter()
        made = {
            "model": name,
            "command": invocation(),
            "data_fingerprint": mark,
            "weights_sha256": sha256_of_weights,
            "commit": commit(),
            "machine": machine(),
            **cell(loaded(), out, found, wide=name == SHIPPED),
            "seconds": round(time.perf_counter() - begin),
        }
        keep(path, made)
        print(name, f"{made['seconds']} s", flush=True)


def agreed(cells: Path, mark: str) -> set[str]:
    """The fingerprint of the pictures that kept cells are of; cells of several, or of unknown ones, end the run.

    Args:
        cells: their folder.
        mark: of the faces as they are cut here.
    """
    marks = {json.loads(path.read_text())["data_fingerprint"] for path in sorted(cells.glob("*.json"))}
    if len(marks) > 1:
        sys.exit(f"{cells} holds cells of {len(marks)} sets of pictures: delete those of all but one and run again")
    for other in marks - {mark}:
        if not {mark, other} <= MAKES.keys():
            sys.exit(
                f"{cells} was made from other pictures ({other[:16]}) than the faces cut here ({mark[:16]}). If the "
                "data is the same and only the processor is of another kind, its rounding differs: check that the list "
                "of faces is the same and name both in MAKES. Else delete the cells and run again."
            )
    return marks


def kept(cells: Path, found: Sequence[Face], mark: str) -> dict[str, dict[str, Any]]:
    """Every detector's cell that there is, by its name, in order."""
    agreed(cells, mark)
    paths = {name: cells / f"{named(name)}.json" for name in (SHIPPED, *(name for name, _ in names()))}
    made = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    if not made:
        sys.exit(f"no cells in {cells}: run without --summarise first")
    for name, said in made.items():
        if len(said["scores"]) != len(found):
            sys.exit(f"{paths[name]} has {len(said['scores'])} scores for {len(found)} faces: delete it and run again")
    return made


def summarise(found: Sequence[Face], cells: Path, mark: str, about: dict[str, Any], films: dict[str, str]) -> None:
    """The tables, from the cells there are.

    Args:
        found: the faces.
        cells: folder of the cells; the tables go beside it.
        mark: fingerprint of the faces as they are cut here.
        about: further facts for the .json.
        films: those whose halves lie otherwise on the codec's grid, with their files' names.
    """
    made = kept(cells, found, mark)
    rows = [{"model": name, **row} for name, said in made.items() for row in judged(found, said, list(films))]
    of_cells = {
        f"{name}s_of_cells": sorted({str(said[name]) for said in made.values()})
        for name in ("command", "commit", "machine", "data_fingerprint")
    }
    facts = {
        **about,
        "data_fingerprint": mark,
        **of_cells,
        "faces": {source: sum(one.source == source for one in found) for source in (COMPOSITES, PORTRAITS, VIDEOS)},
        "films": len({one.group for one in found if one.source == VIDEOS}),
        "halves_otherwise_on_the_grid": films,
        "weights_sha256": {name: said["weights_sha256"] for name, said in made.items()},
        "seconds_of_all_cells": sum(said["seconds"] for said in made.values()),
    }
    write(rows, cells.parent, facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and manipulated/")
    parser.add_argument("--work", type=Path, default=Path("runs/outside"), help="where the cut faces go")
    parser.add_argument(
        "--networks", type=Path, default=Path("runs/manipulation/train"), help="the train/ of table_manipulation's work"
    )
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few pictures, two videos; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and videos")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    found = faces(chosen.data, work / "faces", quick=chosen.quick)
    mark = fingerprint(work / "faces", found)
    cells = (work if chosen.quick else ROOT / "results") / "outside_checks"
    if not chosen.summarise:
        run(work / "faces", found, mark, chosen.networks, cells)
    about = {
        "command": invocation(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "parser_sha256": file_hash(PARSER),
        "left_out": len(still_pictures(chosen.data, quick=chosen.quick)) - sum(one.source != VIDEOS for one in found),
    }
    summarise(found, cells, mark, about, uneven(chosen.data))


if __name__ == "__main__":
    main()
