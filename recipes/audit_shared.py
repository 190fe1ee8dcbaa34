"""Audit the shared data raw and built, find planted leaks, and count false alarms on halves of one source.

    python recipes/audit_shared.py --data PATH_TO_SHARED_DATA --work runs/audit
    python recipes/audit_shared.py --data PATH_TO_SHARED_DATA --work runs/audit --quick     (no result)

1. raw       every source as it came, and CelebA-HQ (JPEG) against native StyleGAN2 (PNG) alone
2. built     the same through `telltale build --preset web`
3. planted   reals of one source, half of them called fake, saved alike but for one thing: the audit must name it
4. halves    random halves of one source, nothing planted: how often is the verdict not clean

Cost: about 5 minutes on 2 cores of a 2021 server CPU, of which the build takes 2; built files are kept in --work.
Expected: results/audit_shared.json. Raw: leaking, the pair with a probe AUC of 0.99 or more. Built: no cue of container
or name has an interval that excludes 0.5, and the probe on traces in the pixels (about 0.88) is no higher than between
two sources of reals (0.95 on average). Every planted leak is named first. Of the halves, at most one in fifty is not
clean. Last run as the file says.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

import telltale
from result_files import write_bytes
from telltale.data.audit import Audit, audit, judge
from telltale.data.audit_words import as_values
from telltale.data.build import build
from telltale.data.cue_table import Record, read_records
from telltale.data.pool import in_processes
from telltale.data.samples import Sample, scan
from telltale.data.settings import preset
from telltale.image import Pixels, resize
from telltale.learn.precision import cores, machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
PAIR = ("celebahq", "stylegan2_ffhq256")
PLANTED_IN, HALVED = "celebahq", ("celebahq", "flickr")
SIDE = 256

Save = Callable[[Pixels, Path], None]


def save_jpeg(
    pixels: Pixels, path: Path, *, quality: int = 90, exif: bytes = b"", by_way_of: int | None = None
) -> None:
    """Scale to 256 px and save; `by_way_of` scales once more before that."""
    if by_way_of is not None:
        pixels = resize(resize(pixels, SIDE, SIDE), by_way_of, by_way_of)
    options: dict[str, Any] = {"exif": exif} if exif else {}
    Image.fromarray(resize(pixels, SIDE, SIDE)).save(path.with_suffix(".jpg"), quality=quality, **options)


def exif_block() -> bytes:
    """A date, as a camera would write it."""
    block = Image.Exif()
    block[ExifTags.Base.DateTime] = "2020:01:01 00:00:00"
    return block.tobytes()


def save_png(pixels: Pixels, path: Path) -> None:
    """Scale to 256 px and save."""
    Image.fromarray(resize(pixels, SIDE, SIDE)).save(path.with_suffix(".png"))


RESAMPLED = ("resampling", "nyquist", "nyquist_edge", "detail")
# Leak -> how reals and fakes are saved, and the cues that name it.
PLANTED: dict[str, tuple[Save, Save, tuple[str, ...]]] = {
    "only fakes are PNG": (save_jpeg, save_png, ("format",)),
    "only reals have EXIF": (partial(save_jpeg, exif=exif_block()), save_jpeg, ("exif",)),
    "reals at quality 91, fakes at 90": (partial(save_jpeg, quality=91), save_jpeg, ("jpeg_quality",)),
    "fakes resized once more, to 230 px and back": (
        save_jpeg,
        partial(save_jpeg, by_way_of=230),
        RESAMPLED,
    ),
    "fakes resized once more, to 300 px and back": (
        save_jpeg,
        partial(save_jpeg, by_way_of=300),
        RESAMPLED,
    ),
}


def plant(samples: Sequence[Sample], folder: Path, real: Save, fake: Save) -> list[Sample]:
    """Save the samples, every second one as a fake."""
    planted = []
    for number, sample in enumerate(samples):
        is_fake = number % 2 == 1
        target = folder / ("fake" if is_fake else "real") / f"{number:04d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        (fake if is_fake else real)(sample.pixels(), target)
        planted.append(Sample(path=next(target.parent.glob(f"{target.name}.*")), is_fake=is_fake, source=PLANTED_IN))
    return planted


def planted_leaks(samples: Sequence[Sample], work: Path, workers: int) -> dict[str, Any]:
    """For each leak: the verdict, the first cue, and whether it is the one that was planted."""
    report = {}
    for number, (name, (real, fake, named)) in enumerate(PLANTED.items()):
        found = audit(plant(samples, work / f"planted-{number}", real, fake), workers=workers)
        first = as_values(found)["cues"][0]
        report[name] = {
            "verdict": found.verdict,
            "named": found.verdict != "clean" and first["name"] in named,
            "first_cue": first["name"],
            "words": first["words"],
            "probe_auc": found.probes["all"].auc,
            "images": len(samples),
        }
    return report


def halves(samples: Sequence[Sample], splits: int, workers: int) -> dict[str, Any]:
    """How often random halves of one source are called anything but clean."""
    records = read_records(samples, workers=workers)
    found = sorted(in_processes(partial(Halved, samples, records), range(splits), workers))
    alarms = [{"seed": seed, "because": because} for seed, verdict, because in found if verdict != "clean"]
    verdicts = Counter(verdict for _, verdict, _ in found)
    return {"images": len(samples), "splits": splits, "verdicts": dict(verdicts), "alarms": alarms}


class Halved:
    """Judges random halves of files that have been read; made once in every worker process."""

    def __init__(self, samples: Sequence[Sample], records: Sequence[Record]) -> None:
        self.samples, self.records = samples, records

    def __call__(self, seed: int) -> tuple[int, str, list[str]]:
        """(seed, verdict, why)."""
        is_fake = np.random.default_rng(seed).permutation(len(self.samples)) < len(self.samples) // 2
        labelled = [replace(sample, is_fake=bool(fake)) for sample, fake in zip(self.samples, is_fake, strict=True)]
        found = judge(labelled, self.records, seed=seed)
        values = as_values(found)
        return seed, found.verdict, values["worst"] + values["reasons"]


def audited(found: Audit, data: Path) -> dict[str, Any]:
    """The report, with paths relative to the data, and without the lists of paths."""
    values = as_values(found)
    values["duplicates"] = {name: count for name, count in values["duplicates"].items() if name != "examples"}
    values["failures"] = [
        {"path": os.path.relpath(one["path"], data), "reason": one["reason"].replace(str(data), "")}
        for one in values["failures"]
    ]
    return values


def excluding_chance(values: dict[str, Any]) -> list[str]:
    """Cues of container and name whose interval excludes 0.5."""
    cues = [cue for cue in values["cues"] if cue["family"] in ("container", "name")]
    return [cue["name"] for cue in cues if not cue["low"] <= 0.5 <= cue["high"]]


def fingerprint(samples: Sequence[Sample]) -> str:
    """Hash of every file's bytes and label."""
    lines = sorted(f"{sha256(sample.read()).hexdigest()} {sample.is_fake}\n" for sample in samples)
    return sha256("".join(lines).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv")
    parser.add_argument("--work", type=Path, default=Path("runs/audit"))
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--quick", action="store_true", help="40 pictures a source, few splits, no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images")
    begin = time.perf_counter()
    work = chosen.work / "quick" if chosen.quick else chosen.work
    samples = few(scan([chosen.data]), 40 if chosen.quick else 500)
    built = work / "built"
    made = build(samples, built, preset("web"), workers=chosen.workers)
    raw, after = (
        {
            "everything": audited(audit(some, workers=chosen.workers), chosen.data),
            " against ".join(PAIR): audited(audit(of(some, PAIR), workers=chosen.workers), chosen.data),
        }
        for some in (samples, scan([built]))
    )
    report: dict[str, Any] = {
        "command": invocation(),
        "commit": commit(),
        "telltale_version": telltale.__version__,
        "data_fingerprint": fingerprint(samples),
        "built_fingerprint": made.fingerprint,
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "raw": raw,
        "built": after,
        "built_cues_excluding_chance": excluding_chance(after["everything"]),
        "planted": planted_leaks(of(samples, (PLANTED_IN,))[:400], work, chosen.workers),
        "halves": {
            source: halves(of(samples, (source,)), 3 if chosen.quick else 50, chosen.workers) for source in HALVED
        },
    }
    report["seconds"] = round(time.perf_counter() - begin)
    target = (work if chosen.quick else chosen.results) / "audit_shared.json"
    write_bytes(target, (json.dumps(report, indent=1, allow_nan=False) + "\n").encode())
    say(report)


def few(samples: Sequence[Sample], most: int) -> list[Sample]:
    """The first `most` of each source."""
    seen: Counter[str] = Counter()
    kept = []
    for sample in samples:
        seen[sample.source] += 1
        if seen[sample.source] <= most:
            kept.append(sample)
    return kept


def of(samples: Sequence[Sample], sources: Sequence[str]) -> list[Sample]:
    """The samples of some sources."""
    return [sample for sample in samples if sample.source in sources]


def say(report: dict[str, Any]) -> None:
    """The figures that the expectations are about."""
    for state in ("raw", "built"):
        for name, values in report[state].items():
            traces = values["probes"]["pixels"]
            print(
                f"{state}, {name}: {values['verdict']}, probe {values['probe_auc']:.3f}, traces {traces['auc']:.3f}, "
                f"floor of traces {traces['floor_auc']}; {'; '.join(values['worst'])}"
            )
    print(f"built, cues whose interval excludes chance: {report['built_cues_excluding_chance'] or 'none'}")
    for name, found in report["planted"].items():
        print(f"planted, {name}: {found['verdict']}, {'named' if found['named'] else 'NOT NAMED'}: {found['words']}")
    for source, found in report["halves"].items():
        print(f"halves of {source}: {found['verdicts']} of {found['splits']}")


if __name__ == "__main__":
    main()
