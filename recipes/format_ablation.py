"""What equal formats buy: the same pictures in four states of preparation, and detectors trained on each.

    python recipes/format_ablation.py --data PATH_TO_SHARED_DATA --work runs/format
    python recipes/format_ablation.py --data PATH_TO_SHARED_DATA --work runs/format --quick     (no result)

The paper asserts that real and fake files must be prepared alike and never shows what happens otherwise. Here the same
images of one real and one fake source (CelebA-HQ faces saved as JPEG, StyleGAN2 faces saved as PNG) are taken

    raw                    as they came
    same codec             saved as JPEG, quality 70-95 drawn alike for both labels
    same codec and size    scaled to 224 px before that
    built                  as `telltale build --preset web --side 224`: face crop at a shifted offset, 224 px, JPEG

and three detectors are trained on each, with five seeds: xception_block2, the whole-image ResNet-18, and a probe that
reads nothing but the files' headers. Each is tested on all four states of the held-back test images, and of other
sources. The swap test asks how many verdicts turn when a real is re-saved the way the fakes came, and a fake the way
the reals came: a detector of fakes would not care.

Every (model, preparation, seed) is one file in results/format_ablation/, and a rerun computes only what is missing.
Cost: about two minutes a cell on one core of a 2021 server CPU, 40 cells of networks; the probe takes seconds.
Expected: results/format_ablation.csv, .png and .json, shown in docs/format-ablation.md (recipes/write_docs.py). Raw,
every model seems good; built, the header probe guesses and the networks are not far above it.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from result_files import keep, write_facts, write_figure, write_table
from telltale.data.cues import container_cues
from telltale.data.equalise import choose_quality, choose_window, encode, equalise, picture_key
from telltale.data.formats import format_facts
from telltale.data.samples import Sample, scan
from telltale.data.settings import preset
from telltale.errors import require
from telltale.evaluate.metrics import auc, average_precision
from telltale.image import Pixels, decode, resize
from telltale.learn.checkpoint import load
from telltale.learn.config import TrainConfig
from telltale.learn.precision import machine
from telltale.learn.train import train
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
SIDE = 224
WEB = preset("web", side=SIDE)
PREPARATIONS = ("raw", "same codec", "same codec and size", "built")
NETWORKS = ("xception_block2", "resnet18")
PROBE = "metadata probe"
# (name, source of reals, source of fakes); the first is trained on.
PAIRS = (
    ("celebahq+stylegan2_ffhq256", "celebahq", "stylegan2_ffhq256"),
    ("portrait256+stylegan2_web", "portrait256", "stylegan2_web"),
    ("landmark256+generatedphotos", "landmark256", "generatedphotos"),
    ("aaf+sd21", "aaf", "sd21"),
)
TRAINED = PAIRS[0]
SEEDS = 5
# What every network sees of a test picture: enough for 13 x 13 patches, and the same at every native size.
VIEW = 128
AT_MOST = 50
COLUMNS = (
    "model",
    "seed",
    "preparation_train",
    "preparation_test",
    "trained_on",
    "tested_on",
    "n_real",
    "n_fake",
    "ap",
    "auc",
    "flip_share",
)

# Scores, in [0, 1], of pictures given as their files' bytes.
Score = Callable[[list[bytes]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One original file; `face` as in `Sample`."""

    data: bytes
    sample: Sample


def prepared(picture: Picture, preparation: str) -> bytes:
    """The file's bytes in one of the four states; the same function for real and fake."""
    if preparation == "raw":
        return picture.data
    key = picture_key(picture.data, picture.sample.face, WEB.seed)
    pixels = decode(picture.data)
    if preparation == "same codec and size":
        pixels = resize(pixels, SIDE, SIDE)
    elif preparation == "built":
        pixels = equalise(pixels, choose_window(pixels.shape[:2], picture.sample.face, WEB, key), WEB)
    return encode(pixels, WEB, choose_quality(WEB, key))


def swapped(picture: Picture) -> Picture:
    """A real as the fakes came (256-px PNG), a fake as the reals came (512-px JPEG of quality 75)."""
    stream = BytesIO()
    if picture.sample.is_fake:
        Image.fromarray(resize(decode(picture.data), 512, 512)).save(stream, "JPEG", quality=75)
    else:
        Image.fromarray(resize(decode(picture.data), 256, 256)).save(stream, "PNG")
    return replace(picture, data=stream.getvalue())


