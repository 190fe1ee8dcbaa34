"""The calibration error of the shipped detector on the split that it was calibrated on, once more from the pictures.

    python recipes/shipped_calibration.py --data PATH_TO_SHARED_DATA --work runs/ship_validation
    python recipes/shipped_calibration.py --data PATH_TO_SHARED_DATA --work runs/quick --quick        (writes no result)

`ship_detector.py` says the same after training; this recipe says it of the detector that is shipped, without training
one. It builds the training sources as that recipe does, and twins of the validation reals alone, scores the validation
split with the shipped file, and replaces `validation` in results/shipped_detector.json.

`calibration_error` weighs every source the same, as the calibration supposes; `calibration_error_unweighted` counts
every picture once. That the rest (`auc`) comes out as it was is the check that these are the same pictures; the
fingerprint of the built pictures is compared as well, where Pillow is of the same version.

Cost: two minutes of one core. Expected: see `validation` in the file. Last run: 2026-11-29.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import telltale
from result_files import write_facts
from ship_detector import (
    NAME,
    RESYNTHESIS,
    ROOT,
    TRAINED_FAKE,
    TRAINED_REAL,
    TWIN_EVERY,
    Places,
    settings,
    tools,
    training_samples,
    validation_report,
)
from telltale.data.build import build
from telltale.data.samples import Sample, scan
from telltale.provenance import commit, invocation

REPORT = ROOT / "results" / "shipped_detector.json"


def build_validation(places: Places) -> tuple[list[Sample], str]:
    """The validation pictures as training and calibration saw them, and the fingerprint of the training sources."""
    everything = scan([places.data / "manifest.csv"])
    if places.quick:
        everything = everything[::12]
    sources = [sample for sample in everything if sample.source in TRAINED_REAL + TRAINED_FAKE]
    # Which reals have a twin is counted over all splits, so the choice comes before the split is looked at.
    twins = [sample for sample in sources if not sample.is_fake][::TWIN_EVERY]
    twins = [sample for sample in twins if sample.split == "validation"]
    report = build(sources, places.built, settings(places, None))
    build(twins, places.twins, settings(places, RESYNTHESIS), tools=tools(places, RESYNTHESIS))
    built = [*scan([places.built]), *(sample for sample in scan([places.twins]) if sample.is_fake)]
    return [sample for sample in training_samples(built) if sample.split == "validation"], report.fingerprint


def written(found: dict[str, Any]) -> str:
    """What was there before and what is there now, one line; the file changes only where the pictures are the same."""
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    before = report["validation"]
    for source, value in before["auc"].items():
        if abs(value - found["auc"][source]) > 0.002:
            raise SystemExit(f"not the pictures of {REPORT.name}: AUC of {source} {value}, here {found['auc'][source]}")
    report["validation"] = found
    write_facts(REPORT, report)
    return f"calibration error {before['calibration_error']} before, {found['calibration_error']} now"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/ship_validation"), help="folder for built pictures")
    parser.add_argument("--quick", action="store_true", help="a twelfth of the pictures, no result written")
    chosen = parser.parse_args()
    weights = ROOT / "src" / "telltale" / "weights"
    places = Places(data=chosen.data, work=chosen.work, results=chosen.work, weights=weights, quick=chosen.quick)
    validation, fingerprint = build_validation(places)
    detector = telltale.load(weights / f"{NAME}.onnx", threads=1)
    found = validation_report(places, detector, validation) | {
        "built_fingerprint": fingerprint,
        "command": invocation(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(found, indent=1))
    if not chosen.quick:
        print(written(found))


if __name__ == "__main__":
    main()
