"""A sweep: its numbers depend on pictures, seed and strength alone, and an interrupted one goes on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import telltale
from telltale.data.corruptions import corrupt
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig
from telltale.evaluate.results import read_rows
from telltale.evaluate.robustness import sweep
from telltale.evaluate.robustness_cells import CLEAN, Cell, corrupted
from telltale.evaluate.robustness_folder import Setup, cell_file, check_pictures, open_folder
from telltale.evaluate.selection import fingerprint, named
from telltale.image import Preparation

pytest.importorskip("pyarrow")

FEW = (CLEAN, Cell("noise", 8.0), Cell("jpeg", 40.0), Cell("crop", 0.7), Cell("social", 0.5))


def picture(seed: int, side: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for index in range(9):
        path = folder / f"{index}.png"
        Image.fromarray(picture(index)).save(path)
        found.append(Sample(path=path, is_fake=index % 3 == 0, source="abc"[index % 3]))
    return found


@pytest.fixture(scope="module")
def detector(tiny_detector: Path) -> Detector:
    return telltale.load(tiny_detector, threads=1)


def run(
    detector: Detector, samples: Sequence[Sample], out: Path, *, workers: int = 1, resume: bool = False, **setup: str
) -> dict[tuple[str, str], float]:
    """Score of each cell and picture name."""
    given = Setup(where=setup.get("where", "before"), seed=0, images=fingerprint(samples))
    open_folder(out, given, resume=resume)
    done = list(sweep(named([detector]), samples, out, given, over=FEW, workers=workers))
    assert [one.cell for one in done] == list(FEW)
    return scores(out)


def scores(out: Path) -> dict[tuple[str, str], float]:
    return {
        (cell.corruption, Path(row["path"]).name): row["score"]
        for cell in FEW
        for row in read_rows(cell_file(out, "tiny", cell))
    }


def test_every_number_is_the_same_on_several_workers_and_in_another_order(
    detector: Detector, samples: list[Sample], tmp_path: Path
) -> None:
    one = run(detector, samples, tmp_path / "one")
    assert len(one) == len(FEW) * len(samples)
    assert run(replace(detector, threads=3), samples[::-1], tmp_path / "many", workers=3) == one


def test_a_score_is_that_of_the_corrupted_picture(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    found = run(detector, samples, tmp_path / "out")
    for cell in FEW:
        pixels = samples[4].pixels()
        assert found[cell.corruption, "4.png"] == detector(corrupted(pixels, cell, seed=0)).score


def test_after_means_on_prepared_pixels(tiny_detector: Path, samples: list[Sample], tmp_path: Path) -> None:
    loaded = telltale.load(tiny_detector, threads=1)
    small = replace(loaded, spec=replace(loaded.spec, preparation=Preparation(side=24)))
    before = run(small, samples, tmp_path / "before")
    after = run(small, samples, tmp_path / "after", where="after")
    cell = Cell("noise", 8.0)
    prepared = telltale.prepare(samples[2].pixels(), small.spec.preparation)
    assert after["noise", "2.png"] == small(corrupted(prepared, cell, seed=0)).score
    assert after["noise", "2.png"] != before["noise", "2.png"]
    assert after["none", "2.png"] == before["none", "2.png"]


def test_an_interrupted_sweep_goes_on_and_gives_the_same_numbers(
    detector: Detector, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(detector, samples, tmp_path / "whole")
    calls: list[object] = []

    def stopping(*words: object) -> object:
        calls.append(words)
        if len(calls) == len(samples) + 4:
            raise KeyboardInterrupt
        return corrupt(*words)  # type: ignore[arg-type]

    monkeypatch.setattr("telltale.evaluate.robustness_cells.corrupt", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(detector, samples, tmp_path / "cut")
    assert len(list(read_rows(cell_file(tmp_path / "cut", "tiny", FEW[2])))) == 3
    before = len(calls)
    assert run(detector, samples, tmp_path / "cut", resume=True) == whole
    assert len(calls) - before == 6 + 2 * len(samples)
    run(detector, samples, tmp_path / "cut", resume=True)
    assert len(calls) - before == 6 + 2 * len(samples), "nothing is scored twice"


def test_a_scored_picture_that_changed_is_refused_and_an_unscored_one_may_be_mended(
    detector: Detector, tmp_path: Path
) -> None:
    broken, whole = Sample(path=tmp_path / "a.png", is_fake=True), Sample(path=tmp_path / "b.png", is_fake=False)
    broken.path.write_bytes(b"no picture")
    Image.fromarray(picture(1)).save(whole.path)
    samples, out = [broken, whole], tmp_path / "out"
    setup = Setup(where="before", seed=0, images=fingerprint(samples))
    open_folder(out, setup, resume=False)
    check_pictures(out, samples)
    assert [one.failed for one in sweep({"tiny": detector}, samples, out, setup, over=FEW[:2])] == [1, 1]
    Image.fromarray(picture(2)).save(broken.path)
    check_pictures(out, samples)
    assert [one.failed for one in sweep({"tiny": detector}, samples, out, setup, over=FEW[:2])] == [0, 0]
    check_pictures(out, samples)
    Image.fromarray(picture(3)).save(broken.path)
    with pytest.raises(InvalidConfig, match=r"1 changed since, such as .*a\.png"):
        check_pictures(out, samples)


def test_a_folder_of_another_sweep_is_refused(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    run(detector, samples, tmp_path)
    with pytest.raises(InvalidConfig, match="--resume"):
        run(detector, samples, tmp_path)
    with pytest.raises(InvalidConfig, match=r"found where after, which was before\. Call it as before"):
        run(detector, samples, tmp_path, resume=True, where="after")
    with pytest.raises(InvalidConfig, match=r"found other pictures, labels or sources \(their hash was \w+, is"):
        run(detector, samples[:-1], tmp_path, resume=True)
    given = Setup(where="before", seed=1, images=fingerprint(samples), pillow_version="1")
    with pytest.raises(InvalidConfig, match=r"found seed 1, which was 0; pillow_version 1, which was \d"):
        open_folder(tmp_path, given, resume=True)
    with pytest.raises(InvalidConfig, match="scores of the weights ffff"):
        run(replace(detector, sha256="f" * 64), samples, tmp_path, resume=True)
    (tmp_path / "setup.json").write_text("{")
    with pytest.raises(InvalidConfig, match=r"setup\.json"):
        run(detector, samples, tmp_path, resume=True)


def test_a_folder_of_something_else_is_refused(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InvalidConfig, match="files there already"):
        run(detector, samples, tmp_path, resume=True)


def test_a_broken_picture_stops_nothing(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    broken = replace(samples[0], path=tmp_path / "broken.png")
    broken.path.write_bytes(b"\x89PNG")
    given = Setup(where="before", seed=0, images="x")
    done = list(sweep(named([detector]), [*samples, broken], tmp_path / "out", given, over=FEW))
    assert {(one.scored, one.failed) for one in done} == {(9, 1)}
