import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_pictures import contents, encoded, picture, real_and_fake, write

from telltale.data.build import build
from telltale.data.making import BUILT_AT, Tools
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import BuildSettings
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.image import Pixels, decode, resize

pytest.importorskip("pyarrow")
SETTINGS = BuildSettings(side=32, codec="jpeg")


def inverted(pixels: Pixels) -> Pixels:
    return 255 - pixels


INVERT = Tools(resynthesisers={"invert": partial(partial, inverted)})


def index(out: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return list(parquet.read_table(out / "index.parquet").to_pylist())


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return scan([real_and_fake(tmp_path / "data")])


def test_a_built_data_set_is_read_back_as_samples(tmp_path: Path, samples: list[Sample]) -> None:
    report = build(samples, tmp_path / "out", SETTINGS)
    assert (report.real, report.fake, report.failed, report.kept) == (4, 4, 0, 0)
    found = scan([tmp_path / "out"])
    assert sorted(sample.is_fake is True for sample in found) == [False] * 4 + [True] * 4
    assert {sample.pixels().shape for sample in found} == {(32, 32, 3)}
    assert scan([tmp_path / "out" / "index.parquet"]) == found
    assert all(sample.split in ("train", "validation", "test") for sample in found)
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert about["fingerprint"] == report.fingerprint
    assert sum(len(labels) for labels in about["images"].values()) >= 2


def test_order_processes_and_place_change_nothing(tmp_path: Path, samples: list[Sample]) -> None:
    first = build(samples, tmp_path / "one", SETTINGS)
    second = build(samples[::-1], tmp_path / "two", SETTINGS, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    third = build(scan([tmp_path / "moved"]), tmp_path / "three", SETTINGS)
    assert first.fingerprint == second.fingerprint == third.fingerprint


def test_pixels_do_not_depend_on_label_source_split_or_company(tmp_path: Path, samples: list[Sample]) -> None:
    build(samples, tmp_path / "one", SETTINGS)
    swapped = [
        replace(sample, is_fake=not sample.is_fake, source="other", split="test", group=str(number))
        for number, sample in enumerate(samples[2:])
    ]
    build(swapped, tmp_path / "two", SETTINGS)
    one, two = (contents(tmp_path / name / "images") for name in ("one", "two"))
    assert len(two) == len(samples) - 2
    assert two.items() <= one.items()


def test_nothing_about_the_files_but_their_pixels_differs_between_labels(tmp_path: Path) -> None:
    """Planted leaks: only fakes are PNG, only reals have EXIF, sizes and names differ."""
    for number in range(6):
        write(
            tmp_path / "data" / "real" / f"IMG_{number}.jpg",
            number,
            height=90,
            exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0",
        )
        write(tmp_path / "data" / "fake" / f"seed{number}.png", 100 + number, height=64)
    build(scan([tmp_path / "data"]), tmp_path / "out", SETTINGS)
    rows = index(tmp_path / "out")
    assert {row["original_has_exif"] for row in rows if row["is_fake"] is False} == {True}
    again = scan([tmp_path / "out"])
    for sample, row in zip(again, rows, strict=True):
        data = sample.read()
        assert data[:4] == b"\xff\xd8\xff\xe0"
        assert b"Exif" not in data
        assert sample.path.stat().st_mtime == BUILT_AT
        assert row["path"] == str(sample.path.relative_to(tmp_path / "out"))
        assert row["crop_x"] % 8
        assert row["crop_y"] % 8
        assert 70 <= row["quality"] <= 95
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)


def test_a_second_run_does_nothing_and_changes_nothing(tmp_path: Path, samples: list[Sample]) -> None:
    out = tmp_path / "out"
    first = build(samples, out, SETTINGS, tools=INVERT)
    before = contents(out)
    times = {path: path.stat().st_ctime_ns for path in out.glob("images/*/*")}
    second = build(samples, out, SETTINGS, tools=INVERT, workers=2)
    assert second == replace(first, kept=8)
    assert contents(out) == before
    assert {path: path.stat().st_ctime_ns for path in out.glob("images/*/*")} == times


def test_a_second_run_makes_only_what_is_missing_or_changed(tmp_path: Path, samples: list[Sample]) -> None:
    out = tmp_path / "out"
    build(samples, out, SETTINGS)
    before = contents(out)
    gone, spoilt = sorted(out.glob("images/*/*"))[:2]
    gone.unlink()
    spoilt.write_bytes(b"spoilt")
    assert build(samples, out, SETTINGS).kept == 6
    assert contents(out) == before


def test_more_samples_can_be_added(tmp_path: Path, samples: list[Sample]) -> None:
    build(samples[:6], tmp_path / "out", SETTINGS)
    assert build(samples, tmp_path / "out", SETTINGS).kept == 6
    build(samples, tmp_path / "fresh", SETTINGS)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


INTERRUPTED = """
import sys
from pathlib import Path
from telltale.data.build import build
from telltale.data.samples import scan
from telltale.data.settings import BuildSettings

if __name__ == "__main__":
    build(scan([Path(sys.argv[1])]), Path(sys.argv[2]), BuildSettings(side=32, codec="jpeg"), workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGKILL, 1), (signal.SIGINT, 2)])
def test_a_killed_build_goes_on_and_ends_the_same(tmp_path: Path, how: signal.Signals, workers: int) -> None:
    data = real_and_fake(tmp_path / "data", 20, height=500, width=500)
    out = tmp_path / "out"
    script = tmp_path / "run.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, str(script), str(data), str(out), str(workers)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        until = time.monotonic() + 60
        while len(list(out.glob("images/*/*.jpg"))) < 20 and time.monotonic() < until:
            time.sleep(0.002)
        run.send_signal(how)
    assert run.returncode != 0
    assert not (out / "index.parquet").exists()
    report = build(scan([data]), out, SETTINGS)
    assert 0 < report.kept < 40
    build(scan([data]), tmp_path / "fresh", SETTINGS)
    assert contents(out) == contents(tmp_path / "fresh")


def test_bad_files_become_rows_and_stop_nothing(tmp_path: Path, samples: list[Sample]) -> None:
    bad = tmp_path / "data" / "fake" / "bad.png"
    bad.write_bytes(encoded(picture(1), "PNG")[:200])
    report = build([*samples, Sample(path=bad, is_fake=True, source="s")], tmp_path / "out", SETTINGS)
    assert (report.real, report.fake, report.failed) == (4, 4, 1)
    (row,) = table(tmp_path / "out" / "failures.csv")
    assert (row["original_path"], row["is_fake"], row["source"]) == (str(bad), "True", "s")
    assert "damaged PNG" in row["reason"]


def test_where_nothing_can_be_built_the_build_is_an_error(tmp_path: Path) -> None:
    missing = [Sample(path=tmp_path / "gone.png", is_fake=True)]
    with pytest.raises(InvalidDataset, match=r"1 failures, such as .*gone\.png.*[^.]\. See "):
        build(missing, tmp_path / "out", SETTINGS)
    assert len(table(tmp_path / "out" / "failures.csv")) == 1
    assert not (tmp_path / "out" / "index.parquet").exists()
    with pytest.raises(InvalidDataset, match="samples to build from"):
        build([], tmp_path / "out", SETTINGS)


def test_contradictory_labels_leave_no_file_behind(tmp_path: Path, samples: list[Sample]) -> None:
    copy = tmp_path / "copy.png"
    shutil.copy(samples[0].path, copy)
    assert samples[0].is_fake is True
    report = build([*samples, Sample(path=copy, is_fake=False)], tmp_path / "out", SETTINGS)
    assert (report.fake, report.failed) == (3, 2)
    assert len(list((tmp_path / "out").glob("images/*/*"))) == 7
    reasons = [row["reason"] for row in table(tmp_path / "out" / "failures.csv")]
    assert all("copy.png (real)" in reason and "0.png (fake)" in reason for reason in reasons)


def test_duplicates_are_reported_and_kept_on_one_side(tmp_path: Path, samples: list[Sample]) -> None:
    small = tmp_path / "small.jpg"
    small.write_bytes(encoded(resize(decode(samples[0].path), 60, 54), quality=80))
    shutil.copy(samples[1].path, tmp_path / "copy.png")
    more = [Sample(path=small, is_fake=True), Sample(path=tmp_path / "copy.png", is_fake=True)]
    report = build([*samples, *more], tmp_path / "out", SETTINGS)
    assert (report.real, report.fake, report.same, report.alike) == (4, 5, 1, 1)
    rows = {row["original_path"]: row for row in index(tmp_path / "out")}
    assert rows[str(small)]["split"] == rows[str(samples[0].path)]["split"]
    assert rows[str(small)]["group"] == rows[str(samples[0].path)]["group"] != ""
    kinds = {row["kind"] for row in table(tmp_path / "out" / "duplicates.csv")}
    assert kinds == {"same bytes", "look alike"}


def test_each_real_gets_a_twin_of_its_own_pixels(tmp_path: Path, samples: list[Sample]) -> None:
    settings = replace(SETTINGS, resynthesise=("invert",), codec="png")
    named = [replace(sample, source="camera" if sample.is_fake is False else "gan") for sample in samples]
    report = build(named, tmp_path / "out", settings, tools=INVERT, workers=2)
    assert (report.real, report.fake) == (4, 8)
    rows = index(tmp_path / "out")
    reals = {row["path"]: row for row in rows if row["is_fake"] is False}
    twins = [row for row in rows if row["twin_of"]]
    assert {row["source"] for row in twins} == {"invert:camera"}
    for row in twins:
        real = reals[row["twin_of"]]
        assert (row["split"], row["group"]) == (real["split"], real["group"])
        assert real["group"]
        one, other = (decode(tmp_path / "out" / path) for path in (row["path"], real["path"]))
        assert np.array_equal(one, 255 - other)
    assert {row["twin_of"] for row in twins} == set(reals)


def test_a_resynthesis_without_its_tool_is_refused(tmp_path: Path, samples: list[Sample]) -> None:
    with pytest.raises(InvalidConfig, match="--generators DIR"):
        build(samples, tmp_path / "out", replace(SETTINGS, resynthesise=("invert",)))


def test_other_settings_are_refused_and_give_another_fingerprint(tmp_path: Path, samples: list[Sample]) -> None:
    one = build(samples, tmp_path / "out", SETTINGS)
    other = replace(SETTINGS, seed=1)
    with pytest.raises(InvalidConfig, match="found another seed"):
        build(samples, tmp_path / "out", other)
    two = build(samples, tmp_path / "two", other)
    assert one.fingerprint != two.fingerprint
    assert not contents(tmp_path / "out" / "images").items() & contents(tmp_path / "two" / "images").items()
    three = build(samples[1:], tmp_path / "three", SETTINGS)
    assert one.fingerprint != three.fingerprint


def test_one_photograph_with_two_faces_is_two_pictures_on_one_side(tmp_path: Path) -> None:
    path = write(tmp_path / "group.jpg", 1, height=200, width=300)
    faces = [(20.0, 30.0, 60.0, 60.0), (200.0, 30.0, 60.0, 60.0)]
    samples = [Sample(path=path, is_fake=False, face=face) for face in faces]
    report = build(samples, tmp_path / "out", replace(SETTINGS, crop="face"))
    assert (report.real, report.same) == (2, 0)
    rows = index(tmp_path / "out")
    assert len({row["crop_x"] for row in rows}) == 2
    assert len({row["split"] for row in rows}) == len({row["group"] for row in rows}) == 1


def test_unlabelled_pictures_are_built_and_counted(tmp_path: Path, samples: list[Sample]) -> None:
    report = build([replace(sample, is_fake=None) for sample in samples], tmp_path / "out", SETTINGS)
    assert (report.real, report.fake, report.unlabelled) == (0, 0, 8)
    assert {sample.is_fake for sample in scan([tmp_path / "out"])} == {None}


def test_every_original_is_visited(tmp_path: Path, samples: list[Sample]) -> None:
    visits: list[None] = []
    report = build(samples, tmp_path / "out", SETTINGS, workers=2, visit=lambda: visits.append(None))
    assert len(visits) == 8
    assert asdict(report)["fingerprint"] == report.fingerprint
