import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.explain_patches import explain_patches
from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.explain.patch_files import COLUMNS

parquet = pytest.importorskip("pyarrow.parquet")
app = typer.Typer()
app.command()(explain_patches)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for label in ("real", "fake"):
        (root / label).mkdir()
        for number in range(4):
            pixels = np.random.default_rng(number + 10 * (label == "fake")).integers(0, 256, (24, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def table(out: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = parquet.read_table(out / "patches.parquet").to_pylist()
    return rows


def test_one_command_from_pictures_to_table_and_sheets(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    made = []
    for workers in (1, 3):
        out = tmp_path / str(workers)
        words = ("--detector", tiny_detector, "--out", out, "--count", 3, "--workers", workers, "--json")
        done = run(data, *words)
        assert done.exit_code == 0, done.output
        rows = table(out)
        made.append(rows)
        assert list(rows[0]) == list(COLUMNS)
        assert len(rows) == 6
        assert len({row["path"] for row in rows}) == 6
        for label, sign in ((True, -1), (False, 1)):
            strength = [sign * float(str(row["log_odds"])) for row in rows if row["is_fake"] is label]
            assert strength == sorted(strength)
        values = json.loads(done.stdout)
        assert values == json.loads((out / "summary.json").read_text())
        assert [(kind["label"], kind["towards"], kind["pictures"]) for kind in values["kinds"]] == [
            ("real", "real", 4),
            ("fake", "fake", 4),
        ]
        for kind in values["kinds"]:
            with Image.open(out / kind["picture"]) as sheet:
                assert sheet.height == 36 + 128 + 14 + 6
    assert made[0] == made[1]


def test_overall_one_label_and_no_pictures(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--overall", "--count", 50, "--label", "fake", "--towards", "real", "--shown", 0)
    done = run(data, "--detector", tiny_detector, "--out", out, *options)
    assert done.exit_code == 0, done.output
    assert "most real first" in done.stdout
    rows = table(out)
    assert len(rows) == 50
    assert all(row["is_fake"] for row in rows)
    assert sorted(path.name for path in out.iterdir()) == ["failures.csv", "patches.parquet", "summary.json"]


def test_plain_pictures_have_no_label(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    done = run(data / "real" / "0.png", data / "fake" / "1.png", "--detector", tiny_detector, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {row["is_fake"] for row in table(tmp_path / "out")} == {None}
    assert (tmp_path / "out" / "patches-unknown-unlabelled.png").is_file()


def test_a_broken_picture_is_a_row_in_failures(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        (folder / label / "0.png").symlink_to(data / label / "0.png")
    (folder / "real" / "broken.png").write_bytes(b"\x89PNG\r\n")
    done = run(folder, "--detector", tiny_detector, "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert "1 picture failed" in done.stderr
    with (tmp_path / "out" / "failures.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["path"].endswith("broken.png")
    assert row["is_fake"] == "false"
    assert row["error"]
    alone = run(folder / "real" / "broken.png", "--detector", tiny_detector, "--out", tmp_path / "alone")
    assert isinstance(alone.exception, InvalidConfig)


def test_what_cannot_be_done_is_said_before_anything_is_scored(
    data: Path, tiny_detector: Path, tiny_spec: object, write_detector: object, tmp_path: Path
) -> None:
    from dataclasses import replace

    baseline = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None))  # type: ignore[operator,type-var]
    full = tmp_path / "full"
    full.mkdir()
    (full / "patches.parquet").touch()
    for words, error in (
        ((data, "--detector", baseline), UnsuitableImage),
        ((data, "--detector", tiny_detector, "--towards", "both"), InvalidConfig),
        ((data, "--detector", tiny_detector, "--label", "maybe"), InvalidConfig),
        ((data, "--detector", tiny_detector, "--include", "nobody"), InvalidConfig),
        ((tmp_path / "nothing", "--detector", tiny_detector), InvalidDataset),
    ):
        done = run(*words, "--out", tmp_path / "out")
        assert isinstance(done.exception, error), words
        assert not (tmp_path / "out").exists()
    done = run(data, "--detector", tiny_detector, "--out", full)
    assert isinstance(done.exception, InvalidConfig)
    assert "a new or empty folder" in str(done.exception)
