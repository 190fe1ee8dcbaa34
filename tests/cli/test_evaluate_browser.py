"""The page of an evaluation in a real browser: headings sort, empty cells stay last, nothing is fetched, phones fit."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from telltale.cli.evaluate import evaluate

sys.path.append(str(Path(__file__).resolve().parents[1] / "explain"))

from page_browser import TELL, look

pytest.importorskip("pyarrow")
app = typer.Typer()
app.command("evaluate")(evaluate)

DEEDS = """
var table = document.querySelectorAll('table')[1], said = {};
var head = function (name) {
  return Array.from(table.querySelectorAll('th button')).find(function (one) { return one.textContent === name; });
};
var column = function (name) {
  var place = head(name).parentNode.cellIndex;
  return Array.from(table.tBodies[0].rows).map(function (row) { return row.cells[place].dataset.value; });
};
head('AUC').click(); said.falling = column('AUC');
head('AUC').click(); said.rising = column('AUC'); said.marked = head('AUC').parentNode.getAttribute('aria-sort');
head('source').click(); said.sources = column('source');
said.charts = document.querySelectorAll('svg path').length;
said.asked = performance.getEntriesByType('resource').length;
said.inner = innerWidth; said.page = document.documentElement.scrollWidth;
""" + TELL.format("said")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("evaluation")
    lines = ["path,label,source"]
    for number in range(25):
        fake = number >= 12
        source = "few" if number == 24 else ("gan", "vae")[number % 2] if fake else "camera"
        Image.fromarray(np.random.default_rng(number).integers(2 * fake, 200, (24, 24, 3)).astype(np.uint8)).save(
            root / f"{number}.png"
        )
        lines.append(f"{number}.png,{'fake' if fake else 'real'},{source}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "theirs.py").write_text("def bright(images):\n    return images.mean(axis=(1, 2, 3)) / 255\n")
    words = (f"{root / 'theirs.py'}:bright", "--data", root / "manifest.csv", "--out", root / "out")
    done = CliRunner().invoke(app, [*map(str, words), "--min-images", "4", "--rounds", "20", "--workers", "1"])
    assert done.exit_code == 0, done.output
    return (root / "out" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_headings_sort_and_the_page_fits(browser: str, page: str, tmp_path: Path, width: int) -> None:
    said: dict[str, Any]
    said, console = look(browser, page, DEEDS, tmp_path, width=width)
    assert console == []
    assert said["falling"][-1] == said["rising"][-1] == "", "what has no figure stands last, whichever way"
    falling, rising = ([float(value) for value in said[name][:-1]] for name in ("falling", "rising"))
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising)
    assert falling[0] > rising[0]
    assert said["marked"] == "ascending"
    assert said["sources"] == sorted(said["sources"], key=str.lower, reverse=True)
    assert said["charts"] >= 3
    assert said["asked"] == 0
    assert said["page"] <= said["inner"] == width
