"""Train, choose, calibrate, export and measure the detector that telltale ships.

    python recipes/ship_detector.py --data PATH_TO_SHARED_DATA --work runs/ship
    python recipes/ship_detector.py --data PATH_TO_SHARED_DATA --work runs/quick --quick     (minutes, writes no result)

Steps, each skipped when its files are there already, so that an interrupted run goes on:

1. build    every source through one code path: face crop, 224 px, JPEG of quality 70-95 drawn alike for both labels;
            re-synthesised twins of some training reals (srgan_x4), and of test reals by a generator kept away (taef2)
2. train    each candidate depth on the train split of the training sources, six epochs
3. choose   by mean AUC over the sources of fakes of the validation split, and nothing else; the depth so chosen is
            trained again for longer, with a falling learning rate, and kept if the same figure says so
4. calibrate  Platt scaling and thresholds on the validation split
5. export   ONNX with the spec in its header
6. test     the test split, and HELD_OUT sources that no earlier step has seen; then the same under corruption
7. card     results/shipped_detector.json and .csv, the figure, and the model card

Cost: about two hours on 2 cores of a 2021 server CPU (no bf16). Hardware, times, fingerprints and commit are in
results/shipped_detector.json. Expected: see that file; last run as it says.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import telltale
from result_files import keep, write_facts, write_table
from sharing import alone
from telltale.data.build import build
from telltale.data.corruptions import corrupt
from telltale.data.making import Tools
from telltale.data.samples import Sample, scan
from telltale.data.settings import BuildSettings, preset
from telltale.detector import Detector
from telltale.evaluate.calibration import choose_thresholds, fit_platt
from telltale.evaluate.metrics import auc, expected_calibration_error
from telltale.evaluate.tables import Scored, SourceRow, flat, per_source
from telltale.generate.resynthesis import Resynthesise, resynthesiser
from telltale.learn.checkpoint import file_hash, load, restore, save
from telltale.learn.config import TrainConfig
from telltale.learn.export import export
from telltale.learn.precision import cores, machine
from telltale.learn.train import train
from telltale.provenance import commit, invocation

NAME = "telltale-faces"
ROOT = Path(__file__).resolve().parent.parent

TRAINED_REAL = ("celebahq", "flickr", "utkface", "landmark256", "portrait256")
TRAINED_FAKE = ("stylegan2_web", "stylegan2_ffhq256", "sd21", "srgan_x4")
# A generator kept out of training whose reals are familiar: the purest question of transfer between generators.
UNSEEN_GENERATOR = "taef2"
# Never seen by training, choice or calibration. vs_npr is StyleGAN2 finetuned against somebody else's detector.
HELD_OUT = ("aaf", "unsplash600", "generatedphotos", "stylegan2_vs_npr")
CANDIDATES = ("xception_block2", "resnet18_layer1")
LONG_EPOCHS = 20
RESYNTHESIS = "srgan_x4"
GENERATOR_FILES = {"taef2": ("taef2_encoder", "taef2_decoder"), "srgan_x4": ("fast_srgan_x4",)}
# A twin costs up to a second of a CPU core, so only every so many reals get theirs.
TWIN_EVERY, TWIN_EVERY_TESTED = 6, 4
SIDE = 224
FALSE_ALARM_RATE = MISS_RATE = 0.05
# (name, corruption, strength): the built picture once more through what happens to pictures on the web.
CORRUPTIONS = (
    ("none", None, 0.0),
    ("jpeg 90", "jpeg", 90.0),
    ("jpeg 75", "jpeg", 75.0),
    ("jpeg 50", "jpeg", 50.0),
    ("downscaled to 75 %", "resize", 0.75),
    ("downscaled to 50 %", "resize", 0.5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where one run of the recipe reads and writes."""

    data: Path
    work: Path
    results: Path
    weights: Path
    quick: bool

    @property
    def built(self) -> Path:
        """The training sources, all three splits."""
        return self.work / "built"

    @property
    def twins(self) -> Path:
        """Re-syntheses of some of their reals."""
        return self.work / "twins"

    @property
    def unseen(self) -> Path:
        """The same by the generator that training never sees; of test reals only."""
        return self.work / "unseen"

    @property
    def held_out(self) -> Path:
        """Sources that no step before the test reads."""
        return self.work / "held_out"


def training_samples(built: list[Sample]) -> list[Sample]:
    """The built pictures that training may touch, every kind of twin counted as one source.

    Left as `taef2:celebahq`, `taef2:flickr` and so on, twins would outnumber the generators in batches balanced over
    sources. Test pictures are left out: training cannot touch what it is not given.
    """
    return [
        replace(sample, source=family(sample.source))
        for sample in built
        if family(sample.source) in TRAINED_REAL + TRAINED_FAKE and sample.split in ("train", "validation")
    ]


