"""`telltale calibrate`: from scores to probabilities and verdicts, on pictures of your own."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig, TelltaleError

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.calibration_report import Aim, CalibrationImages, Quality, Refit
    from telltale.spec import Calibration, DetectorSpec, Thresholds

# Of each label: a slope fitted to fewer is a guess.
FEWEST = 10


def calibrate(
    detector: Annotated[str, typer.Argument(help="A shipped detector's name, an ONNX or a safetensors file.")],
    data: Annotated[list[Path], typer.Option(help="Data sets, folders, manifests; may be repeated.")],
    out: Annotated[Path, typer.Option(help="The new file, of the detector's own kind; the old one stays.")],
    split: Annotated[
        str | None, typer.Option(help="Of the data: neither what it learned from nor what is to test it.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="platt (default), temperature or isotonic.")] = None,
    recalibrate: Annotated[
        str | None, typer.Option(help="shift: keep the present calibration and move one number; takes few pictures.")
    ] = None,
    false_alarm_rate: Annotated[float, typer.Option(help="Share of reals that may be called likely generated.")] = 0.05,
    miss_rate: Annotated[float, typer.Option(help="Share of fakes that may be called likely real.")] = 0.05,
    balance: Annotated[
        str, typer.Option(help="sources: each weighs the same within its label; or images.")
    ] = "sources",
    per_source: Annotated[int | None, typer.Option(min=1, help="At most this many images a source and label.")] = None,
    name: Annotated[str | None, typer.Option(help="What results will call the detector.")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Keep scores here (.parquet); OUT.scores.parquet if left out.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Fit a calibration and the three verdicts' thresholds, and store both, with the data's fingerprint, in a new file.

    Exit code 0: written; 2: nothing was written.
    """
    from telltale.cli.detectors import load_detector
    from telltale.data.samples import scan
    from telltale.evaluate.calibration_report import after, before
    from telltale.evaluate.calibration_words import doubts, silences, unused_rates
    from telltale.evaluate.recalibration import check_rate
    from telltale.evaluate.selection import chosen

    _check(detector, out, method, recalibrate, balance)
    check_rate(false_alarm_rate, "--false-alarm-rate")
    check_rate(miss_rate, "--miss-rate")
    samples = chosen(scan(data, split=split), per_source=per_source)
    loaded = replace(load_detector(detector), threads=1)
    used, images = _scored(loaded, samples, scores or out.with_name(f"{out.name}.scores.parquet"), workers, balance)
    aim = _aim(used, split, balance, false_alarm_rate, miss_rate)
    fit = _fit(loaded.spec, images, aim, method or "platt", recalibrate)
    calibration, thresholds = fit(images)
    spec = _spec(loaded, calibration, thresholds, name, recalibrate or method or "platt")
    _write(detector, out, spec)
    warnings = [*_about_data(used, len(samples) - len(used)), *doubts(images, aim)]
    warnings += unused_rates(loaded.spec, images, aim) if recalibrate else []
    warnings += silences(images, calibration, thresholds)
    table = [before(loaded.spec, images)]
    try:
        table.append(after(fit, images))
    except TelltaleError as error:
        warnings.append(f"no cross-validation, so that nothing says how good the new probabilities are: {error}")
    _print(out, spec, images, table, warnings, as_json=as_json)


def _check(detector: str, out: Path, method: str | None, recalibrate: str | None, balance: str) -> None:
    from telltale.evaluate.calibration import METHODS

    kind = Path(detector).suffix if Path(detector).suffix == ".safetensors" else ".onnx"
    for wrong, expected, found in (
        (method is not None and recalibrate is not None, "--method or --recalibrate", "both"),
        (method not in (None, *METHODS), f"a method out of {', '.join(METHODS)}", str(method)),
        (recalibrate not in (None, "shift"), "--recalibrate shift", str(recalibrate)),
        (balance not in ("sources", "images"), "--balance sources or images", balance),
        (out.suffix != kind, f"--out ending in {kind}, like the detector", str(out)),
        (out.exists(), "--out to be a new file", f"one there already: {out}"),
    ):
        if wrong:
            raise InvalidConfig(expected=expected, found=found, do="Correct the options; nothing was written.")


