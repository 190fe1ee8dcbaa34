"""Run folders written by hand: every kind of file that a report reads, with names that would do harm if they could."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale.evaluate.results import COLUMNS, PREDICTED, write_rows

HARM = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>document.title='harmed'</script>"
SHA = "ab" * 32


def picture(path: Path, seed: int = 0, side: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed).integers(0, 255, (side, side + 8, 3), np.uint8)
    Image.fromarray(draw).save(path, format="PNG")
    return path


def prediction(path: Path | str, probability: float | None = 0.5, **more: Any) -> dict[str, Any]:
    """One row as `telltale predict` writes it."""
    said = "likely generated" if (probability or 0) > 0.7 else "likely real" if (probability or 1) < 0.3 else None
    row = dict.fromkeys(COLUMNS) | {
        "path": str(path), "score": probability, "probability": probability, "verdict": said or "inconclusive",
        "patch_logits_shape": [9, 11], "strongest_patch": 0.9, "strongest_window": [8, 4, 8, 8], "width": 48,
        "height": 40, "seconds": 0.01, "detector": "made up", "weights_sha256": SHA, "telltale_version": "0",
    }  # fmt: skip
    return row | more


def failure(path: str, error: str) -> dict[str, Any]:
    about = {"path": path, "detector": "made up", "weights_sha256": SHA, "telltale_version": "0", "error": error}
    return dict.fromkeys(COLUMNS) | about


def film(path: str, probability: float = 0.5, **more: Any) -> dict[str, Any]:
    """One row as `telltale predict` writes it of a video."""
    return prediction(path, probability, every_seconds=1.0, looked_at="whole frames", **more)


def predictions(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, [dict.fromkeys(PREDICTED) | row for row in rows], columns=PREDICTED)
    return path


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _with_ends(name: str, value: float, low: str = "", high: str = "") -> dict[str, float]:
    return {name: value, low or f"{name}_low": value - 0.05, high or f"{name}_high": min(1.0, value + 0.05)}


def evaluation(folder: Path) -> None:
    rows = []
    for source, label, auc in (
        ("(all)", "all", 0.85), ("gan <b>", "fake", 0.95), ("vae", "fake", 0.75), ("camera", "real", 0.85),
        ("(mean)", "fake", 0.85), ("(worst)", "fake", 0.75),
    ):  # fmt: skip
        about = {"detector": "made up", "weights_sha256": SHA, "pooling": "mean_probability", "own_pooling": True}
        counts = {"source": source, "label": label, "n": 20, "n_real": 20, "n_fake": 40, "failed": 0, "note": ""}
        figures = _with_ends("auc", auc) | _with_ends("ap_fake", auc - 0.1) | _with_ends("false_alarm_rate", 0.1)
        rows.append({**about, **counts, **figures})
    table(folder / "table.csv", rows)
    values = {
        "command": f"telltale evaluate {HARM}", "commit": "1" * 40, "telltale_version": "0", "data": {"real": 20},
        "detectors": [], "results": [],
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(values))


def robustness(folder: Path) -> None:
    rows = []
    for model in ("one", f"two {HARM}"):
        for corruption, strength in (("none", 0), ("jpeg", 90), ("jpeg", 50), ("blur", 1)):
            for source, label in (("(all)", "all"), ("gan", "fake"), ("camera", "real")):
                about = {"model": model, "corruption": corruption, "strength": strength, "source": source}
                figures = _with_ends("auc", 0.8) | _with_ends("flip_share", 0.1, "flip_low", "flip_high")
                rows.append({**about, "label": label, **figures})
    table(folder / "robustness.csv", rows)


def audit(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cue = {"title": "file format", "family": "container", "auc": 0.99, "low": 0.9, "high": 1.0, "verdict": "leaking"}
    values = {
        "verdict": "leaking", "headline": "Leaking: as said.", "probe_auc": 0.99, "cues": [cue] * 5,
        "worst": [f"file format: {HARM}"], "reasons": [], "counts": {"real": 3, "fake": 4},
        "build_command": "telltale build x",
    }  # fmt: skip
    path.write_text(json.dumps(values))


CARD = f"""# Model card: made up

<!-- written by a script -->

Some **words**, `code`, {HARM} and [the web](https://example.org/a), [a file](../secret.md), [no](javascript:alert(1)).
![picture](https://example.org/p.png)

| source | AUC |
|---|---|
| gan | 0.9 |

- one
- two
"""


def everything(folder: Path) -> Path:
    """A folder of every kind of output; paths are absolute. Five pictures can be shown, one is gone, one failed."""
    pictures = [picture(folder / "data" / f"{seed}.png", seed) for seed in range(4)]
    pictures.append(picture(folder / "data" / f"{HARM}.png", 4))
    rows = [prediction(path, said) for path, said in zip(pictures, (0.9, 0.1, 0.5, 0.8, 0.2), strict=True)]
    rows += [prediction(folder / "gone.png", 0.95), failure("broken.png", f"expected a picture; found {SCRIPT}")]
    run = folder / f"run {HARM.replace('/', '')}"
    predictions(run / "said.csv", rows)
    evaluation(run / "evaluation")
    robustness(run / "robustness")
    audit(run / "audit.json")
    (run / "card.md").write_text(CARD)
    about, ends = {"source": "gan", "label": "fake"}, {"low": 0.1, "high": 0.4}
    regions = [
        {**about, "part": part, "top_count": 10 - n, "random_count": n + 1, **ends}
        for n, part in enumerate(("skin", "hair", SCRIPT))
    ]
    table(run / "regions" / "regions.csv", regions)
    table(
        run / "localisation" / "localisation.csv",
        [{"model": "made up", "source": "gan", "pixel_auc": 0.8, "iou": 0.3, "pointing": 0.7}],
    )
    chosen = {**about, "end": "hardest", "rank": 1, "path": pictures[1], "score": 0.1, "error": ""}
    table(run / "extremes" / "extremes.csv", [chosen])
    table(run / "averages" / "averages.csv", [{"source": "gan", "label": "fake", "n": 12, "file": "gan_fake"}])
    table(run / "averages" / "failures.csv", [{"path": HARM, "source": "gan", "error": "expected a picture"}])
    (run / "averages" / "summary.json").write_text(json.dumps({"command": f"telltale explain average {HARM}"}))
    picture(run / "averages" / "gan_fake.png", 9)
    return run
