"""`telltale explain regions` from pictures and masks to table and chart, and words that do not fit together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from small_parser import SIDE, write_parser
from telltale.cli import app
from telltale.errors import InvalidConfig

RUNNER = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    mask = np.ones((64, 64), np.uint8)
    mask[:20], mask[40:44, 20:40], mask[30:34, 10:20] = 13, 12, 4
    (tmp_path / "masks").mkdir()
    for label in ("real", "fake"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            name = f"{label}{number}.png"
            Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "data" / label / name)
            Image.fromarray(mask).save(tmp_path / "masks" / name)
    return tmp_path


def test_table_chart_and_patches(data: Path, tiny_detector: Path) -> None:
    out = data / "out"
    words = ["explain", "regions", data / "data", "--masks", data / "masks", "--detector", tiny_detector, "--out", out]
    done = RUNNER.invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader((out / "regions.csv").read_text().splitlines()))
    assert {row["label"] for row in rows} == {"real", "fake"}
    assert sum(int(row["top_count"]) for row in rows if row["label"] == "fake") == 3
    assert json.loads((out / "summary.json").read_text())["pictures"] == 6
    assert (out / "regions.png").read_bytes()[:4] == b"\x89PNG"
    assert any(path.name.startswith("patches-") for path in out.iterdir())
    assert "3 pictures" in done.stdout


def test_a_broken_picture_is_a_row(data: Path, tiny_detector: Path) -> None:
    (data / "data" / "fake" / "fake0.png").write_bytes(b"nothing")
    out = data / "out"
    words = ["explain", "regions", data / "data", "--masks", data / "masks", "--detector", tiny_detector, "--out", out]
    done = RUNNER.invoke(app, [*map(str, words), "--patches", "0", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["failed"] == 1
    (row,) = csv.DictReader((out / "omissions.csv").read_text().splitlines())
    assert row["path"].endswith("fake0.png")


def test_masks_with_a_class_map(data: Path, tiny_detector: Path) -> None:
    """1 becomes clothes, so that there is no skin and no face; with the right names there is one."""
    names = ["background", "clothes", *["hair"] * 17]
    (data / "map.json").write_text(json.dumps({"classes": names}))
    words = ["explain", "regions", data / "data", "--masks", data / "masks", "--class-map", data / "map.json"]
    words += ["--detector", tiny_detector, "--patches", "0", "--out"]
    done = RUNNER.invoke(app, [str(word) for word in [*words, data / "none"]])
    assert isinstance(done.exception, InvalidConfig)
    names[1], names[4], names[12] = "skin", "nose", "mouth"
    (data / "map.json").write_text(json.dumps({"classes": names}))
    done = RUNNER.invoke(app, [str(word) for word in [*words, data / "out"]])
    assert done.exit_code == 0, done.output
    shares = {
        row["part"]: row["random_count"]
        for row in csv.DictReader((data / "out" / "regions.csv").read_text().splitlines())
    }
    assert float(shares["nose"]) > 0
    assert float(shares["eyes"]) == 0


def test_a_parser_of_ones_own(data: Path, tiny_detector: Path) -> None:
    """It finds skin and hair and no features: pictures without a face, said so, in the parser's own words."""
    parser = write_parser(data / "mine.onnx")
    (data / "map.json").write_text(json.dumps({"side": SIDE, "classes": ["skin", "hair"]}))
    words = [
        "explain",
        "regions",
        data / "data",
        "--parser",
        parser,
        "--detector",
        tiny_detector,
        "--out",
        data / "out",
    ]
    done = RUNNER.invoke(app, [str(word) for word in [*words, "--class-map", data / "map.json"]])
    assert isinstance(done.exception, InvalidConfig)
    assert "a face" in str(done.exception)
    rows = list(csv.DictReader((data / "out" / "omissions.csv").read_text().splitlines()))
    assert [row["why"] for row in rows] == ["no face"] * 6
    (data / "map.json").write_text(json.dumps({"side": SIDE, "classes": ["skin", "hair", "hat"]}))
    done = RUNNER.invoke(app, [str(word) for word in [*words, "--class-map", data / "map.json"]])
    assert "one for each" in str(done.exception), "before any picture is scored"


def test_words_that_do_not_fit(data: Path, tiny_detector: Path) -> None:
    (data / "map.json").write_text('{"side": 16, "classes": ["skin", "hair"]}')
    plain = ["explain", "regions", str(data / "data"), "--detector", str(tiny_detector), "--out", str(data / "out")]
    for more, words in (
        (["--masks", "a", "--parser", "b"], "--masks or --parser"),
        (["--class-map", str(data / "map.json")], "with --class-map"),
        (["--masks", str(data / "masks"), "--class-map", str(data / "map.json")], "nothing else"),
        (["--parser", "a", "--class-map", "b"], "class map"),
        (["--masks", str(data / "masks"), "--towards", "up"], "own, fake, real"),
    ):
        done = RUNNER.invoke(app, [*plain, *more])
        assert isinstance(done.exception, InvalidConfig)
        assert words in str(done.exception)
    assert not (data / "out").exists()


def test_no_face_anywhere(data: Path, tiny_detector: Path) -> None:
    for path in (data / "masks").iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    words = ["explain", "regions", data / "data", "--masks", data / "masks", "--detector", tiny_detector]
    done = RUNNER.invoke(app, [*map(str, words), "--out", str(data / "out")])
    assert isinstance(done.exception, InvalidConfig)
    assert "a face" in str(done.exception)
