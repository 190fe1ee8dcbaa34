"""Score the example pictures, write their heatmaps and one page that shows them beside the truth.

    python examples/demo.py --out demo

Also the shortest example of the library: `load` a detector, `decode` a picture, call the one on the other.
"""

import argparse
import csv
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

import telltale
from telltale.explain.heatmaps import overlay

HERE = Path(__file__).parent
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a}
section{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-end;margin:1.5rem 0;padding-top:1rem}
section{border-top:1px solid #ddd}
h2{flex-basis:100%;margin:0;font-size:1.1rem}h2 small{font-weight:normal;color:#555;display:block}
figure{margin:0}figure img{height:260px;max-width:100%;outline:1px solid #ccc}figcaption{font-size:.85rem;color:#555}
"""


@dataclass(frozen=True, slots=True)
class Example:
    """One example picture: its file, what it is in words, whether it is fake, and a mask of where."""

    path: Path
    kind: str
    is_fake: bool
    mask: Path | None


def examples() -> list[Example]:
    with (HERE / "truth.csv").open(newline="", encoding="utf-8") as stream:
        return [
            Example(
                path=HERE / row["path"],
                kind=row["kind"],
                is_fake=row["is_fake"] == "1",
                mask=HERE / row["mask"] if row["mask"] else None,
            )
            for row in csv.DictReader(stream)
        ]


def section(example: Example, detector: telltale.Detector, out: Path) -> str:
    """Score one picture, write its overlay, print its line; return its part of the page."""
    pixels = telltale.decode(example.path)
    prediction = detector(pixels)
    heat = out / f"{example.path.stem}_heatmap.png"
    Image.fromarray(overlay(pixels, prediction, detector)).save(heat)
    truth = "fake" if example.is_fake else "real"
    said = f"{prediction.verdict}, P(fake) {prediction.probability:.2f}"
    print(f"{said:<32} {example.path.name:<28} truth: {truth}, {example.kind}")
    pictures = [(example.path, "picture"), (heat, "heatmap: P(fake) per patch, 0-1")]
    if example.mask is not None:
        pictures.append((example.mask, "truth: white = re-synthesised"))
    figures = "".join(
        f'<figure><img src="{_inline(path)}" alt="{escape(text)}"><figcaption>{escape(text)}</figcaption></figure>'
        for path, text in pictures
    )
    return f"<section><h2>{escape(said)}<small>truth: {truth}; {escape(example.kind)}</small></h2>{figures}</section>"


def _inline(path: Path) -> str:
    kind = "jpeg" if path.suffix.lower() in (".jpg", ".jpeg") else "png"
    return f"data:image/{kind};base64,{b64encode(path.read_bytes()).decode()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the heatmaps and the page")
    parser.add_argument("--detector", default="telltale-faces", help="a shipped detector's name, or an ONNX file")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    detector = telltale.load(chosen.detector)
    sections = [section(example, detector, chosen.out) for example in examples()]
    thresholds = detector.spec.thresholds
    about = f"Detector {detector.spec.name}, weights {detector.sha256[:12]}, telltale {telltale.__version__}."
    if thresholds is not None:
        about += (
            f" “likely generated” from P(fake) {thresholds.fake_above:.2f}: on the validation pictures this called"
            f" {thresholds.false_alarm_rate:.0%} of the real ones generated."
        )
    page = chosen.out / "index.html"
    page.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>telltale: example pictures</title><style>{STYLE}</style><h1>What gives these pictures away</h1>"
        f"<p>{escape(about)} Blue = real, red = fake, on one fixed scale. The detector sees small patches only; its"
        f" model card says how often it errs.</p>{''.join(sections)}</html>",
        encoding="utf-8",
    )
    print(f"\nheatmaps and page: {page.resolve()}")


if __name__ == "__main__":
    main()
