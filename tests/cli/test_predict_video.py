"""`telltale predict` on videos: lines, rows, timelines, films, and how it ends."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from small_videos import shade, write_sound, write_video
from telltale.cli import main
from telltale.cli.predict import heatmap_name
from telltale.cli.predict_video import looked_at
from telltale.evaluate.results import COLUMNS, FILM, PREDICTED, read_rows, write_rows
from telltale.evaluate.video_rows import TIMELINE
from telltale.image import Preparation
from telltale.spec import DetectorSpec

Run = Callable[..., tuple[int, str, str]]
THIRTY = [shade(index) for index in range(30)]


@pytest.fixture
def run(tiny_detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the console command in this process; gives code, standard output, standard error."""

    def once(*words: object, detector: Path = tiny_detector) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["telltale", "predict", *map(str, words), "--detector", str(detector)])
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"")))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return once


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of two pictures and two videos."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        Image.fromarray(shade(3)).save(folder / name)
    write_video(folder / "b.mp4", THIRTY)
    write_video(folder / "d.mkv", THIRTY[:10])
    return folder


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_pictures_and_videos_in_the_order_given(run: Run, mixed: Path) -> None:
    code, out, err = run(mixed)
    assert code == 0
    assert [line.rsplit("/", 1)[1] for line in out.splitlines()] == ["a.png", "b.mp4", "c.png", "d.mkv"]
    assert "3 frames, most fake at 0:" in out.splitlines()[1]
    assert err.count("calibrated on single pictures, not on videos") == 1


def test_json_rows_hold_the_video_besides(run: Run, mixed: Path) -> None:
    code, out, err = run(mixed, "--json", "--every", 0.5)
    assert (code, err) == (0, "")
    picture, video, _, short = rows(out)
    assert list(picture) == list(PREDICTED)
    assert list(video) == list(PREDICTED)
    assert [picture[name] for name in FILM] == [None] * len(FILM)
    assert (video["top_tenth"], video["max"]) == (video["video"]["top_tenth"], video["video"]["max"])
    assert (video["most_fake_at"], video["face"]) == (video["video"]["matter"][0]["time"], None)
    assert video["video"]["frames"] == 6
    assert short["video"]["frames"] == 2
    assert video["probability"] == video["video"]["probability"]
    assert (video["width"], video["height"]) == (64, 48)
    assert video["video"]["matter"][0]["value"] == video["video"]["max"]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_rows_of_results_and_of_timelines(run: Run, mixed: Path, tmp_path: Path, kind: str) -> None:
    out, timeline = tmp_path / f"out.{kind}", tmp_path / f"timeline.{kind}"
    assert run(mixed, "--out", out, "--timeline", timeline, "--every", 0.5)[0] == 0
    assert [Path(row["path"]).name for row in read_rows(out)] == ["a.png", "b.mp4", "c.png", "d.mkv"]
    found = list(read_rows(timeline, columns=TIMELINE))
    assert [(Path(row["path"]).name, row["time"]) for row in found] == [
        *(("b.mp4", 0.5 * index) for index in range(6)),
        ("d.mkv", 0.0),
        ("d.mkv", 0.5),
    ]
    (video,) = (row for row in read_rows(out) if row["path"].endswith("b.mp4"))
    assert video["probability"] == pytest.approx(np.mean([row["probability"] for row in found[:6]]))
    assert found[0]["box"] == [0, 0, 64, 48]
    assert found[0]["face"] is None
    # Everything that --json prints is in the file, too, whatever its kind.
    shown = {Path(row["path"]).name: row for row in rows(run(mixed, "--json", "--every", 0.5)[1])}
    for row in read_rows(out, columns=PREDICTED):
        printed = shown[Path(row["path"]).name]
        assert {**row, "seconds": None} == {**printed, "seconds": None}
    assert video["max"] is not None