def family(source: str) -> str:
    """`taef2:celebahq` is of the family taef2; any other source is its own family."""
    return source.split(":")[0]


def config(places: Places, architecture: str) -> TrainConfig:
    """Augmentation at the probabilities that later work found to help (blur, JPEG, resize at 0.1 to 0.5)."""
    return TrainConfig(
        data=(str(places.built),),
        name=f"{NAME}-{architecture}",
        architecture=architecture,
        side=SIDE,
        crop=96,
        steps_per_epoch=20 if places.quick else 250,
        epochs=1 if places.quick else 6,
        patience=4,
        choose_by="auc",
        seed=0,
        flip=0.5,
        resize=0.2,
        resize_range=(0.5, 1.25),
        blur=0.1,
        blur_range=(0.1, 1.5),
        noise=0.1,
        noise_range=(1.0, 5.0),
        jpeg=0.2,
        jpeg_range=(50.0, 99.0),
        threads=2,
    )


def longer(places: Places, architecture: str) -> TrainConfig:
    """The chosen depth once more: over three times the steps, the learning rate falling to nothing."""
    epochs = 1 if places.quick else LONG_EPOCHS
    return replace(config(places, architecture), schedule="cosine", epochs=epochs, patience=epochs, threads=1)


def score(
    detector: Detector, samples: Iterable[Sample], kind: str | None, strength: float, *, seed: int = 0
) -> Iterator[float]:
    """The pooled score of each picture, corrupted first where `kind` says how."""

    def one(index: int, sample: Sample) -> float:
        pixels = sample.pixels()
        if kind is not None:
            pixels = corrupt(pixels, kind, strength, np.random.default_rng((seed, index)))
        return detector(pixels).score

    with ThreadPoolExecutor(cores()) as threads:
        yield from threads.map(one, *zip(*enumerate(samples), strict=True))


def scores_file(
    places: Places, detector: Detector, samples: list[Sample], name: str, step: Any
) -> list[dict[str, str]]:
    """Per-image scores, kept on disk under the weights' hash; computed once."""
    path = places.work / "scores" / detector.sha256[:12] / f"{name.replace(' ', '_').replace('%', 'percent')}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("path", "is_fake", "source", "split", "score"))
            for sample, value in zip(samples, score(detector, samples, *step), strict=True):
                writer.writerow((sample.path.name, int(bool(sample.is_fake)), sample.source, sample.split, repr(value)))
        temporary.replace(path)
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def scored(rows: list[dict[str, str]], detector: Detector) -> Scored:
    """Rows of a scores file as arrays, calibrated where the detector is."""
    calibration = detector.spec.calibration
    values = [float(row["score"]) for row in rows]
    return Scored(
        is_fake=np.array([row["is_fake"] == "1" for row in rows]),
        source=np.array([family(row["source"]) for row in rows]),
        probability=np.array([value if calibration is None else calibration(value) for value in values]),
    )


def mean_auc(pictures: Scored) -> tuple[float, dict[str, float]]:
    """AUC of each source of fakes against all reals, and the mean over sources."""
    each = {
        str(source): auc(
            pictures.is_fake[mine := (pictures.source == source) | ~pictures.is_fake], pictures.probability[mine]
        )
        for source in sorted(set(pictures.source[pictures.is_fake]))
    }
    return float(np.mean(list(each.values()))), each