def centre(data: bytes) -> Pixels:
    """The middle VIEW x VIEW pixels."""
    pixels = decode(data)
    top, left = ((length - VIEW) // 2 for length in pixels.shape[:2])
    return pixels[top : top + VIEW, left : left + VIEW]


def network(weights: Path) -> Score:
    """Pooled patch probabilities of the middle of each picture."""
    detector = load(weights)
    return lambda files: np.array([detector(centre(data)).score for data in files])


def header_features(files: list[bytes]) -> NDArray[np.float64]:
    """What the header says, as numbers: a word by its hash, what is absent as -1; trees can split on both."""
    return np.array([[_number(value) for value in container_cues(format_facts(data)).values()] for data in files])


def _number(value: float | str | None) -> float:
    if value is None:
        return -1.0
    return value if isinstance(value, float) else float(int(sha256(value.encode()).hexdigest()[:6], 16))


def probe(files: list[bytes], is_fake: NDArray[np.bool_], seed: int) -> Score:
    """Gradient boosting on headers alone; each seed draws its own bootstrap of the training files."""
    draw = np.random.default_rng(seed)
    chosen = np.concatenate([draw.choice(np.flatnonzero(is_fake == label), 90) for label in (False, True)])
    kind = require("sklearn.ensemble", "evaluate").HistGradientBoostingClassifier
    model = kind(max_iter=50, min_samples_leaf=5, random_state=seed)
    # A few hundred rows: threads would only wait for each other.
    with require("threadpoolctl", "evaluate").threadpool_limits(1):
        model.fit(header_features(files)[chosen], is_fake[chosen])
    return lambda others: _alone(model.predict_proba, header_features(others))


def _alone(predict: Callable[[NDArray[np.float64]], Any], features: NDArray[np.float64]) -> NDArray[np.float64]:
    with require("threadpoolctl", "evaluate").threadpool_limits(1):
        return np.asarray(predict(features)[:, 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The pictures of an experiment, and where it works."""

    pictures: dict[str, list[Picture]]
    work: Path
    cells: Path
    quick: bool

    def of(self, pair: tuple[str, str, str], split: str) -> list[Picture]:
        """Both sources' pictures of a split, at most AT_MOST each in the test split."""
        return [
            picture
            for source in pair[1:]
            for picture in [p for p in self.pictures[source] if p.sample.split == split][
                : AT_MOST if split == "test" else None
            ]
        ]

    def files(self, pair: tuple[str, str, str], split: str, preparation: str, *, swap: bool = False) -> list[bytes]:
        """The pictures' bytes in one state, made once and kept in memory."""
        return _files(self, pair, split, preparation, swap)

    def __hash__(self) -> int:
        """One bench a process: identity is enough for the cache of `files`."""
        return id(self)


@cache
def _files(bench: Bench, pair: tuple[str, str, str], split: str, preparation: str, swap: bool) -> list[bytes]:
    pictures = bench.of(pair, split)
    return [prepared(swapped(picture) if swap else picture, preparation) for picture in pictures]


def labels(pictures: list[Picture]) -> NDArray[np.bool_]:
    return np.array([bool(picture.sample.is_fake) for picture in pictures])


def fitted(bench: Bench, model: str, preparation: str, seed: int) -> Score:
    """Train one model on one state; networks go on where an interrupted run stopped."""
    if model == PROBE:
        files = bench.files(TRAINED, "train", preparation)
        return probe(files, labels(bench.of(TRAINED, "train")), seed)
    out = bench.work / "train" / f"{model}-{preparation.replace(' ', '_')}-{seed}"
    config = TrainConfig(
        data=("shared data",),
        name=out.name,
        architecture=model,
        crop=64,
        allow_small=True,
        batch=32,
        steps_per_epoch=10 if bench.quick else 60,
        epochs=1 if bench.quick else 4,
        patience=4,
        choose_by="auc",
        seed=seed,
        threads=1,
    )
    samples = [
        replace(picture.sample, path=Path(f"{split}-{index}"), data=data, face=None)
        for split in ("train", "validation")
        for index, (picture, data) in enumerate(
            zip(bench.of(TRAINED, split), bench.files(TRAINED, split, preparation), strict=True)
        )
    ]
    for _ in train(config, out, resume=out.exists(), samples=samples, command=invocation()):
        pass
    return network(out / "best.safetensors")


def cell(bench: Bench, model: str, preparation: str, seed: int) -> list[dict[str, object]]:
    """One trained model on every state of every pair."""
    score = fitted(bench, model, preparation, seed)
    rows: list[dict[str, object]] = []
    for pair in PAIRS:
        is_fake = labels(bench.of(pair, "test"))
        for state in PREPARATIONS:
            scores = score(bench.files(pair, "test", state))
            flips: float | str = ""
            if pair == TRAINED:
                again = score(bench.files(pair, "test", state, swap=True))
                flips = round(float(((scores > 0.5) != (again > 0.5)).mean()), 4)
            values = (
                model,
                seed,
                preparation,
                state,
                TRAINED[0],
                pair[0],
                int((~is_fake).sum()),
                int(is_fake.sum()),
                round(average_precision(is_fake, scores), 4),
                round(auc(is_fake, scores), 4),
                flips,
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def cells(bench: Bench, models: tuple[str, ...], seeds: Sequence[int]) -> Iterator[list[dict[str, object]]]:
    """Every cell, seeds outermost so that an interrupted run leaves whole seeds; done ones are read from disk."""
    for seed in seeds:
        for model in models:
            for preparation in PREPARATIONS:
                path = bench.cells / f"{model}-{preparation}-{seed}.json".replace(" ", "_")
                if not path.exists():
                    begin = time.perf_counter()
                    rows = cell(bench, model, preparation, seed)
                    keep(path, {"rows": rows, "seconds": time.perf_counter() - begin})
                    print(
                        path.stem, f"{time.perf_counter() - begin:.0f} s", [row["auc"] for row in rows][:4], flush=True
                    )
                yield json.loads(path.read_text())["rows"]


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Trained and tested in the same state, from raw to built: how good the models seem, and how many verdicts turn.

    A point is the mean over seeds, its bar the range over seeds.
    """
    plots = require("matplotlib.figure", "evaluate")
    drawing = plots.Figure(figsize=(10, 4.2), layout="constrained")
    panels = drawing.subplots(1, 2)
    models = list(dict.fromkeys(row["model"] for row in rows))
    for offset, (model, colour, mark) in enumerate(zip(models, ("#7f7f7f", "#0072b2", "#d55e00"), "sov", strict=False)):
        for panel, column in zip(panels, ("auc", "flip_share"), strict=True):
            found = [
                [
                    float(row[column])
                    for row in rows
                    if row["model"] == model
                    and row["tested_on"] == row["trained_on"]
                    and row["preparation_train"] == row["preparation_test"] == state
                ]
                for state in PREPARATIONS
            ]
            middle = np.array([np.mean(values) for values in found])
            ends = np.array([[np.min(values) for values in found], [np.max(values) for values in found]])
            places = np.arange(len(PREPARATIONS)) + 0.08 * (offset - 1)
            panel.errorbar(
                places, middle, np.abs(ends - middle), label=model, color=colour, marker=mark, capsize=3, linewidth=1.5
            )
    for panel, title in zip(
        panels, ("ROC AUC, real against fake", "share of verdicts turned by swapping formats"), strict=True
    ):
        panel.set_title(title, fontsize=11)
        panel.set_xticks(range(len(PREPARATIONS)), PREPARATIONS)
        panel.set_ylim(0, 1.03)
        panel.grid(axis="y", alpha=0.3)
    panels[0].axhline(0.5, color="black", linewidth=0.8, linestyle="dotted")
    panels[0].text(-0.15, 0.46, "guessing", fontsize=9)
    panels[0].legend(loc="lower left", frameon=False, fontsize=9)
    write_figure(path, drawing, 110)


def pictures_of(data: Path, *, quick: bool) -> dict[str, list[Picture]]:
    """Every source's files in memory (about 60 MB); a tenth of them when quick."""
    wanted = {source for pair in PAIRS for source in pair[1:]}
    found: dict[str, list[Picture]] = {source: [] for source in wanted}
    chosen = [sample for sample in scan([data / "manifest.csv"]) if sample.source in wanted]
    for sample in chosen[:: 10 if quick else 1]:
        found[sample.source].append(Picture(data=sample.path.read_bytes(), sample=sample))
    return found


def fingerprint(pictures: dict[str, list[Picture]]) -> str:
    """Hash of every file's bytes, source and split."""
    digest = sha256()
    for source in sorted(pictures):
        for picture in pictures[source]:
            digest.update(f"{source} {picture.sample.split} {sha256(picture.data).hexdigest()}\n".encode())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--work", type=Path, default=Path("runs/format"))
    parser.add_argument("--quick", action="store_true", help="a tenth of the pictures, one seed, no result written")
    parser.add_argument(
        "--model", choices=(PROBE, *NETWORKS), help="only this model's cells: models can run side by side"
    )
    parser.add_argument("--seed", type=int, choices=range(SEEDS), help="only this seed's cells")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images")
    begin = time.perf_counter()
    pictures = pictures_of(chosen.data, quick=chosen.quick)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    results = work if chosen.quick else ROOT / "results"
    bench = Bench(pictures=pictures, work=work, cells=results / "format_ablation", quick=chosen.quick)
    models = (PROBE, *NETWORKS[:1]) if chosen.quick else (PROBE, *NETWORKS)
    seeds = range(1 if chosen.quick else SEEDS)
    if chosen.model or chosen.seed is not None:
        chosen_models = (chosen.model,) if chosen.model else models
        list(cells(bench, chosen_models, seeds if chosen.seed is None else [chosen.seed]))
        return
    rows = [row for found in cells(bench, models, seeds) for row in found]
    write_table(results / "format_ablation.csv", rows, COLUMNS)
    figure(rows, results / "format_ablation.png")
    about = {
        "command": invocation(),
        "commit": commit(),
        "data_fingerprint": fingerprint(pictures),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "seconds_of_this_call": round(time.perf_counter() - begin),
        "seconds_of_all_cells": round(
            sum(json.loads(path.read_text())["seconds"] for path in bench.cells.glob("*.json"))
        ),
        "seeds": len(seeds),
    }
    write_facts(results / "format_ablation.json", about)


if __name__ == "__main__":
    main()
