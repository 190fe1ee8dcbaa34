"""`telltale predict` as people and scripts use it: what it prints, what it writes, how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from telltale.cli import main
from telltale.cli.predict import heatmap_name
from telltale.evaluate.results import PREDICTED, read_rows
from telltale.explain.heatmaps import LEAST_LEGEND
from telltale.image import Preparation
from telltale.spec import DetectorSpec

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


@dataclass(frozen=True, slots=True)
class Done:
    """How one run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


Run = Callable[..., Done]


@pytest.fixture
def run(tiny_detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the console command in this process, with the tiny detector unless another is named."""

    def once(*words: object, detector: Path = tiny_detector, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["telltale", "predict", *map(str, words), "--detector", str(detector)])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, printed.out, printed.err)

    return once


def paint(path: Path, seed: int = 0, side: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of four pictures, two of one name."""
    folder = tmp_path / "pictures"
    for index, name in enumerate(("a.png", "b.png", "one/same.png", "two/same.png")):
        paint(folder / name, index)
    return folder


# ---------------------------------------------------------------- what it prints


def test_a_line_for_a_person(run: Run, pictures: Path) -> None:
    done = run(pictures / "a.png")
    assert done.code == 0
    (line,) = done.lines
    assert line.startswith(("likely real", "inconclusive", "likely generated"))
    assert "P(fake) 0." in line
    assert "strongest patch 0." in line
    assert line.endswith(str(pictures / "a.png"))
    assert done.err == ""


def test_pictures_that_had_to_be_enlarged_are_said_to_be(
    run: Run, tmp_path: Path, write_detector: Callable[..., Path], tiny_spec: DetectorSpec
) -> None:
    detector = write_detector(tmp_path / "d.onnx", replace(tiny_spec, preparation=Preparation(side=48)))
    for side in (24, 40, 48, 90):
        paint(tmp_path / "p" / f"{side}.png", side=side)
    done = run(tmp_path / "p", detector=detector)
    assert [", enlarged 2.0 times" in line for line in done.lines] == [True, False, False, False]
    assert "1 picture was smaller than the 48 px" in done.err
    assert run(tmp_path / "p", "--json", detector=detector).err == ""
    paint(tmp_path / "p" / "another.png", side=12)
    assert "2 pictures were smaller" in run(tmp_path / "p", detector=detector).err
    (tmp_path / "p" / "another.png").unlink()
    (tmp_path / "p" / "24.png").unlink()
    assert run(tmp_path / "p", detector=detector).err == ""


def test_a_detector_nobody_calibrated_says_so(run: Run, pictures: Path, uncalibrated_detector: Path) -> None:
    (line,) = run(pictures / "a.png", detector=uncalibrated_detector).lines
    assert line.startswith("not calibrated")
    assert "score 0." in line
    assert "P(fake)" not in line
    (row,) = run(pictures / "a.png", "--json", detector=uncalibrated_detector).rows
    assert row["probability"] is row["verdict"] is None
    assert row["detector"] == "raw"


def test_json_lines_hold_everything(run: Run, pictures: Path, tiny_detector: Path, tiny_spec: DetectorSpec) -> None:
    from hashlib import sha256

    from telltale import __version__, decode, load

    done = run(pictures, "--json")
    assert done.code == 0
    assert [row["path"] for row in done.rows] == [str(path) for path in sorted(pictures.rglob("*.png"))]
    for row in done.rows:
        assert list(row) == list(PREDICTED)
        said = load(tiny_detector)(decode(row["path"]))
        assert row["score"] == pytest.approx(said.score, abs=1e-6)
        assert row["probability"] == pytest.approx(said.probability, abs=1e-6)
        assert row["verdict"] == said.verdict
        assert row["patch_logits_shape"] == [5, 7]
        assert (row["width"], row["height"]) == (32, 24)
        assert row["detector"] == tiny_spec.name
        assert row["weights_sha256"] == sha256(tiny_detector.read_bytes()).hexdigest()
        assert row["telltale_version"] == __version__
        assert row["seconds"] > 0
        assert row["error"] is None
        x, y, width, height = row["strongest_window"]
        assert (x % 4, y % 4, width, height) == (0, 0, 8, 8)


def test_threads_change_nothing(run: Run, pictures: Path) -> None:
    one, many = (run(pictures, "--json", "--threads", count).rows for count in (1, 4))
    for row in one + many:
        assert row.pop("seconds") > 0
    assert one == many


def test_folders_globs_lists_and_standard_input_together(run: Run, pictures: Path) -> None:
    (pictures / "list.csv").write_text("path\na.png\n")
    (pictures / "list.txt").write_text("two/same.png\n")
    words = (pictures / "one", pictures / "?.png", pictures / "list.csv", pictures / "list.txt", "-")
    done = run(*words, "--json", stdin=str(pictures / "b.png").encode())
    names = [str(Path(row["path"]).relative_to(pictures)) for row in done.rows]
    # Once each, where they are named first.
    assert names == ["one/same.png", "a.png", "b.png", "two/same.png"]


def test_a_picture_through_standard_input(run: Run, pictures: Path) -> None:
    (row,) = run("-", "--json", stdin=(pictures / "a.png").read_bytes()).rows
    (named,) = run(pictures / "a.png", "--json").rows
    assert row["path"] == "-"
    assert row["score"] == named["score"]


def test_a_video_through_standard_input_is_told_what_to_do(run: Run) -> None:
    done = run("-", stdin=b"\0\0\0\x18ftypisom" + bytes(64))
    assert done.code == 2
    assert "Of a video, name its file: it cannot be piped in." in done.lines[0]


def test_parquet_lists(run: Run, pictures: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    target = pictures / "list.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table({"path": ["b.png", "one/same.png"]}), target)
    assert [Path(row["path"]).name for row in run(target, "--json").rows] == ["b.png", "same.png"]


# ---------------------------------------------------------------- how it ends


def test_exit_codes(run: Run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.png").write_bytes(b"nothing")
    assert run(pictures / "a.png").code == 0
    some = run(pictures)
    assert some.code == 1
    assert "4 scored, 1 failed" in some.err
    assert sum(line.startswith("failed  ") for line in some.lines) == 1
    assert "broken.png" in next(line for line in some.lines if line.startswith("failed"))
    none = run(pictures / "broken.png", pictures / "missing.png")
    assert none.code == 2
    assert len(none.lines) == 2
    (tmp_path / "empty").mkdir()
    nothing = run(tmp_path / "empty")
    assert nothing.code == 2
    assert nothing.out == ""
    assert nothing.err.startswith("telltale: expected at least one picture or video; found none in ")


def test_a_failure_is_a_row_with_its_reason(run: Run, pictures: Path) -> None:
    (pictures / "a.png").write_bytes(b"")
    row = run(pictures, "--json").rows[0]
    assert row["path"] == str(pictures / "a.png")
    assert "empty file" in row["error"]
    assert row["score"] is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--detector", "no-such-detector"), "no-such-detector"),
        (("--backend", "abacus"), "abacus"),
        (("--resume",), "--out FILE"),
        (("--out", "results.xlsx"), ".jsonl, .csv, .parquet"),
    ],
)
def test_a_wrong_setting_is_one_line_and_code_2(run: Run, pictures: Path, words: tuple[str, ...], found: str) -> None:
    done = run(pictures / "a.png", *words) if "--detector" not in words else run(pictures, detector=Path(words[1]))
    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("telltale: expected ")
    assert found in line


def test_a_wrong_word_stops_before_anything_is_scored(run: Run, pictures: Path, tmp_path: Path) -> None:
    done = run(pictures / "a.png", pictures / "*.nothing", "--out", tmp_path / "out.csv")
    assert done.code == 2
    assert done.out == ""


def test_the_pixel_limit(run: Run, pictures: Path) -> None:
    assert run(pictures, "--max-pixels", 768).code == 0
    done = run(pictures, "--max-pixels", 767, "--json")
    assert done.code == 2
    assert all("--max-pixels" in row["error"] for row in done.rows)


def test_a_folder_that_cannot_be_written_is_one_line(run: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (("--out", tmp_path / "file" / "out.csv"), ("--heatmaps", tmp_path / "file")):
        done = run(pictures / "a.png", *words)
        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert str(tmp_path / "file") in done.err
        assert "Name another place" in done.err


# ---------------------------------------------------------------- awkward names


@pytest.mark.parametrize("name", [" spaced name .png", "two\nlines.png", "é 日本.png", "\x1b[31mred.png", NOT_UTF8])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_any_name_is_scored_printed_on_one_line_and_kept(run: Run, tmp_path: Path, name: str, kind: str) -> None:
    path = paint(tmp_path / "in" / name)
    out = tmp_path / f"out.{kind}"
    done = run(tmp_path / "in", "--out", out, "--heatmaps", tmp_path / "maps")
    assert done.code == 0
    assert len(done.lines) == 1
    assert "\x1b" not in done.out
    (row,) = read_rows(out)
    assert row["path"] == (str(path) if name != NOT_UTF8 or kind != "parquet" else str(tmp_path / "in/caf\\udce9.png"))
    assert len(list((tmp_path / "maps").iterdir())) == 1
    again = run(tmp_path / "in", "--out", out, "--resume")
    assert again.code == 0
    assert again.out == ""
    assert "1 kept from before" in again.err
    (row,) = run(tmp_path / "in", "--json").rows
    assert row["path"] == str(path)


@pytest.mark.parametrize("name", ["two\nlines.png", "\x1b[31mred.png", NOT_UTF8])
def test_a_failure_of_any_name_is_one_line(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    done = run(tmp_path)
    assert done.code == 2
    assert len(done.lines) == 1
    assert "\x1b" not in done.out


# ---------------------------------------------------------------- files of results


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_results_go_to_a_file_as_they_are_printed(run: Run, pictures: Path, tmp_path: Path, kind: str) -> None:
    (pictures / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "new" / f"out.{kind}"
    done = run(pictures, "--json", "--out", out)
    assert done.code == 1
    assert list(read_rows(out)) == done.rows
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_resume_skips_scores_and_retries_failures(run: Run, pictures: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    whole = (pictures / "b.png").read_bytes()
    (pictures / "b.png").write_bytes(whole[:50])
    assert run(pictures, "--out", out).code == 1
    (pictures / "b.png").write_bytes(whole)
    paint(pictures / "new.png", 9)
    done = run(pictures, "--out", out, "--resume", "--json")
    assert done.code == 0
    assert [Path(row["path"]).name for row in done.rows] == ["b.png", "new.png"]
    assert "2 scored, 0 failed, 3 kept from before" in done.err
    rows = list(read_rows(out))
    assert sorted(row["path"] for row in rows) == sorted(str(path) for path in pictures.rglob("*.png"))
    assert all(row["error"] is None for row in rows)


def test_resume_may_find_nothing_left_to_do(run: Run, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    run(pictures, "--out", out)
    before = out.read_text()
    done = run(pictures, "--out", out, "--resume")
    assert (done.code, done.out) == (0, "")
    assert out.read_text() == before


def test_resume_scores_standard_input_every_time(run: Run, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    for name, words in (("a.png", []), ("b.png", ["--resume"])):
        assert len(run("-", "--out", out, *words, stdin=(pictures / name).read_bytes()).lines) == 1
    assert [row["path"] for row in read_rows(out)] == ["-", "-"]


def test_earlier_results_are_not_overwritten(run: Run, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    run(pictures, "--out", out)
    before = out.read_bytes()
    done = run(pictures, "--out", out)
    assert done.code == 2
    assert "--resume" in done.err
    assert out.read_bytes() == before


def test_resume_refuses_other_weights(run: Run, pictures: Path, tmp_path: Path, uncalibrated_detector: Path) -> None:
    out = tmp_path / "out.csv"
    run(pictures, "--out", out)
    before = out.read_bytes()
    done = run(pictures, "--out", out, "--resume", detector=uncalibrated_detector)
    assert done.code == 2
    assert "(raw)" in done.err
    assert "(tiny)" in done.err
    assert out.read_bytes() == before


def test_resume_refuses_a_file_that_is_not_ours(run: Run, pictures: Path) -> None:
    mine = pictures / "labels.csv"
    mine.write_text("path,label\na.png,1\n")
    done = run(pictures, "--out", mine, "--resume")
    assert done.code == 2
    assert "labels.csv" in done.err
    assert mine.read_text() == "path,label\na.png,1\n"


# ---------------------------------------------------------------- heatmaps


def test_heatmaps_of_two_pictures_of_one_name(run: Run, pictures: Path, tmp_path: Path) -> None:
    assert run(pictures, "--heatmaps", tmp_path / "maps").code == 0
    found = {path.name for path in (tmp_path / "maps").iterdir()}
    assert found == {heatmap_name(path) for path in pictures.rglob("*.png")}
    assert len(found) == 4
    for path in (tmp_path / "maps").iterdir():
        with Image.open(path) as picture:
            # Pictures of 32 x 24, beside a legend that takes more room than they do.
            assert picture.size == (32 + 76, LEAST_LEGEND)


def test_one_picture_named_many_times_is_drawn_in_peace(run: Run, pictures: Path, tmp_path: Path) -> None:
    done = run(*[pictures / "a.png"] * 40, "--heatmaps", tmp_path / "maps", "--threads", 8)
    assert done.code == 0
    assert [path.name for path in (tmp_path / "maps").iterdir()] == [heatmap_name(pictures / "a.png")]


def test_names_as_long_as_a_file_system_allows(run: Run, tmp_path: Path) -> None:
    path = paint(tmp_path / "in" / ("é" * 125 + ".png"))
    assert run(path, "--heatmaps", tmp_path / "maps").code == 0
    (found,) = (tmp_path / "maps").iterdir()
    assert found.name.endswith(".png")


def test_a_whole_image_baseline_draws_no_heatmaps(
    run: Run, pictures: Path, tmp_path: Path, tiny_spec: DetectorSpec, write_detector: Callable[..., Path]
) -> None:
    baseline = write_detector(tmp_path / "baseline.onnx", replace(tiny_spec, grid=None))
    done = run(pictures, "--heatmaps", tmp_path / "maps", detector=baseline)
    assert done.code == 2
    assert "whole-image baseline" in done.err
    assert done.out == ""


# ---------------------------------------------------------------- interruption, in a process of its own


@pytest.fixture
def start(tiny_detector: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the command in a new process; whatever is left of it ends with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def once(*words: object, **pipes: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "telltale", "predict", *map(str, words), "--detector", str(tiny_detector)]
        process = subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes})
        begun.append(process)
        return process

    yield once
    for process in begun:
        process.kill()
        process.communicate()


Start = Callable[..., subprocess.Popen[bytes]]


def many(folder: Path, count: int) -> Path:
    """More pictures than a pipe holds lines: a run whose lines nobody reads waits in the middle."""
    first = paint(folder / "00000.png")
    for index in range(1, count):
        os.link(first, folder / f"{index:05}.png")
    return folder


def read_lines(process: subprocess.Popen[bytes], count: int) -> list[bytes]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_ctrl_c_leaves_a_valid_file(start: Start, run: Run, tmp_path: Path, kind: str) -> None:
    folder, out = many(tmp_path / "in", 400), tmp_path / f"out.{kind}"
    process = start(folder, "--json", "--out", out)
    read_lines(process, 20)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    rows = list(read_rows(out))
    assert 20 <= len(rows) < 400
    assert [Path(row["path"]).name for row in rows] == [f"{index:05}.png" for index in range(len(rows))]
    assert not out.with_name(out.name + ".partial").exists()
    done = run(folder, "--out", out, "--resume")
    assert done.code == 0
    assert len(done.lines) == 400 - len(rows)
    assert [row["path"] for row in read_rows(out)] == [str(folder / f"{index:05}.png") for index in range(400)]


def test_a_kill_leaves_a_journal_that_resume_goes_on_with(start: Start, run: Run, tmp_path: Path) -> None:
    folder, out = many(tmp_path / "in", 400), tmp_path / "out.parquet"
    process = start(folder, "--json", "--out", out)
    printed = [json.loads(line) for line in read_lines(process, 20)]
    process.kill()
    process.communicate(timeout=60)
    assert not out.exists()
    assert "--resume" in run(folder, "--out", out).err
    done = run(folder, "--out", out, "--resume", "--json")
    assert done.code == 0
    assert 0 < len(done.rows) <= 380
    rows = list(read_rows(out))
    assert rows[:20] == printed
    assert [row["path"] for row in rows] == [str(folder / f"{index:05}.png") for index in range(400)]


def test_a_reader_that_goes_away_ends_the_run_quietly(start: Start, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    process = start(many(tmp_path / "in", 400), "--out", out)
    read_lines(process, 1)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == b""
    assert process.returncode not in (0, 2)
    assert 1 <= len(list(read_rows(out))) < 400


def test_a_warning_is_one_line_that_names_the_picture(start: Start, tmp_path: Path) -> None:
    with Image.open(paint(tmp_path / "odd\nname.png")) as picture:
        picture.save(tmp_path / "odd\nname.png", icc_profile=b"no profile")
    out, err = start(tmp_path, "--json").communicate(timeout=60)
    assert json.loads(out)["error"] is None
    (line,) = err.decode().splitlines()
    assert line.startswith("telltale: warning: ")
    assert r"odd\nname.png: unusable colour profile ignored" in line


def test_results_stay_on_standard_output_while_a_terminal_shows_the_progress(start: Start, pictures: Path) -> None:
    terminal, screen = pty.openpty()
    process = start(pictures, "--json", stderr=screen, env={**os.environ, "TERM": "xterm"})
    out, _ = process.communicate(timeout=60)
    os.close(screen)
    shown = os.read(terminal, 100_000)
    os.close(terminal)
    assert [json.loads(line)["error"] for line in out.splitlines()] == [None] * 4
    assert b"4 scored, 0 failed" in shown
    assert b"weights_sha256" not in shown


def test_a_name_that_the_terminal_cannot_show_is_spelled_out(start: Start, tmp_path: Path) -> None:
    path = paint(tmp_path / "日本.png")
    process = start(path, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    out, err = process.communicate(timeout=60)
    assert err == b""
    assert b"\\u65e5\\u672c.png" in out


def test_a_name_that_is_not_utf8_on_the_command_line(start: Start, tmp_path: Path) -> None:
    path = paint(tmp_path / NOT_UTF8)
    process = start(path, "--json", tmp_path / ("missing" + NOT_UTF8))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert [json.loads(line)["path"] for line in out.splitlines()] == [
        str(path),
        str(tmp_path / ("missing" + NOT_UTF8)),
    ]
