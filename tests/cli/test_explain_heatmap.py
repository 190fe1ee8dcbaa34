"""`telltale explain heatmap` as people use it: one file and one line a picture, failures as lines with reasons."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO, TextIOWrapper
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
    def once(*words: object, detector: Path = tiny_detector, stdin: bytes = b"") -> tuple[int, str, str]:
        typed = ["telltale", "explain", "heatmap", *map(str, words), "--detector", str(detector)]
        monkeypatch.setattr(sys, "argv", typed)
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return once


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for index, name in enumerate(("a.png", "one/same.png", "two/same.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_a_line_and_a_file_for_each_picture(run: Run, pictures: Path, tmp_path: Path) -> None:
    code, out, err = run(pictures, "--out", tmp_path / "heat")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 3
    for line, path in zip(lines, sorted(pictures.rglob("*.png")), strict=True):
        assert line.startswith("overlay  P(fake) 0.")
        assert "32 x 24 px over x 0-32, y 0-24" in line
        assert line.endswith(f"of  {path}")
    written = sorted((tmp_path / "heat").iterdir())
    assert len(written) == 3
    assert all(any(str(path) in line for line in lines) for path in written)


@pytest.mark.parametrize("kind", ["overlay", "side-by-side", "contour", "raw-npy", "raw-png"])
def test_every_kind_has_a_name_of_its_own(run: Run, pictures: Path, tmp_path: Path, kind: str) -> None:
    rows = []
    for placement in ("mean", "nearest"):
        words = (pictures / "a.png", "--out", tmp_path, "--kind", kind, "--placement", placement, "--json")
        code, out, _ = run(*words)
        assert code == 0
        rows.append(json.loads(out))
    assert rows[0]["written"] != rows[1]["written"]
    for row in rows:
        assert row["kind"] == kind
        assert kind in Path(row["written"]).name
        assert (row["shape"], row["window"], row["error"]) == ([24, 32], [0, 0, 32, 24], None)
        if kind == "raw-npy":
            assert np.load(row["written"]).shape == (24, 32)
        else:
            Image.open(row["written"]).verify()


def test_threads_change_no_byte(run: Run, pictures: Path, tmp_path: Path) -> None:
    for threads in (1, 4):
        run(pictures, "--out", tmp_path / str(threads), "--threads", threads, "--kind", "raw-npy")
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("1", "4"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_picture_through_standard_input(run: Run, pictures: Path, tmp_path: Path) -> None:
    code, out, _ = run("-", "--out", tmp_path / "heat", stdin=(pictures / "a.png").read_bytes())
    assert code == 0
    assert out.rstrip().endswith("of  -")
    assert len(list((tmp_path / "heat").iterdir())) == 1


def test_exit_codes_and_reasons(run: Run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.png").write_bytes(b"nothing")
    code, out, err = run(pictures, "--out", tmp_path / "heat")
    assert code == 1
    assert "3 written, 1 failed" in err
    (failed,) = [line for line in out.splitlines() if line.startswith("failed  ")]
    assert "broken.png" in failed
    assert len(list((tmp_path / "heat").iterdir())) == 3
    assert run(pictures / "broken.png", "--out", tmp_path / "heat")[0] == 2
    (tmp_path / "empty").mkdir()
    code, out, err = run(tmp_path / "empty", "--out", tmp_path / "heat")
    assert (code, out) == (2, "")
    assert "expected at least one picture" in err


def test_a_picture_smaller_than_a_patch_says_why(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "small.png")
    code, out, _ = run(tmp_path / "small.png", "--out", tmp_path / "heat")
    assert code == 2
    assert "at least 8 px a side, for one patch; found 5 x 5 px" in out


@pytest.mark.parametrize(
    ("words", "found"),
    [(("--kind", "hologram"), "overlay, side-by-side"), (("--placement", "median"), "mean, nearest")],
)
def test_a_wrong_setting_is_one_line_and_code_2(
    run: Run, pictures: Path, tmp_path: Path, words: tuple[str, ...], found: str
) -> None:
    code, out, err = run(pictures, "--out", tmp_path / "heat", *words)
    assert (code, out) == (2, "")
    assert found in err
    assert not (tmp_path / "heat").exists()


def test_a_whole_image_baseline_has_no_heatmap(
    run: Run, pictures: Path, tmp_path: Path, tiny_spec: DetectorSpec, write_detector: Callable[..., Path]
) -> None:
    path = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None, name="whole"))
    code, out, err = run(pictures, "--out", tmp_path / "heat", detector=path)
    assert (code, out) == (2, "")
    assert "whole-image baseline whole" in err
