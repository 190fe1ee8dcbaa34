"""Manipulations that nobody here made, never trained on: expert composites, and the swapped halves of videos.

    python recipes/outside_checks.py --data PATH_TO_SHARED_DATA --networks runs/manipulation/train
    python recipes/outside_checks.py --data PATH_TO_SHARED_DATA --quick                            (no result written)

- `photoshop600`, 100 composites by experts against the 160 portraits of `unsplash600`, which share an encoder and not a
  photographer. Which of eyes, nose and mouth was replaced is in the composites' old names (their digits tell the eyes
  apart; here either counts, since nobody says whose left is meant). The part whose pixels have the highest mean
  P(fake), measured against the detector's own mean for that part on the unsplash600 portraits, is where it points:
  `pointing` is how often that part was replaced, over composites of which not all three were. `habit` beside it is the
  same with the truths dealt to other composites: what a detector gets that always points to the same place.
  A row for each part: AUC of its mean P(fake) between composites where it was replaced and where it was not; pointing
  among composites in which the detector points to it.
- `swap_videos`, ten films that show an original on the left and its swapped face on the right, one frame a second.
  Faces are found on the original half alone and both halves are cut there. AUC over all frames, drawn again by
  `target_group`, and how often the swapped half scores higher than its own original.

Every face is cut about its features as `recipes/manipulated.py` cuts them, scaled, and passes its one codec; for the
shipped detector the cut is that of videos, scaled to the 224 px it learned. The shipped face parser finds faces and
parts. Detectors are the shipped one and networks of `recipes/table_manipulation.py`, seed 0, where they are trained.

Each detector is one file in results/outside_checks/; a rerun computes only what is missing, and then writes
results/outside_checks.csv, .json and .md from what there is. Cost: 5 minutes to cut the faces, then 10 to 30 seconds a
detector, on one core of a 2021 server CPU.
"""

import argparse
import json
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
from outside_faces import COMPOSITES, PORTRAITS, REPLACED, VIDEOS, Face, faces, fingerprint, still_pictures
from result_files import keep, write_facts, write_page, write_table
from table_generators import ROOT
from telltale.detector import Detector
from telltale.evaluate.metrics import Estimate, auc
from telltale.evaluate.resampling import interval, resampling
from telltale.explain.face_parsing import SHIPPED as PARSER
from telltale.explain.face_parts import PARTS, PartMap
from telltale.explain.localisation import heat_on_picture
from telltale.image import decode
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

SHIPPED = "telltale-faces"
SEED, ROUNDS = 0, 1000
COLUMNS = ("set", "model", "auc", "pointing", "n")
# A part with fewer pixels of the picture cannot be judged.
LEAST = 20


def detectors(networks: Path) -> Iterator[tuple[str, Callable[[], Detector], str]]:
    """(name, how to load it, hash) of the shipped detector and of every network that is trained."""
    shipped = telltale.load(SHIPPED, threads=1)
    yield SHIPPED, lambda: shipped, shipped.sha256
    for model in ESSENTIAL:
        for kind in MANIPULATIONS:
            weights = networks / f"{named(model)}-{kind}-{SEED}" / "best.safetensors"
            if (weights.parent / "done").exists():
                yield f"{model}, trained on {kind}", partial(load, weights), file_hash(weights)


def cell(detector: Detector, out: Path, found: Sequence[Face], *, wide: bool) -> dict[str, Any]:
    """The score of every face, and where it has patches the mean P(fake) of each part."""
    scores, heats = [], []
    for one in found:
        stem = f"{one.name}_wide" if wide else one.name
        pixels = decode(out / f"{stem}.jpg")
        said = detector(pixels)
        scores.append(round(said.score, 5))
        if detector.spec.grid is not None and one.source != VIDEOS:
            heat = heat_on_picture(said, detector, (pixels.shape[0], pixels.shape[1]))
            heats.append(_by_part(heat, np.asarray(Image.open(out / f"{stem}.png"))))
    return {"scores": scores, "parts": heats}


def _by_part(heat: NDArray[np.float32], parts: PartMap) -> list[float | None]:
    answers: list[float | None] = []
    for names, _ in REPLACED.values():
        there = np.isin(parts, [PARTS.index(name) for name in names]) & np.isfinite(heat)
        answers.append(round(float(heat[there].mean()), 5) if there.sum() >= LEAST else None)
    return answers


