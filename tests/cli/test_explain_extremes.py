"""`telltale explain extremes` as people use it."""

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
    def once(*words: object, command: str = "explain extremes", detector: Path = tiny_detector) -> tuple[int, str, str]:
        typed = ["telltale", *command.split(), *map(str, words)]
        monkeypatch.setattr(sys, "argv", [*typed, "--detector", str(detector)] if "explain" in command else typed)
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
    for index in range(8):
        path = folder / ("real", "fake")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_page_a_table_and_the_scores(run: Run, faces: Path, tmp_path: Path) -> None:
    code, out, err = run(faces, "--out", tmp_path / "out", "--count", 2)
    assert code == 0
    assert [line.split(")")[0] for line in out.splitlines()] == ["no source (fake", "no source (real"]
    assert "hardest 0." in out
    assert "extremes.html" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"extremes.html", "extremes.csv", "scores.parquet"}
    first = (tmp_path / "out" / "extremes.html").read_bytes()
    # A second run finds the scores, and makes the same page.
    assert run(faces, "--out", tmp_path / "out", "--count", 2)[0] == 0
    assert (tmp_path / "out" / "extremes.html").read_bytes() == first


def test_an_evaluation_need_not_be_made_again(run: Run, faces: Path, tmp_path: Path, tiny_detector: Path) -> None:
    run(tiny_detector, "--data", faces, "--out", tmp_path / "e", "--rounds", 10, command="evaluate")
    run(faces, "--out", tmp_path / "a", "--count", 2)
    code, _, _ = run(tmp_path / "e" / "scores.parquet", "--out", tmp_path / "b", "--count", 2)
    assert code == 0
    first, second = ((tmp_path / name / "extremes.csv").read_text() for name in "ab")
    assert first == second
    assert not (tmp_path / "b" / "scores.parquet").exists()


def test_a_broken_picture_is_a_row(run: Run, faces: Path, tmp_path: Path) -> None:
    (faces / "fake" / "broken.png").write_bytes(b"nothing")
    code, _, err = run(faces, "--out", tmp_path / "out")
    assert code == 1
    assert "1 without a score, 0 not shown" in err
    assert "failed,," in (tmp_path / "out" / "extremes.csv").read_text()
    assert "broken.png" in (tmp_path / "out" / "extremes.html").read_text()


def test_what_cannot_be_done_is_one_line_and_code_2(
    run: Run, faces: Path, tmp_path: Path, tiny_spec: DetectorSpec, write_detector: Callable[..., Path]
) -> None:
    out = ("--out", tmp_path / "out")
    whole = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None, name="whole"))
    for words, options, found in (
        ((faces, "--include", "nobody"), {}, "nobody"),
        ((faces, "--split", "test"), {}, "split"),
        ((tmp_path / "absent",), {}, "absent"),
        ((faces,), {"detector": whole}, "whole-image baseline whole"),
    ):
        code, printed, err = run(*words, *out, **options)
        assert (code, printed) == (2, "")
        assert found in err
        assert not (tmp_path / "out").exists()