@pytest.mark.parametrize("option", [("--faces",), ("--every", 0.1), ("--timeline", "t.csv")])
def test_options_of_videos_without_a_video_are_told(
    run: Run, mixed: Path, option: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(mixed / "a.png", *option)
    assert (code, err) == (0, f"telltale: note: {option[0]} tell of videos, and none was named\n")
    assert "none was named" not in run(mixed, "--every", 0.1)[2]


def test_resumed_timelines_hold_each_moment_once(run: Run, mixed: Path, tmp_path: Path) -> None:
    out, timeline = tmp_path / "out.jsonl", tmp_path / "timeline.jsonl"
    words = (mixed, "--out", out, "--timeline", timeline)
    run(*words)
    whole = list(read_rows(timeline, columns=TIMELINE))
    # As if the run had been killed after the second video's timeline, before its row.
    out.write_text("".join(line for line in out.read_text().splitlines(True) if "d.mkv" not in line))
    code, printed, _ = run(*words, "--resume")
    assert code == 0
    assert [line.rsplit("/", 1)[1] for line in printed.splitlines()] == ["d.mkv"]
    assert list(read_rows(timeline, columns=TIMELINE)) == whole
    assert run(*words)[0] == 2


def test_a_timeline_that_would_lack_finished_videos_is_refused(run: Run, mixed: Path, tmp_path: Path) -> None:
    out, timeline = tmp_path / "out.jsonl", tmp_path / "timeline.jsonl"
    run(mixed, "--out", out)
    before = out.read_bytes()
    code, _, err = run(mixed, "--out", out, "--timeline", timeline, "--resume")
    assert code == 2
    assert "every video finished already" in err
    assert out.read_bytes() == before
    assert not timeline.exists()
    # One that holds some of them is none of all either.
    timeline.write_text("")
    assert run(mixed, "--out", out, "--timeline", timeline, "--resume")[0] == 2


def test_out_and_timeline_cannot_be_one_file(run: Run, mixed: Path, tmp_path: Path) -> None:
    """One would overwrite the other when the run ends."""
    out = tmp_path / "out.jsonl"
    code, _, err = run(mixed, "--out", out, "--timeline", tmp_path / "mixed" / ".." / "out.jsonl")
    assert code == 2
    assert "two files" in err
    assert not out.exists()


def test_resuming_beside_another_out_keeps_the_timeline(run: Run, mixed: Path, tmp_path: Path) -> None:
    out, timeline = tmp_path / "out.jsonl", tmp_path / "timeline.jsonl"
    run(mixed, "--out", out, "--timeline", timeline)
    before = timeline.read_bytes()
    (tmp_path / "a.jsonl").write_text("")
    for other in ("mistyped.jsonl", "a.jsonl"):
        code, _, err = run(mixed, "--out", tmp_path / other, "--timeline", timeline, "--resume")
        assert code == 2
        assert "those of 2 videos that it does not hold" in err
        assert timeline.read_bytes() == before
    assert run(mixed, "--out", out, "--timeline", timeline, "--resume")[0] == 0


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_row_says_how_its_frames_were_chosen_and_a_resume_keeps_to_it(
    run: Run, mixed: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"out.{kind}"
    assert run(mixed / "a.png", mixed / "b.mp4", "--every", 0.3, "--out", out)[0] == 0
    told = [(row["every_seconds"], row["looked_at"]) for row in read_rows(out, columns=PREDICTED)]
    assert told == [(None, None), (0.3, "whole frames")]
    before = out.read_bytes()
    for words, asked in (
        (("--every", 0.5), "whole frames every 0.5 s"),
        (("--every", 0.3, "--faces"), "faces found by the face parser every 0.3 s"),
    ):
        code, printed, err = run(mixed, "--out", out, "--resume", *words)
        assert (code, printed) == (2, "")
        assert f"expected videos scored by {asked}; found" in err
        assert f"b.mp4 by whole frames every 0.3 s, in {out}" in err
        assert "--every 0.3 without --faces" in err
        assert out.read_bytes() == before
    assert run(mixed, "--out", out, "--resume", "--every", 0.3)[0] == 0
    assert len(list(read_rows(out, columns=PREDICTED))) == 4


def test_another_face_detector_is_another_choice(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(b"one")
    (tmp_path / "two.onnx").write_bytes(b"two")
    told = {looked_at(True, path) for path in (None, tmp_path / "one.onnx", tmp_path / "two.onnx")}
    assert len(told | {looked_at(False, None)}) == 4


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_file_of_an_earlier_version_is_gone_on_with_where_it_holds_no_scored_video(
    run: Run, mixed: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"out.{kind}"
    run(mixed, "--out", out)
    old = [{name: row[name] for name in COLUMNS} for row in read_rows(out, columns=PREDICTED)]
    write_rows(out, [row for row in old if row["path"].endswith("png")])
    assert run(mixed, "--out", out, "--resume")[0] == 0
    assert [row["every_seconds"] for row in read_rows(out, columns=PREDICTED)] == [None, None, 1.0, 1.0]
    write_rows(out, old)
    code, _, err = run(mixed, "--out", out, "--resume")
    assert code == 2
    assert "b.mp4 without a word of how" in err


def test_a_file_named_twice_is_scored_once_under_its_first_spelling(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mixed)
    out, timeline = tmp_path / "out.csv", tmp_path / "timeline.csv"
    words = ("b.mp4", "./b.mp4", mixed / "b.mp4", "../mixed/a.png", mixed, "--out", out, "--timeline", timeline)
    code, _, err = run(*words)
    assert code == 0
    paths = [row["path"] for row in read_rows(out, columns=PREDICTED)]
    assert paths == ["b.mp4", "../mixed/a.png", str(mixed / "c.png"), str(mixed / "d.mkv")]
    assert [row["time"] for row in read_rows(timeline, columns=TIMELINE) if "b.mp4" in row["path"]] == [0, 1, 2]
    (said,) = (line for line in err.splitlines() if "named more than once" in line)
    assert said.endswith("scored once under its first spelling: b.mp4 and 3 more")
    # What is finished under one spelling is finished under every other.
    assert run(mixed / "b.mp4", "--out", out, "--resume")[0] == 0
    assert len(list(read_rows(out, columns=PREDICTED))) == 4


def test_a_link_is_a_file_of_its_own(run: Run, mixed: Path) -> None:
    (mixed / "link.png").symlink_to(mixed / "a.png")
    (mixed / "other").symlink_to(mixed)
    _, out, err = run(mixed / "a.png", mixed / "link.png", mixed / "other" / "a.png")
    assert len(out.splitlines()) == 2
    assert "first spelling" in err


def test_transport_streams_are_found_in_folders_and_typescript_is_not(run: Run, mixed: Path) -> None:
    write_video(mixed / "e.ts", THIRTY)
    (mixed / "f.ts").write_text("export const one = 1;\n" * 50)
    code, out, _ = run(mixed)
    assert code == 0
    assert [line.rsplit("/", 1)[1] for line in out.splitlines()] == ["a.png", "b.mp4", "c.png", "d.mkv", "e.ts"]


def test_a_video_with_another_ending_learns_which_endings_are_videos(run: Run, mixed: Path) -> None:
    (mixed / "b.mp4").rename(mixed / "b.mts")
    for path in (mixed / "b.mts", mixed / "missing.film"):
        code, out, _ = run(path)
        assert code == 2
        assert ("Videos are known by their ending: .3gp .avi" in out) == path.exists()


def test_films_charts_and_frames(run: Run, mixed: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    assert run(mixed, "--heatmaps", maps)[0] == 0
    found = sorted(path.name for path in maps.iterdir())
    for name in ("a.png", "c.png"):
        assert heatmap_name(mixed / name) in found
    for name in ("b.mp4", "d.mkv"):
        assert heatmap_name(mixed / name, ".mp4") in found
        assert heatmap_name(mixed / name, ".timeline.png") in found
        assert sum(one.startswith(heatmap_name(mixed / name, "")) and one.endswith("s.png") for one in found) >= 1


def test_what_cannot_be_scored_is_a_row(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    write_sound(tmp_path / "sound.mp4")
    code, out, err = run(tmp_path, "--json", "--heatmaps", tmp_path / "maps")
    assert code == 2
    errors = [row["error"] for row in rows(out)]
    assert ["empty file" in errors[0], "sound only" in errors[1], "does not open" in errors[2]] == [True] * 3
    assert "0 scored, 3 failed" in err
    assert not list((tmp_path / "maps").iterdir())
    write_video(tmp_path / "good.mp4", THIRTY)
    assert run(tmp_path)[0] == 1


def test_a_damaged_video_is_scored_and_named(run: Run, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", THIRTY, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    code, out, err = run(path)
    assert code == 1
    first, second = out.splitlines()
    assert "P(fake)" in first
    assert "damaged: expected a video" in second
    assert "1 scored (1 of them damaged), 0 failed" in err
    (row,) = rows(run(path, "--json")[1])
    assert row["score"] is not None
    assert "after" in row["error"]


def test_without_pyav_pictures_are_scored_and_videos_say_what_is_missing(
    run: Run, mixed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for words in ((mixed, "--json"), (mixed, "--json", "--heatmaps", tmp_path / "maps")):
        code, out, _ = run(*words)
        assert code == 1
        errors = {Path(row["path"]).name: row["error"] for row in rows(out)}
        assert errors["a.png"] is errors["c.png"] is None
        assert "telltale[video]" in errors["b.mp4"]


def test_a_detector_nobody_calibrated(run: Run, mixed: Path, uncalibrated_detector: Path) -> None:
    _, out, err = run(mixed / "b.mp4", detector=uncalibrated_detector)
    assert out.startswith("not calibrated")
    assert "score 0." in out
    assert err == ""


def test_frames_that_had_to_be_enlarged_are_said_to_be(
    run: Run, mixed: Path, tmp_path: Path, write_detector: Callable[..., Path], tiny_spec: DetectorSpec
) -> None:
    detector = write_detector(tmp_path / "d.onnx", replace(tiny_spec, preparation=Preparation(side=120)))
    _, out, err = run(mixed, detector=detector)
    assert [", enlarged 2.5 times" in line for line in out.splitlines()] == [True, False, True, False]
    assert [", enlarged up to 2.5 times" in line for line in out.splitlines()] == [False, True, False, True]
    assert "2 pictures and 2 videos (frames or faces) were smaller than the 120 px" in err
    _, out, err = run(mixed / "b.mp4", detector=detector)
    assert "note: 1 video (frames or faces) was smaller than the 120 px" in err
    (row,) = rows(run(mixed / "b.mp4", "--json", detector=detector)[1])
    assert row["video"]["enlarged"] == 2.5
    detector = write_detector(tmp_path / "small.onnx", replace(tiny_spec, preparation=Preparation(side=48)))
    _, out, err = run(mixed / "b.mp4", detector=detector)
    assert "enlarged" not in out + err


@pytest.mark.parametrize("every", ["0", "inf", "nan", "1e10"])
def test_a_stride_that_means_nothing(run: Run, mixed: Path, tmp_path: Path, every: str) -> None:
    out = tmp_path / "out.jsonl"
    code, printed, err = run(mixed, "--every", every, "--out", out)
    assert (code, printed) == (2, "")
    assert "--every" in err
    assert not out.exists()


@pytest.mark.parametrize("place", ["/proc/timeline.jsonl", "x" * 250 + ".jsonl"])
def test_a_timeline_that_cannot_be_written_leaves_no_results_behind(
    run: Run, mixed: Path, tmp_path: Path, place: str
) -> None:
    out, maps = tmp_path / "out.jsonl", tmp_path / "maps"
    code, printed, err = run(mixed, "--out", out, "--timeline", tmp_path / place, "--heatmaps", maps)
    assert (code, printed) == (2, "")
    assert "expected to read and write files" in err
    # The repaired command is told of no earlier results.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mixed"]


def test_a_file_in_place_of_the_folder_of_heatmaps(run: Run, mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").touch()
    code, _, err = run(mixed, "--heatmaps", tmp_path / "maps", "--out", tmp_path / "out.jsonl")
    assert code == 2
    assert "expected a folder, new or there already" in err
    assert "a file of this name" in err
    assert not (tmp_path / "out.jsonl").exists()


# ---------------------------------------------------------------- faces


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """Two seconds of a generated portrait that moves through a grey frame."""
    with Image.open(Path(__file__).parents[2] / "examples" / "portrait.jpg") as picture:
        face = np.asarray(picture.convert("RGB").resize((160, 160)))
    images = []
    for index in range(8):
        image = np.full((180, 320, 3), 128, np.uint8)
        image[10:170, 20 + 5 * index : 180 + 5 * index] = face
        images.append(image)
    return write_video(tmp_path / "portrait.mp4", images, rate=4)


def test_each_face_is_followed_and_scored(run: Run, portrait: Path, tmp_path: Path) -> None:
    timeline = tmp_path / "timeline.jsonl"
    words = ("--faces", "--every", 0.25, "--timeline", timeline, "--heatmaps", tmp_path / "maps")
    code, out, _ = run(portrait, "--json", *words)
    assert code == 0
    (row,) = rows(out)
    (face,) = row["video"]["faces"]
    assert (face["face"], face["moments"], face["enlarged"]) == (1, 8, 1.0)
    assert face["probability"] == row["probability"]
    found = list(read_rows(timeline, columns=TIMELINE))
    assert [one["face"] for one in found] == [1] * 8
    boxes = np.array([one["box"] for one in found])
    assert (boxes[:, 2] == boxes[:, 3]).all()
    assert 15 <= boxes[-1, 0] - boxes[0, 0] <= 45
    assert heatmap_name(portrait, ".mp4") in {path.name for path in (tmp_path / "maps").iterdir()}


def test_a_line_for_each_face(run: Run, portrait: Path) -> None:
    _, out, _ = run(portrait, "--faces")
    first, second = out.splitlines()
    assert "2 frames" in first
    assert second.startswith("  face 1 ")
    assert second.endswith("0:00 to 0:01, 2 frames")


def test_a_video_without_a_face_is_a_row_that_says_so(run: Run, mixed: Path) -> None:
    code, out, _ = run(mixed, "--faces", "--json")
    assert code == 1
    by_name = {Path(row["path"]).name: row for row in rows(out)}
    assert "expected a face; found none in 3 frames" in by_name["b.mp4"]["error"]
    assert by_name["a.png"]["error"] is None


def test_a_face_detector_needs_faces_and_must_be_one(run: Run, mixed: Path, tmp_path: Path) -> None:
    code, _, err = run(mixed, "--face-detector", tmp_path / "yunet.onnx")
    assert code == 2
    assert "Add --faces" in err
    pytest.importorskip("cv2")
    code, _, err = run(mixed, "--faces", "--face-detector", tmp_path / "yunet.onnx")
    assert code == 2
    assert "YuNet" in err