def source_weights(pictures: Scored) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Every source counts the same within its label, however many pictures it has, and both labels the same in sum."""
    pairs = list(zip(pictures.source, pictures.is_fake, strict=True))
    count = {pair: pairs.count(pair) for pair in set(pairs)}
    sources = {label: sum(one == label for _, one in count) for label in (False, True)}
    return np.array([1 / (count[pair] * sources[bool(pair[1])]) for pair in pairs])


def trained(places: Places, built: list[Sample], name: str, settings: TrainConfig) -> Path:
    """The best weights of one training run, going on where an interrupted one stopped."""
    out = places.work / "train" / name
    learned = training_samples(built)
    with alone(places.work, f"train {name}"):
        if not (out / "done.json").exists():
            begin = time.perf_counter()
            for epoch in train(settings, out, resume=out.exists(), samples=learned, command=invocation()):
                print(name, json.dumps(epoch.row()), flush=True)
            keep(out / "done.json", {"seconds": round(time.perf_counter() - begin)})
    return out / "best.safetensors"


def choose(places: Places, built: list[Sample], validation: list[Sample]) -> tuple[str, Path, dict[str, Any]]:
    """The run with the best mean AUC over validation sources, and what each run gave."""
    report: dict[str, Any] = {}

    def judge(name: str, settings: TrainConfig) -> None:
        weights = trained(places, built, name, settings)
        detector = load(weights)
        pictures = scored(scores_file(places, detector, validation, "validation", (None, 0.0)), detector)
        mean, each = mean_auc(pictures)
        seconds = json.loads((weights.parent / "done.json").read_text())["seconds"]
        report[name] = {"mean_auc": mean, "auc": each, "training_seconds": seconds, "weights": str(weights)}

    def best() -> str:
        return max(report, key=lambda name: float(report[name]["mean_auc"]))

    for architecture in CANDIDATES[1:] if places.quick else CANDIDATES:
        judge(architecture, config(places, architecture))
    depth = best()
    judge(f"{depth}-long", longer(places, depth))
    return best(), Path(report[best()]["weights"]), report


def calibrated(places: Places, weights: Path, validation: list[Sample], fingerprint: str) -> Path:
    """The chosen weights with calibration and thresholds from the validation split in their header."""
    model, spec = restore(weights)
    detector = load(weights)
    rows = scores_file(places, detector, validation, "validation", (None, 0.0))
    raw = scored(rows, detector)
    on = "validation split of the training sources, every source weighing the same"
    platt = fit_platt(raw.is_fake, raw.probability, weights=source_weights(raw), fitted_on=on, fingerprint=fingerprint)
    probability = np.array([platt(float(value)) for value in raw.probability])
    thresholds = choose_thresholds(
        raw.is_fake,
        probability,
        false_alarm_rate=FALSE_ALARM_RATE,
        miss_rate=MISS_RATE,
        chosen_on="validation split of the training sources",
        fingerprint=fingerprint,
    )
    out = places.work / f"{NAME}.safetensors"
    save(out, model, replace(spec, name=NAME, calibration=platt, thresholds=thresholds))
    return out


def tables(everything: Scored, detector: Detector) -> Iterator[tuple[str, str, SourceRow]]:
    """(which sources, which split, row) for the three parts of the test."""
    assert detector.spec.thresholds is not None
    away = np.isin(everything.source, HELD_OUT)
    twins = everything.source == UNSEEN_GENERATOR
    for row in per_source(everything.only(~away & ~twins), detector.spec.thresholds):
        yield "trained on", "test", row
    for row in per_source(everything.only(~away), detector.spec.thresholds, sources=[UNSEEN_GENERATOR]):
        yield "unseen generator, familiar reals", "test", row
    for row in per_source(everything.only(away), detector.spec.thresholds):
        yield "held out", "all, never used", row


def measure(places: Places, detector: Detector, built: list[Sample]) -> Iterator[dict[str, Any]]:
    """One row per corruption and source: test split of the training sources, everything of the held-out ones."""
    tested = [sample for sample in built if sample.source in HELD_OUT or sample.split == "test"]
    for name, kind, strength in CORRUPTIONS[:2] if places.quick else CORRUPTIONS:
        everything = scored(scores_file(places, detector, tested, f"test {name}", (kind, strength)), detector)
        for part, split, row in tables(everything, detector):
            yield {"corruption": name, "sources": part, "split": split, **flat(row)}


def build_pictures(places: Places) -> dict[str, str]:
    """Build the training sources, twins of some of their reals, and the held-out sources; their fingerprints."""
    everything = scan([places.data / "manifest.csv"])
    if places.quick:
        everything = everything[::12]
    trained = [sample for sample in everything if sample.source in TRAINED_REAL + TRAINED_FAKE]
    reals = [sample for sample in trained if not sample.is_fake]
    tested = [sample for sample in reals if sample.split == "test"]
    away = [sample for sample in everything if sample.source in HELD_OUT]
    fingerprints = {}
    for out, samples, name in (
        (places.built, trained, None),
        (places.twins, reals[::TWIN_EVERY], RESYNTHESIS),
        (places.unseen, tested[::TWIN_EVERY_TESTED], UNSEEN_GENERATOR),
        (places.held_out, away, None),
    ):
        with alone(places.work, f"pictures {out.name}"):
            report = build(samples, out, settings(places, name), tools=tools(places, name), workers=2)
        print(f"{out.name}: {report.real} real, {report.fake} fake, {report.failed} failed", flush=True)
        fingerprints[out.name] = report.fingerprint
    return fingerprints


def on_one_thread(name: str, folder: Path) -> Resynthesise:
    """A re-synthesis for a worker process: beside other workers, more threads would only wait for each other."""
    torch.set_num_threads(1)
    return resynthesiser(name, folder)


def known(places: Places) -> list[Sample]:
    """The built pictures; of the data sets of twins only the fakes, since their reals are in the first one."""
    twins = [sample for sample in scan([places.twins, places.unseen]) if sample.is_fake]
    return [*scan([places.built]), *twins, *scan([places.held_out])]


def settings(places: Places, resynthesis: str | None) -> BuildSettings:
    """One preparation for everything; the hashes of a re-synthesis' weights are part of the fingerprint."""
    if resynthesis is None:
        return preset("web", side=SIDE)
    folder = places.data / "generators"
    paths = [folder / f"{file}.safetensors" for file in GENERATOR_FILES[resynthesis]]
    weights = tuple((path.name, file_hash(path)) for path in paths)
    return preset("web", side=SIDE, resynthesise=(resynthesis,), weights=weights)


