"""README's first screen: what `make demo` prints, and one example beside its heatmap and truth.

    python recipes/first_look.py

Writes results/demo.txt and docs/first-look.png from the shipped detector and the example pictures, in seconds.
Then run recipes/write_docs.py.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import telltale
from result_files import write_image, write_page
from telltale.explain.heatmaps import overlay
from telltale.image import Pixels, resize

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SHOWN = "portrait_srgan_x4_half"
HEIGHT = 320


def at_height(pixels: Pixels) -> Pixels:
    return resize(pixels, HEIGHT, round(pixels.shape[1] * HEIGHT / pixels.shape[0]))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(EXAMPLES / "demo.py"), "--out", folder]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The last line names the page by its path, which is another on every machine.
    lines = [line for line in printed.splitlines() if line and "page:" not in line]
    write_page(ROOT / "results" / "demo.txt", lines)
    detector = telltale.load("telltale-faces")
    pixels = at_height(telltale.decode(EXAMPLES / f"{SHOWN}.jpg"))
    truth = at_height(telltale.decode(EXAMPLES / "masks" / f"{SHOWN}.png"))
    small = telltale.decode(EXAMPLES / f"{SHOWN}.jpg")
    heat = overlay(pixels, detector(small), detector)
    gap = np.full((HEIGHT, 12, 3), 255, np.uint8)
    target = ROOT / "docs" / "first-look.png"
    write_image(target, Image.fromarray(np.hstack([pixels, gap, heat, gap, truth])))
    print(f"{target.relative_to(ROOT)}, results/demo.txt")


if __name__ == "__main__":
    main()