def _scored(
    loaded: "Detector", samples: "list[Sample]", path: Path, workers: int, balance: str
) -> "tuple[list[Sample], CalibrationImages]":
    """The images that have a score, as arrays; copies of one picture are one group."""
    import numpy as np

    from telltale.data.copies import check_one_label, together
    from telltale.errors import InvalidDataset
    from telltale.evaluate.calibration_report import CalibrationImages
    from telltale.evaluate.kept_scores import keep_scores, kept_rows

    with progress("scoring", total=len(samples)) as advance:
        keep_scores(path, loaded, samples, workers=workers or os.cpu_count() or 1, visit=advance)
    pairs = [(one, row) for one, row in zip(samples, kept_rows(path, samples), strict=True) if row is not None]
    if not pairs:
        raise InvalidDataset(expected="images with a score", found=f"none; see {path}", do="Check the pictures.")
    used, hashes = [one for one, _ in pairs], [row["image_sha256"] for _, row in pairs]
    check_one_label(used, hashes)
    groups = together([one.group for one in used], hashes)
    kinds = [(bool(one.is_fake), one.source) for one in used]
    weights = [1 / kinds.count(kind) if balance == "sources" else 1.0 for kind in kinds]
    return used, CalibrationImages(
        is_fake=np.array([is_fake for is_fake, _ in kinds]),
        source=np.array([source or "(unnamed)" for _, source in kinds]),
        group=np.array([group or str(one.path) for one, group in zip(used, groups, strict=True)]),
        score=np.array([row["score"] for _, row in pairs], np.float64),
        weight=np.array(weights),
    )


def _aim(used: "Sequence[Sample]", split: str | None, balance: str, false_alarm_rate: float, miss_rate: float) -> "Aim":
    """The rates, and the data in words and as a hash of contents, labels and sources: where they lie does not count."""
    from hashlib import sha256

    from telltale.evaluate.calibration_report import Aim
    from telltale.evaluate.evaluation import fingerprint
    from telltale.evaluate.results import utf8

    parts = []
    for is_fake, kind in ((False, "reals"), (True, "fakes")):
        mine = [one for one in used if one.is_fake is is_fake]
        sources = ", ".join(sorted({one.source for one in mine} - {""}))
        parts += [f"{len(mine)} {kind}" + (f" ({sources})" if sources else "")] if mine else []
    weighing = ", every source weighing the same" if balance == "sources" else ""
    rows = [
        {"image_sha256": sha256(one.read()).hexdigest(), "is_fake": one.is_fake, "source": utf8(one.source)}
        for one in used
    ]
    return Aim(
        false_alarm_rate=false_alarm_rate,
        miss_rate=miss_rate,
        data=" and ".join(parts) + (f", {split} split" if split else "") + weighing,
        fingerprint=fingerprint(rows),
    )


def _fit(
    spec: "DetectorSpec", images: "CalibrationImages", aim: "Aim", method: str, recalibrate: str | None
) -> "Refit":
    from telltale.evaluate.calibration_report import refit, reshift
    from telltale.evaluate.metrics import both_classes

    if recalibrate is None:
        both_classes(images.is_fake, "the calibration data")
        if (fewest := min(int(images.is_fake.sum()), int((~images.is_fake).sum()))) < FEWEST:
            raise InvalidConfig(
                expected=f"{FEWEST} reals and {FEWEST} fakes or more, and better a few hundred",
                found=f"{fewest} of one label",
                do="Add pictures, or move a calibrated detector with --recalibrate shift.",
            )
        return refit(method, aim)
    if spec.calibration is None:
        raise InvalidConfig(
            expected="a calibrated detector for --recalibrate",
            found=f"{spec.name}, which nobody has calibrated",
            do="Calibrate it with --method first, on a few hundred pictures.",
        )
    if images.is_fake.all():
        both_classes(images.is_fake, "the new domain, or reals alone")
    return reshift(spec, spec.calibration, images, aim)