def tools(places: Places, resynthesis: str | None) -> Tools:
    if resynthesis is None:
        return Tools()
    return Tools(resynthesisers={resynthesis: partial(on_one_thread, resynthesis, places.data / "generators")})


def validation_report(places: Places, detector: Detector, validation: list[Sample]) -> dict[str, Any]:
    """What calibration came to on the data it was made on: for comparison with the test, not as a result."""
    pictures = scored(scores_file(places, detector, validation, "validation", (None, 0.0)), detector)
    mean, each = mean_auc(pictures)
    gap = expected_calibration_error(pictures.is_fake, pictures.probability, weights=source_weights(pictures))
    plain = expected_calibration_error(pictures.is_fake, pictures.probability)
    errors = {"calibration_error": round(gap, 4), "calibration_error_unweighted": round(plain, 4)}
    seen = {"n": pictures.is_fake.size, "share_of_fakes": round(float(pictures.is_fake.mean()), 3)}
    return {"auc_mean": round(mean, 4), "auc": each, **errors, **seen}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and minimum AUC over sources of fakes, and the false alarms of each source of reals, per corruption."""
    found: dict[str, Any] = {}
    for part in ("trained on", "held out"):
        for name in dict.fromkeys(row["corruption"] for row in rows):
            mine = [row for row in rows if row["corruption"] == name and row["sources"] == part]
            aucs = {row["source"]: row["auc"] for row in mine if row["label"] == "fake"}
            found.setdefault(part, {})[name] = {
                "auc_mean": round(float(np.mean(list(aucs.values()))), 4),
                "auc_minimum": min(aucs.values()),
                "worst_source": min(aucs, key=lambda source: float(aucs[source])),
                "false_alarms": {row["source"]: row["called_fake"] for row in mine if row["label"] == "real"},
            }
    return found


def write_results(
    places: Places, detector: Detector, choice: dict[str, Any], rows: list[dict[str, Any]], facts: dict[str, Any]
) -> None:
    """results/shipped_detector.json and .csv."""
    places.results.mkdir(parents=True, exist_ok=True)
    about = {
        "detector": detector.spec.name,
        "architecture": detector.spec.architecture,
        "weights_sha256": detector.sha256,
        "calibration": asdict(detector.spec.calibration) if detector.spec.calibration else None,
        "thresholds": asdict(detector.spec.thresholds) if detector.spec.thresholds else None,
        "trained_on": {"real": TRAINED_REAL, "fake": TRAINED_FAKE},
        "held_out": HELD_OUT,
        "unseen_generator": UNSEEN_GENERATOR,
        "choice": choice,
        "summary": summary(rows),
        "rows": rows,
        **facts,
    }
    write_facts(places.results / "shipped_detector.json", about)
    write_table(places.results / "shipped_detector.csv", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/ship"), help="folder for everything in between")
    parser.add_argument("--quick", action="store_true", help="a twelfth of the pictures, 20 steps, no result written")
    chosen = parser.parse_args()
    quick = chosen.work / "quick"
    places = Places(
        data=chosen.data,
        work=chosen.work,
        results=quick if chosen.quick else ROOT / "results",
        weights=quick if chosen.quick else ROOT / "src" / "telltale" / "weights",
        quick=chosen.quick,
    )
    if not (places.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {places.data}: point --data at the folder of images and generators")
    begin = time.perf_counter()
    fingerprints = build_pictures(places)
    built = known(places)
    validation = [sample for sample in training_samples(built) if sample.split == "validation"]
    best, weights, choice = choose(places, built, validation)
    onnx = places.weights / f"{NAME}.onnx"
    export(calibrated(places, weights, validation, fingerprints["built"]), onnx)
    detector = telltale.load(onnx, threads=1)
    rows = list(measure(places, detector, built))
    facts = {
        "chosen": best,
        "dataset_fingerprints": fingerprints,
        "validation": validation_report(places, detector, validation),
        "seconds": round(time.perf_counter() - begin),
        "command": invocation(),
        "commit": commit(),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
    }
    write_results(places, detector, choice, rows, facts)
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
