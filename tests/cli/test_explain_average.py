"""`telltale explain average` as people use it."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.cli import main
from telltale.spec import DetectorSpec

# Exit code, standard output, standard error.
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tiny_detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def once(*words: object) -> tuple[int, str, str]:
        typed = ["telltale", "explain", "average", "--detector", str(tiny_detector), *map(str, words)]
        monkeypatch.setattr(sys, "argv", typed)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return once


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    for index in range(6):
        path = folder / ("real", "fake")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_line_for_each_label_and_files_beside_it(run: Run, faces: Path, tmp_path: Path) -> None:
    code, out, err = run(faces, "--out", tmp_path / "out")
    assert code == 0
    lines = out.splitlines()
    assert [line.partition(")")[0] for line in lines] == ["no source (fake", "no source (real"]
    assert all("n     3  mean P(fake) 0." in line for line in lines)
    assert "averages.png" in err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"averages.csv", "averages.png", "summary.json", "failures.csv"}
    about = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert about["command"].startswith("telltale explain average")
    assert about["detector"] == "tiny"
    code, out, _ = run(faces, "--out", tmp_path / "other", "--json", "--canvas", "12x12", "--placement", "nearest")
    values = json.loads(out)
    assert (code, values["canvas"], values["placement"]) == (0, {"height": 12, "width": 12}, "nearest")


def test_failures_are_rows(run: Run, faces: Path, tmp_path: Path) -> None:
    (faces / "fake" / "broken.png").write_bytes(b"nothing")
    code, _, err = run(faces, "--out", tmp_path / "out")
    assert code == 1
    assert "1 pictures left out" in err
    assert "broken.png" in (tmp_path / "out" / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--canvas", "12"), "WIDTHxHEIGHT"),
        (("--placement", "median"), "mean, nearest"),
        (("--split", "test"), "split"),
        (("--include", "nobody"), "nobody"),
    ],
)
def test_a_wrong_setting_is_one_line_and_code_2(
    run: Run, faces: Path, tmp_path: Path, words: tuple[str, ...], found: str
) -> None:
    code, out, err = run(faces, "--out", tmp_path / "out", *words)
    assert (code, out) == (2, "")
    assert found in err
    assert not (tmp_path / "out").exists()


def test_a_whole_image_baseline_leaves_no_folder(
    run: Run, write_detector: Callable[..., Path], tiny_spec: DetectorSpec, faces: Path, tmp_path: Path
) -> None:
    baseline = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None, name="whole"))
    code, _, err = run(faces, "--out", tmp_path / "out", "--detector", baseline)
    assert code == 2
    assert "whole-image baseline whole" in err
    assert not (tmp_path / "out").exists()
