"""`telltale report` as a user runs it: from a folder of results to one page."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.predict import predict
from telltale.cli.report import NAME, report
from telltale.errors import InvalidConfig

app = typer.Typer()
app.command("predict")(predict)
app.command("report")(report)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def folder(tiny_detector: Path, tmp_path: Path) -> Path:
    """Predictions of three pictures, one of them broken, by a detector with a card beside it."""
    for seed in range(2):
        draw = np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8)
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(draw).save(tmp_path / "pictures" / f"{seed}.png")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no")
    shutil.copy(tiny_detector, tmp_path / "tiny.onnx")
    (tmp_path / "tiny.md").write_text("# Model card: tiny\n\nMade for a test.")
    (tmp_path / "run").mkdir()
    done = run(
        "predict", tmp_path / "pictures", "--detector", tmp_path / "tiny.onnx", "--out", tmp_path / "run" / "p.jsonl",
        "--threads", 1,
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    return tmp_path


def test_one_page_of_a_run(folder: Path) -> None:
    done = run("report", folder / "run", "--detector", folder / "tiny.onnx")
    assert done.exit_code == 0, done.output
    assert "3 verdicts, 2 pictures" in done.stdout
    text = (folder / "run" / NAME).read_text(encoding="utf-8")
    assert text.count("data:image/webp") == 4
    assert "Made for a test." in text
    assert str(folder / "run") in text
    assert {path.name for path in (folder / "run").iterdir()} == {"p.jsonl", NAME}
    # A second report takes the place of the first, and is not part of itself.
    done = run("report", folder / "run", "--no-pictures")
    assert done.exit_code == 0, done.output
    text = (folder / "run" / NAME).read_text(encoding="utf-8")
    assert "data:image" not in text
    assert "Not used" not in text


def test_a_detector_without_a_card_is_described_by_its_file(folder: Path) -> None:
    (folder / "tiny.md").unlink()
    run("report", folder / "run", "--detector", folder / "tiny.onnx")
    text = (folder / "run" / NAME).read_text(encoding="utf-8")
    assert "No card lies beside the weights" in text
    assert "nothing, a test" in text


def test_relative_paths_begin_at_the_root(folder: Path) -> None:
    rows = (folder / "run" / "p.jsonl").read_text().replace(f"{folder}/", "")
    (folder / "run" / "p.jsonl").write_text(rows)
    assert "0 pictures" in run("report", folder / "run").stdout
    assert "2 pictures" in run("report", folder / "run", "--root", folder).stdout


def test_nothing_else_is_overwritten(folder: Path) -> None:
    (folder / "mine.html").write_text("mine")
    for out in (folder / "mine.html", folder / "pictures"):
        done = run("report", folder / "run", "--out", out)
        assert isinstance(done.exception, InvalidConfig)
    assert (folder / "mine.html").read_text() == "mine"
    done = run("report", folder / "run", "--out", folder / "new" / "page.html")
    assert done.exit_code == 0
    assert (folder / "new" / "page.html").is_file()


def test_what_cannot_be_read_is_said(folder: Path) -> None:
    (folder / "run" / "regions.csv").write_text("a,b\n1,2\n")
    done = run("report", folder / "run")
    assert done.exit_code == 0
    assert "not read" in done.stderr
    assert "regions.csv" in done.stderr


def test_a_folder_with_nothing_is_an_error(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert isinstance(run("report", place).exception, InvalidConfig)
    assert not list(tmp_path.iterdir())