def judged(found: Sequence[Face], said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One detector's rows: composites, each of their parts, videos."""
    scores = np.array(said["scores"])
    still = [i for i, one in enumerate(found) if one.source in (COMPOSITES, PORTRAITS)]
    yield {"set": COMPOSITES, **_told(found, scores, still), **_pointing(found, said)}
    if said["parts"]:
        for place, part in enumerate(REPLACED):
            yield {"set": f"{COMPOSITES}, {part}", **_part(found, said, place)}
    films = [i for i, one in enumerate(found) if one.source == VIDEOS]
    yield {"set": VIDEOS, **_told(found, scores, films), **_paired(found, scores, films)}


def _told(found: Sequence[Face], scores: NDArray[np.float64], places: Sequence[int]) -> dict[str, Any]:
    """AUC of some faces, drawn again by group."""
    is_fake = np.array([found[i].is_fake for i in places])
    groups = np.array([found[i].group for i in places])
    return {"n": len(places), "auc": _drawn(is_fake, scores[list(places)], groups)}


def _drawn(is_fake: NDArray[np.bool_], scores: NDArray[np.float64], groups: NDArray[np.str_]) -> Estimate:
    how = resampling(is_fake, np.full(is_fake.size, ""), groups)
    drawn = [
        auc(is_fake[again], scores[again])
        for counts in how.draws(ROUNDS, SEED)
        for again in (np.repeat(np.arange(is_fake.size), row.astype(int)) for row in counts)
        if 0 < is_fake[again].sum() < again.size
    ]
    return interval(auc(is_fake, scores), np.array(drawn))


def _measured(found: Sequence[Face], said: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of composites whose three parts can be judged: mean P(fake) above that of portraits, and which were replaced."""
    still = [one for one in found if one.source != VIDEOS]
    heat = np.array([[np.nan if value is None else value for value in row] for row in said["parts"]], np.float64)
    usual = np.nanmean(heat[[one.source == PORTRAITS for one in still]], axis=0)
    chosen = np.array([one.source == COMPOSITES for one in still]) & np.isfinite(heat).all(1)
    truth = [[part in one.replaced for part in REPLACED] for one, kept in zip(still, chosen, strict=True) if kept]
    return heat[chosen] - usual, np.array(truth)


def _pointing(found: Sequence[Face], said: dict[str, Any]) -> dict[str, Any]:
    """How often the warmest part was replaced, over composites that could prove it wrong."""
    if not said["parts"]:
        return {}
    heat, truth = _measured(found, said)
    mixed = truth.any(1) & ~truth.all(1)
    pointed, truth = heat[mixed].argmax(1), truth[mixed]
    hits = truth[np.arange(len(truth)), pointed]
    # The same places pointed to, and the truths of all other composites.
    dealt = truth[:, pointed].astype(float)
    np.fill_diagonal(dealt, np.nan)
    habit = float(np.nanmean(dealt))
    draw = np.random.default_rng(SEED)
    again = draw.integers(hits.size, size=(ROUNDS, hits.size))
    return {
        "pointing": interval(float(hits.mean()), hits[again].mean(1)),
        "habit": round(habit, 4),
        "n_pointing": int(hits.size),
    }


def _part(found: Sequence[Face], said: dict[str, Any], place: int) -> dict[str, Any]:
    """Does a part look more fake where it was replaced; and was it, where the detector points to it?"""
    heat, truth = _measured(found, said)
    mixed = truth.any(1) & ~truth.all(1) & (heat.argmax(1) == place)
    hits = truth[mixed, place]
    again = np.random.default_rng(SEED).integers(max(hits.size, 1), size=(ROUNDS, hits.size))
    replaced, alone = truth[:, place], np.full(len(truth), "")
    return {
        "n": len(truth),
        "n_replaced": int(replaced.sum()),
        "auc": _drawn(replaced, heat[:, place], alone),
        "n_pointing": int(hits.size),
        **({"pointing": interval(float(hits.mean()), hits[again].mean(1))} if hits.size else {}),
    }


def _paired(found: Sequence[Face], scores: NDArray[np.float64], films: Sequence[int]) -> dict[str, Any]:
    """How often the swapped half scores higher than its original; ties count half; films drawn again."""
    pairs: dict[str, dict[bool, int]] = {}
    for i in films:
        pairs.setdefault(found[i].pair, {})[found[i].is_fake] = i
    by_film: dict[str, list[float]] = {}
    for pair in pairs.values():
        gap = scores[pair[True]] - scores[pair[False]]
        by_film.setdefault(found[pair[True]].group, []).append(float((np.sign(gap) + 1) / 2))
    means = np.array([np.mean(values) for values in by_film.values()])
    again = np.random.default_rng(SEED).integers(means.size, size=(ROUNDS, means.size))
    return {"films": int(means.size), "pairs": interval(float(means.mean()), means[again].mean(1))}


def run(out: Path, found: Sequence[Face], mark: str, networks: Path, cells: Path) -> dict[str, dict[str, Any]]:
    """Every detector's cell: from the disk, or made now."""
    made = {}
    for name, loaded, sha256_of_weights in detectors(networks):
        path = cells / f"{named(name)}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        if (known.get("data_fingerprint"), known.get("weights_sha256")) != (mark, sha256_of_weights):
            begin = time.perf_counter()
            known = {
                "model": name,
                "command": invocation(),
                "data_fingerprint": mark,
                "weights_sha256": sha256_of_weights,
                "commit": commit(),
                "machine": machine(),
                **cell(loaded(), out, found, wide=name == SHIPPED),
                "seconds": round(time.perf_counter() - begin),
            }
            keep(path, known)
            print(name, f"{known['seconds']} s", flush=True)
        made[name] = known
    return made


def shown(value: Estimate | None) -> str:
    return "-" if value is None else f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def markdown(rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> Iterator[str]:
    """A table for composites, one for their parts, one for videos."""
    yield "# Manipulations that nobody here made"
    yield ""
    counts = about["faces"]
    yield f"{counts[COMPOSITES]} composites and {counts[PORTRAITS]} portraits ({about['left_out']} more, without a face"
    yield f"that the parser finds, are left out); {counts[VIDEOS]} faces of {about['films']} films."
    yield f"Commit {about['commit']}, {about['date']}. 95 % bootstrap intervals in brackets,"
    yield "over pictures, or films. Chance is 0.5 for AUC and for pairs. Habit: pointing with the truths of other"
    yield "composites. Whole-image baselines have no patches and point nowhere. One seed a network."
    yield ""
    yield "| detector | composites: AUC | pointing | habit | videos: AUC | videos: swapped half higher |"
    yield "|---|---|---|---|---|---|"
    of = {(row["model"], row["set"]): row for row in rows}
    models = list(dict.fromkeys(row["model"] for row in rows))
    for model in models:
        still, films = of[model, COMPOSITES], of[model, VIDEOS]
        habit = f"{still['habit']:.2f}" if "habit" in still else "-"
        line = (shown(still["auc"]), shown(still.get("pointing")), habit, shown(films["auc"]), shown(films["pairs"]))
        yield f"| {model} | {' | '.join(line)} |"
    yield ""
    yield "By part: AUC of its mean P(fake) between composites where it was replaced and where it was not; in how many"
    yield "of the composites that the detector points there for it had been replaced."
    yield ""
    yield "| detector | " + " | ".join(f"{part}: AUC | pointed there, right" for part in REPLACED) + " |"
    yield "|---|" + "---|" * (2 * len(REPLACED))
    for model in models:
        if (model, f"{COMPOSITES}, nose") in of:
            cells = []
            for part in REPLACED:
                row = of[model, f"{COMPOSITES}, {part}"]
                right = f"{row['n_pointing']}, {row['pointing'].value:.0%}" if "pointing" in row else "0, -"
                cells.append(f"{shown(row['auc'])} | {right}")
            yield f"| {model} | {' | '.join(cells)} |"


def write(rows: Sequence[dict[str, Any]], results: Path, about: dict[str, Any]) -> None:
    table = (
        {"set": row["set"], "model": row["model"], "n": row["n"]}
        | {name: round(row[name].value, 4) if name in row else "" for name in ("auc", "pointing")}
        for row in rows
    )
    write_table(results / "outside_checks.csv", table, COLUMNS)
    plain = [
        {
            name: [round(x, 4) for x in (value.value, value.low, value.high)] if isinstance(value, Estimate) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    write_facts(results / "outside_checks.json", {**about, "rows": plain})
    write_page(results / "outside_checks.md", markdown(rows, about))
    print(f"written: {results / 'outside_checks.md'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and manipulated/")
    parser.add_argument("--work", type=Path, default=Path("runs/outside"), help="where the cut faces go")
    parser.add_argument(
        "--networks", type=Path, default=Path("runs/manipulation/train"), help="the train/ of table_manipulation's work"
    )
    parser.add_argument("--quick", action="store_true", help="few pictures, two videos; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and videos")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    found = faces(chosen.data, work / "faces", quick=chosen.quick)
    mark = fingerprint(work / "faces", found)
    results = work if chosen.quick else ROOT / "results"
    cells = run(work / "faces", found, mark, chosen.networks, results / "outside_checks")
    rows = [{"model": name, **row} for name, said in cells.items() for row in judged(found, said)]
    about = {
        "command": invocation(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "data_fingerprint": mark,
        "parser_sha256": file_hash(PARSER),
        "faces": {source: sum(one.source == source for one in found) for source in (COMPOSITES, PORTRAITS, VIDEOS)},
        "left_out": len(still_pictures(chosen.data, quick=chosen.quick)) - sum(one.source != VIDEOS for one in found),
        "films": len({one.group for one in found if one.source == VIDEOS}),
        "weights_sha256": {name: said["weights_sha256"] for name, said in cells.items()},
        "seconds_of_all_cells": sum(said["seconds"] for said in cells.values()),
    }
    write(rows, results, about)


if __name__ == "__main__":
    main()
