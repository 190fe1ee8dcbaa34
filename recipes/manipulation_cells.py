"""Networks that learn one manipulation against untouched faces: their training, their cells, and the rows of a table.

No script: `table_manipulation.py` and `table_faceforensics.py` run it, each on pictures of its own.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from result_files import keep
from sharing import unclaimed
from table_generators import Bench, settings
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.evaluate.metrics import auc, average_precision
from telltale.explain.face_parsing import Parse
from telltale.explain.face_parts import names_a_face
from telltale.explain.heatmaps import Heatmap
from telltale.explain.localisation import Mask, figures, heat_on_picture, locate
from telltale.explain.regions import find_regions, region_rows
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation
from trained_networks import trained_once

# Name -> architecture and augmentation, as `table_generators.py` names them.
Models = dict[str, tuple[str, str]]
ESSENTIAL: Models = {
    name: (name, "none")
    for name in (
        *("xception_block1", "xception_block2", "xception_block3", "resnet18_layer1"),
        "resnet18",
    )
}
FURTHER: Models = {
    **{
        name: (name, "none")
        for name in (
            *("xception_block4", "xception_block5", "resnet18_layer2", "resnet18_layer3", "xception"),
            "mesoinception4",
        )
    },
    **{f"resnet50, {kind}": ("resnet50", kind) for kind in ("blur+jpeg 0.1", "blur+jpeg 0.5")},
}
QUICK: Models = {name: ESSENTIAL[name] for name in ("xception_block1", "resnet18")}
# What a cell keeps of each tested manipulation: as `telltale.explain.localisation.FIGURES` names them.
LOCATED = ("pixel_auc", "mean_auc", "iou", "best_iou", "pointing", "chance", "called")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Real faces, several manipulations of them, and networks that learn one against the reals.

    Attributes:
        name: of the results.
        bench: `training` holds every source's training and validation pictures, `tested` the test pictures.
        real: the source of the reals.
        kinds: the sources of the fakes.
        learned: those of them that networks learn.
        models: in groups; all seeds of a group come before the next.
        seeds: how many.
        data: what a network's header says it learned.
        training: settings of `TrainConfig` besides those of table_generators.
        mask_of, parse: truth masks and parts of a picture; None where nobody knows them.
        twin_of: the same for an untouched picture and what was made of it; its group where each has one to itself.
        drawn: what intervals draw again besides seeds: the groups of the tested pictures, in a word.
        makes: fingerprint of this set as a kind of processor makes it, each with a rounding of its own -> that kind.
            Cells of any of them may stand in one table.
    """

    name: str
    bench: Bench
    real: str
    kinds: tuple[str, ...]
    learned: tuple[str, ...]
    models: tuple[Models, ...]
    seeds: int
    data: str
    training: dict[str, Any] = field(default_factory=dict)
    mask_of: Callable[[Sample], Mask] | None = None
    parse: Parse | None = None
    twin_of: Callable[[Sample], str] = attrgetter("group")
    drawn: str = "faces"
    makes: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> list[tuple[str, str, int]]:
        """(model, trained on, seed) of every cell, in order."""
        return [
            (model, kind, seed)
            for models in self.models
            for seed in range(self.seeds)
            for model in models
            for kind in self.learned
        ]

    def path_of(self, model: str, kind: str, seed: int) -> Path:
        """Where a cell is kept."""
        return self.bench.cells / f"{named(model)}-{kind}-{seed}.json"

    def weights_of(self, model: str, kind: str, seed: int) -> Path:
        """Where a network's weights lie, once it is trained."""
        return self.bench.work / "train" / f"{named(model)}-{kind}-{seed}" / "best.safetensors"


def named(model: str) -> str:
    """For a file."""
    return model.replace(", ", "_").replace(" ", "_")


def trained(asked: Experiment, model: str, kind: str, seed: int) -> Path:
    """The weights of one network: trained, or trained on where an interrupted run stopped."""
    out = asked.weights_of(model, kind, seed).parent
    architecture, augmentation = {name: how for models in asked.models for name, how in models.items()}[model]
    config = replace(
        settings(asked.bench, architecture, augmentation, seed),
        data=(asked.data,),
        name=f"{model} {kind} {seed}",
        **asked.training,
    )
    samples = [one for one in asked.bench.training if one.source in (asked.real, kind)]
    return trained_once(asked.bench.work, out, config, samples, asked.bench.fingerprint)


def remembering(detector: Detector) -> Detector:
    """The same, but no picture is predicted twice; for sets of some hundred small pictures."""
    known: dict[bytes, NDArray[np.float32]] = {}

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = images.tobytes()
        if key not in known:
            known[key] = detector.predict(images)
        return known[key]

    return replace(detector, predict=predict)


def cell(asked: Experiment, model: str, kind: str, seed: int) -> dict[str, Any]:
    """Scores of all tested pictures by one network, and what its patches say."""
    begin = time.perf_counter()
    weights = trained(asked, model, kind, seed)
    detector = remembering(load(weights))
    found: dict[str, Any] = {
        "model": model,
        "trained_on": kind,
        "seed": seed,
        "command": invocation(),
        "data_fingerprint": asked.bench.fingerprint,
        "weights_sha256": file_hash(weights),
        "commit": commit(),
        "machine": machine(),
        # Every digit: a saturated network still ranks.
        "scores": [float(detector(one.pixels()).score) for one in asked.bench.tested],
    }
    if detector.spec.grid is not None and asked.mask_of is not None:
        found["localisation"] = located(asked, detector, asked.mask_of)
    if detector.spec.grid is not None and asked.parse is not None:
        found["regions"] = surest(asked, detector, asked.parse)
    return {**found, "seconds": round(time.perf_counter() - begin)}