def _spec(
    loaded: "Detector", calibration: "Calibration", thresholds: "Thresholds", name: str | None, how: str
) -> "DetectorSpec":
    """The new spec; what it replaces is kept in `made_with`, so that every step can be traced."""
    from telltale import __version__

    old = loaded.spec
    step = {
        "how": how,
        "telltale": __version__,
        "from_weights_sha256": loaded.sha256,
        "calibration": None if old.calibration is None else asdict(old.calibration),
        "thresholds": None if old.thresholds is None else asdict(old.thresholds),
    }
    made_with = {**old.made_with, "calibrated_before": [*old.made_with.get("calibrated_before", []), step]}
    return replace(old, name=name or old.name, calibration=calibration, thresholds=thresholds, made_with=made_with)


def _write(detector: str, out: Path, spec: "DetectorSpec") -> None:
    """The detector's own bytes with the new spec, under a temporary name first."""
    from telltale.data.index import write_whole
    from telltale.evaluate.spec_writing import with_spec
    from telltale.runtime import find, from_bytes

    path = Path(detector) if out.suffix == ".safetensors" else find(detector)
    data = with_spec(path.read_bytes(), spec, ending=out.suffix)
    if out.suffix == ".onnx":
        from_bytes(data, str(out), threads=1)  # refuses what would not load
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, data)


def _about_data(used: "Sequence[Sample]", failed: int) -> list[str]:
    found = [f"{failed} images could not be scored; the reasons are in the scores' column error"] if failed else []
    if (trained := sum(one.split == "train" for one in used)) > 0:
        found.append(f"{trained} images of the train split: on pictures it was trained on a detector seems surer")
    if (tested := sum(one.split == "test" for one in used)) > 0:
        found.append(f"{tested} images of the test split: what chose probabilities and thresholds tests them no longer")
    return found


def _print(
    out: Path,
    spec: "DetectorSpec",
    images: "CalibrationImages",
    table: "list[Quality]",
    warnings: list[str],
    *,
    as_json: bool,
) -> None:
    from telltale.evaluate.calibration_report import false_alarms_by_source
    from telltale.evaluate.calibration_words import as_lines

    calibration, thresholds = spec.calibration, spec.thresholds
    assert calibration is not None
    assert thresholds is not None
    sources = list(false_alarms_by_source(images, calibration, thresholds))
    if as_json:
        values: dict[str, Any] = {
            "out": str(out),
            "calibration": asdict(calibration),
            "thresholds": asdict(thresholds),
            "table": [one.plain() for one in table],
            "false_alarms_by_source": {source: found.plain() for source, found in sources},
            "warnings": warnings,
        }
        print(json.dumps(values, allow_nan=False))
        return
    fakes = int(images.is_fake.sum())
    print(f"{one_line(str(out))}  {images.is_fake.size - fakes} reals, {fakes} fakes")
    print(_formula(calibration))
    low = f"likely real at {_place(thresholds.real_below)} or below" if thresholds.real_below else "likely real never"
    print(f"likely generated at P(fake) {_place(thresholds.fake_above)} or above, {low}")
    print("\n".join(as_lines(table)))
    if sources:
        each = ", ".join(f"{source} {100 * found.value:.0f} %" for source, found in sources)
        print(one_line(f"false alarms by source of reals, on the fitting images: {each}"))
    for warning in warnings:
        print(f"warning: {one_line(warning)}", file=sys.stderr)


def _place(threshold: float) -> str:
    """Three digits, or as many as it takes for a threshold within 0 and 1 to look like neither."""
    each = (f"{threshold:.{places}f}" for places in range(3, 18))
    return next((text for text in each if threshold in (0, 1) or 0 < float(text) < 1), repr(threshold))


def _formula(calibration: "Calibration") -> str:
    inner = f"curve of {len(calibration.curve)} knots" if calibration.curve else "log-odds of the score"
    return f"P(fake) = sigmoid({calibration.slope:.3f} x {inner} {calibration.intercept:+.3f})"
