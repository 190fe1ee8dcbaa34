"""The gallery of extremes in a real browser: pictures are there, open large, and fit a phone."""

from pathlib import Path

import numpy as np
import pytest
from page_browser import TELL, look
from PIL import Image

from telltale.data.sample import Sample
from telltale.evaluate.kept_scores import keep_scores
from telltale.explain.extremes import extremes, from_kept
from telltale.explain.extremes_page import draw, page
from telltale.runtime import load

LONG = "a-source-whose-name-is-longer-than-a-phone-is-wide-" * 3


@pytest.fixture(scope="module")
def gallery(tiny_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight pictures of two sources, and one that is damaged."""
    folder, detector = tmp_path_factory.mktemp("data"), load(tiny_detector, threads=1)
    samples = []
    for number in range(8):
        path = folder / f"{'w' * 90}{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (60, 40 + 20 * (number % 2), 3), np.uint8)
        Image.fromarray(pixels).save(path)
        samples.append(Sample(path=path, is_fake=number % 2 == 0, source=LONG if number % 2 else "<b>gan"))
    (folder / "broken.png").write_bytes(b"nothing")
    samples.append(Sample(path=folder / "broken.png", is_fake=True, source="<b>gan"))
    keep_scores(folder / "scores.parquet", detector, samples)
    judged = from_kept(folder / "scores.parquet", samples)
    groups = extremes(judged, count=2)
    failed = [one for one in judged if one.score is None]
    return page(groups, draw(groups, detector), failed, {"detector": "tiny", "command": "x" * 400})


DEEDS = """
var each = function (all) { return Array.from(document.querySelectorAll(all)); };
var image = document.querySelector('.tile img'), before = image.getBoundingClientRect().width;
image.click();
var after = image.getBoundingClientRect().width;
image.click();
var said = {
  images: each('img').length, broken: each('img').filter(function (one) { return !one.naturalWidth; }).length,
  before: before, after: after, again: image.getBoundingClientRect().width,
  bold: each('h2 b').length, asked: performance.getEntriesByType('resource')
    .filter(function (one) { return one.name.indexOf('data:') !== 0; }).length,
  inner: innerWidth, page: document.documentElement.scrollWidth,
  text: document.body.innerText,
};
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_pictures_open_large_and_the_page_fits(browser: str, gallery: str, tmp_path: Path, width: int) -> None:
    said, console = look(browser, gallery, DEEDS + TELL.format("said"), tmp_path, width=width)
    assert console == []
    assert (said["images"], said["broken"], said["bold"], said["asked"]) == (16, 0, 0, 0)
    assert said["inner"] == width
    assert said["page"] <= width
    # A phone shows one tile in a row, as large as it can be; a wide screen makes it so.
    assert said["after"] > (1.5 if width > 640 else 0.99) * said["before"]
    assert said["again"] == said["before"]
    assert "<b>gan (fake)" in said["text"]
    assert "broken.png" in said["text"]


@pytest.mark.slow
def test_another_script_is_refused(browser: str, gallery: str, tmp_path: Path) -> None:
    said, console = look(browser, gallery, TELL.format("'ran'"), tmp_path, allowed=False)
    assert said == "nothing said"
    assert any("Content Security Policy" in line for line in console)