def located(asked: Experiment, detector: Detector, mask_of: Callable[[Sample], Mask]) -> dict[str, dict[str, float]]:
    """By manipulation: figures of its heatmaps, and the pixel AUC of its masks on the untouched faces."""

    def heat(sample: Sample) -> Heatmap:
        pixels = sample.pixels()
        return heat_on_picture(detector(pixels), detector, (pixels.shape[0], pixels.shape[1]))

    before = {asked.twin_of(one): heat(one) for one in asked.bench.tested if one.source == asked.real}
    answers = {}
    for kind in asked.kinds:
        fakes = [one for one in asked.bench.tested if one.source == kind]
        made = [locate(heat(one), mask_of(one)) for one in fakes]
        plain = [locate(before[asked.twin_of(one)], mask_of(one)) for one in fakes]
        partial = [both for both in zip(made, plain, strict=True) if both[0].partial]
        once = np.ones((1, len(partial)))
        values, untouched = (figures([both[side] for both in partial], once) for side in (0, 1))
        answers[kind] = {name: round(float(values[name][0]), 4) for name in LOCATED}
        answers[kind] |= {"n": len(partial), "untouched_auc": round(float(untouched["pixel_auc"][0]), 4)}
    return answers


def surest(asked: Experiment, detector: Detector, parse: Parse) -> dict[str, dict[str, Any]]:
    """By source: the part of each picture's most fake-looking patch, how often random ones lie in each part, and p.

    The untouched faces are among them, since a network may look at mouths whatever was done to a face. Parts are
    places in PARTS, in the order of the tested pictures.
    """
    regions = find_regions(detector, asked.bench.tested, parse, is_face=names_a_face, towards="fake")
    if regions.failures:
        sys.exit(f"{len(regions.failures)} pictures cannot be used: {regions.failures[0].error}")
    if regions.omissions:
        sys.exit(f"{len(regions.omissions)} pictures have no parts: {regions.omissions[0].why}")
    answers: dict[str, dict[str, Any]] = {
        source: {"parts": [part for part, _ in seen]} for (source, _), seen in regions.pictures.items()
    }
    for row in region_rows(regions):
        if row.source in answers:
            one = answers[row.source]
            one["n"] = row.n
            one.setdefault("top", []).append(row.top_count)
            one.setdefault("random", []).append(round(row.random_count, 2))
            one.setdefault("p_holm", []).append(float(f"{row.p_holm:.3g}"))
    return answers


def run(asked: Experiment) -> None:
    """Every missing cell."""
    for model, kind, seed in unclaimed(asked.bench.work, asked.name, asked.wanted()):
        fill(asked, model, kind, seed)


def fill(asked: Experiment, model: str, kind: str, seed: int) -> None:
    """One cell, where it is missing or has no parts of untouched faces yet."""
    path = asked.path_of(model, kind, seed)
    if path.exists():
        complete(asked, path, asked.weights_of(model, kind, seed))
    else:
        found = cell(asked, model, kind, seed)
        keep(path, found)
        said = [f"{row['tested_on']} {row['auc']:.2f}" for row in rows(asked, found)]
        print(path.stem, f"{found['seconds']} s", *said, flush=True)


def complete(asked: Experiment, path: Path, weights: Path) -> None:
    """Parts of the face again, in a cell from before untouched faces were among them; where its network is still there.

    Nothing else of the cell changes. It stays as it is where its pictures were another processor's.
    """
    found = json.loads(path.read_text())
    lacking = asked.parse is not None and asked.real not in found.get("regions", {asked.real: None})
    known = found["data_fingerprint"] == asked.bench.fingerprint and weights.exists()
    if lacking and asked.parse is not None and known and file_hash(weights) == found["weights_sha256"]:
        keep(path, {**found, "regions": surest(asked, load(weights), asked.parse), "commit_of_regions": commit()})
        print(path.stem, "parts of the face, again", flush=True)


def pools(asked: Experiment) -> dict[str, NDArray[np.intp]]:
    """By manipulation: the places of its pictures and of all reals among the tested ones."""
    source = np.array([one.source for one in asked.bench.tested])
    return {kind: np.flatnonzero(np.isin(source, (kind, asked.real))) for kind in asked.kinds}


def rows(asked: Experiment, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The table's rows of one cell."""
    is_fake = np.array([bool(one.is_fake) for one in asked.bench.tested])
    scores = np.array(found["scores"])
    for kind, places in pools(asked).items():
        where = found.get("localisation", {}).get(kind, {})
        yield {
            **{name: found[name] for name in ("model", "seed", "trained_on")},
            "tested_on": kind,
            "ap_fake": round(average_precision(is_fake[places], scores[places]), 4),
            "auc": round(auc(is_fake[places], scores[places]), 4),
            **{name: where.get(name, "") for name in ("pixel_auc", "iou")},
        }
