import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.explain_localise import explain_localise
from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.explain.localisation import heat_on_picture, locate
from telltale.explain.localisation_files import PICTURE_COLUMNS, TABLE_COLUMNS
from telltale.image import decode
from telltale.runtime import load

app = typer.Typer()
app.command()(explain_localise)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--rounds", "20"])


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def half(height: int = 24, width: int = 32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return mask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real pictures without masks; fakes half, wholly and nowhere generated, and one without a mask."""
    root = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(0)

    def picture(name: str) -> None:
        save(root / "pictures" / name, draw.integers(0, 256, (24, 32, 3), np.uint8))

    for name in ("real/r0.png", "real/r1.png", "fake/lost.png"):
        picture(name)
    for number in range(4):
        picture(f"fake/part{number}.png")
        save(root / "masks" / f"part{number}_mask.png", half())
    picture("fake/full.png")
    save(root / "masks" / "full.png", np.full((24, 32), 255, np.uint8))
    picture("fake/empty.png")
    save(root / "masks" / "empty.png", np.zeros((24, 32), np.uint8))
    return root


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_command_from_pictures_and_masks_to_tables(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--masks", data / "masks", "--detector", tiny_detector, "--threshold", 0.6)
    done = run(data / "pictures", *words, "--out", out)
    assert done.exit_code == 0, done.output
    (row,) = read(out / "localisation.csv")
    assert list(row) == list(TABLE_COLUMNS)
    assert (row["n"], row["n_empty"], row["n_full"], row["threshold"]) == ("4", "3", "1", "0.6")
    pictures = {Path(one["path"]).stem: one for one in read(out / "pictures.csv")}
    assert set(pictures) == {"r0", "r1", "full", "empty", *(f"part{number}" for number in range(4))}
    assert list(pictures["r0"]) == list(PICTURE_COLUMNS)
    judge = load(str(tiny_detector))
    located = []
    for number in range(4):
        pixels = decode(data / "pictures" / "fake" / f"part{number}.png")
        located.append(locate(heat_on_picture(judge(pixels), judge, (24, 32)), half() > 0, threshold=0.6))
        assert float(pictures[f"part{number}"]["iou"]) == pytest.approx(located[-1].iou)
        assert float(pictures[f"part{number}"]["auc"]) == pytest.approx(located[-1].auc)
    assert float(row["iou"]) == pytest.approx(np.mean([one.iou for one in located]))
    assert float(row["chance"]) == pytest.approx(np.mean([one.share for one in located]))
    assert pictures["full"]["auc"] == pictures["empty"]["auc"] == ""
    for said in ("1 picture left out: fake", "3 pictures in no figure: nothing", "1 picture in no figure: everything"):
        assert said in done.stderr
    assert json.loads((out / "summary.json").read_text())["without_mask"] == 1
    near = run(data / "pictures", *words, "--out", tmp_path / "near", "--placement", "nearest")
    assert near.exit_code == 0, near.output
    assert read(tmp_path / "near" / "localisation.csv")[0]["called"] != row["called"]
    again = run(data / "pictures", *words, "--out", tmp_path / "again", "--workers", 3, "--json")
    assert json.loads(again.stdout)["table"] == json.loads((out / "summary.json").read_text())["table"]


def test_a_mask_that_does_not_fit_is_a_row_in_failures(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    save(masks / "part0.png", half())
    save(masks / "part1.png", half(24, 24))
    save(masks / "part2.png", half(48, 64))
    pictures = [data / "pictures" / "fake" / f"part{number}.png" for number in range(3)]
    done = run(*pictures, "--masks", masks, "--detector", tiny_detector, "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output
    (failure,) = read(tmp_path / "out" / "failures.csv")
    assert failure["path"].endswith("part1.png")
    assert "32 x 24 px, or of its aspect; found 24 x 24 px" in failure["error"]
    assert [row["n"] for row in read(tmp_path / "out" / "localisation.csv")] == ["2"]
    single = run(pictures[0], "--masks", masks, "--detector", tiny_detector, "--out", tmp_path / "single")
    assert "1 picture  pixel AUC 0." in single.stdout
    assert " to " not in single.stdout
    assert [row["iou_low"] for row in read(tmp_path / "single" / "localisation.csv")] == [""]
    alone = run(pictures[1], "--masks", masks, "--detector", tiny_detector, "--out", tmp_path / "alone")
    assert isinstance(alone.exception, InvalidDataset)


def test_sources_have_rows_of_their_own(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    folder = data / "pictures"
    sources = [(f"fake/part{number}.png", "fake", "ab"[number % 2]) for number in range(4)] + [
        ("real/r0.png", "real", "c")
    ]
    rows = "".join(f"{folder / name},{label},{source}\n" for name, label, source in sources)
    manifest.write_text("path,label,source\n" + rows)
    done = run(manifest, "--masks", data / "masks", "--detector", tiny_detector, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = read(tmp_path / "out" / "localisation.csv")
    assert [(row["source"], row["n"]) for row in found] == [("(all)", "4"), ("a", "2"), ("b", "2"), ("c", "0")]
    assert found[-1]["pixel_auc"] == ""
    assert 0 <= float(found[-1]["called_in_empty"]) <= 1
    assert "no picture with generated and untouched pixels" in done.stdout


def test_what_cannot_be_done_is_said_before_anything_is_scored(
    data: Path, tiny_detector: Path, tiny_spec: object, write_detector: object, tmp_path: Path
) -> None:
    baseline = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None))  # type: ignore[operator,type-var]
    other = tmp_path / "other"
    save(other / "unlike.png", half())
    pictures, masks, tiny = data / "pictures", data / "masks", ("--detector", tiny_detector)
    for words, error, said in (
        ((pictures, "--masks", masks, "--detector", baseline), UnsuitableImage, "whole-image baseline"),
        ((pictures, "--masks", tmp_path / "none", *tiny), InvalidDataset, "no such folder"),
        ((pictures, "--masks", other, *tiny), InvalidDataset, "belongs to the picture of the same name"),
        ((pictures, "--masks", masks, "--threshold", 1.5, *tiny), InvalidConfig, "between 0 and 1"),
        ((pictures, "--masks", masks, "--placement", "far", *tiny), InvalidConfig, "a placement out of mean"),
        ((data / "nothing", "--masks", masks, *tiny), InvalidDataset, "nothing there"),
    ):
        done = run(*words, "--out", tmp_path / "out")
        assert isinstance(done.exception, error), words
        assert said in str(done.exception)
        assert not (tmp_path / "out").exists()
    done = run(pictures, "--masks", masks, *tiny, "--out", other)
    assert isinstance(done.exception, InvalidConfig)
