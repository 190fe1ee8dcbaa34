"""Scoring many files: every one becomes a record, in order, whatever happens to the others."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidDetector, UndecodableImage
from telltale.evaluate.results import COLUMNS
from telltale.evaluate.scoring import Failure, Score, row, score_file, score_files, strongest_window, unlabelled
from telltale.geometry import PatchGrid
from telltale.image import Fit, Pixels, Preparation
from telltale.spec import Calibration, DetectorSpec, Thresholds


def brightness(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    """Patches of 8 pixels, 4 apart: each says how bright its window is, from -4 to 4."""
    windows = np.lib.stride_tricks.sliding_window_view(images.mean(-1), (8, 8), axis=(1, 2))[:, ::4, ::4]
    return np.asarray(windows.mean((-1, -2)) / 255 * 8 - 4, np.float32)


SPEC = DetectorSpec(
    name="brightness",
    architecture="xception_block1",
    preparation=Preparation(),
    grid=PatchGrid(8, 4, 0),
    calibration=Calibration(slope=1.0, intercept=0.0, fitted_on="", fingerprint=""),
    thresholds=Thresholds(
        real_below=0.3, fake_above=0.7, false_alarm_rate=0.05, miss_rate=0.05, chosen_on="", fingerprint=""
    ),
)
DETECTOR = Detector(spec=SPEC, predict=brightness, sha256="abc")


def paint(path: Path, level: int, side: int = 24) -> Path:
    Image.new("RGB", (side + 8, side), (level, level, level)).save(path)
    return path


@pytest.mark.parametrize(
    ("size", "side", "fit", "times"),
    [((24, 32), None, "shorter", 1), ((24, 32), 24, "shorter", 1), ((24, 32), 12, "shorter", 1),
     ((24, 32), 48, "shorter", 2), ((24, 32), 48, "centre", 2), ((12, 48), 24, "square", 2)],
)  # fmt: skip
def test_a_score_says_how_much_its_picture_was_enlarged(
    tmp_path: Path, size: tuple[int, int], side: int | None, fit: Fit, times: float
) -> None:
    Image.new("RGB", (size[1], size[0]), (9, 9, 9)).save(tmp_path / "one.png")
    spec = replace(SPEC, preparation=Preparation(side=side, fit=fit))
    found = score_file(replace(DETECTOR, spec=spec), Sample(path=tmp_path / "one.png"))
    assert isinstance(found, Score)
    assert found.enlarged == pytest.approx(times)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Twelve pictures, each brighter than the one before, and three broken files among them."""
    paths = [paint(tmp_path / f"{index:02}.png", 20 * index) for index in range(12)]
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    small = paint(tmp_path / "small.png", 9, side=5)
    paths[3:3] = [tmp_path / "empty.png", small]
    paths.append(tmp_path / "missing.png")
    return list(unlabelled(paths))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_file_becomes_a_record_in_the_order_given(samples: list[Sample], workers: int) -> None:
    records = list(score_files(DETECTOR, samples, workers=workers))
    assert [record.sample for record in records] == samples
    broken = {record.sample.path.stem: record.error for record in records if isinstance(record, Failure)}
    assert set(broken) == {"empty", "small", "missing"}
    assert "empty file" in broken["empty"]
    assert "13 x 5 px" in broken["small"]
    assert "No such file" in broken["missing"]
    scores = [record.prediction.score for record in records if isinstance(record, Score)]
    assert len(scores) == 12
    assert scores == sorted(scores)


def test_workers_change_nothing_but_the_time(samples: list[Sample]) -> None:
    def facts(record: Score | Failure) -> dict[str, object]:
        return {**row(record, DETECTOR, "1"), "seconds": None}

    alone, together = ([facts(found) for found in score_files(DETECTOR, samples, workers=count)] for count in (1, 4))
    assert alone == together


def test_slow_pictures_do_not_change_the_order(tmp_path: Path) -> None:
    def uneven(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        time.sleep(0.02 if images.max() % 2 else 0)
        return brightness(images)

    samples = [Sample(path=paint(tmp_path / f"{level}.png", level)) for level in range(10, 30)]
    found = list(score_files(replace(DETECTOR, predict=uneven), samples, workers=4))
    assert [record.sample for record in found] == samples


def test_files_are_read_as_they_are_needed(tmp_path: Path) -> None:
    path, taken = paint(tmp_path / "a.png", 100), 0

    def endless() -> Iterator[Sample]:
        nonlocal taken
        while True:
            taken += 1
            yield Sample(path=path)

    records = score_files(DETECTOR, endless(), workers=3)
    for _ in range(20):
        assert isinstance(next(records), Score)
    assert taken <= 20 + 4 * 3 + 2
    records.close()  # type: ignore[attr-defined]
    assert taken <= 20 + 4 * 3 + 2


def test_stopping_early_leaves_no_thread_behind(samples: list[Sample]) -> None:
    before = threading.active_count()
    records = score_files(DETECTOR, samples * 20, workers=4)
    next(records)
    records.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_stopping_early_scores_nothing_that_still_waits(tmp_path: Path) -> None:
    release, begun = threading.Event(), []

    def held(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        begun.append(images.max())
        if images.max() > 0:
            release.wait(60)
        return brightness(images)

    samples = [Sample(path=paint(tmp_path / f"{level}.png", level)) for level in range(8)]
    records = score_files(replace(DETECTOR, predict=held), samples, workers=2)
    next(records)
    threading.Timer(0.5, release.set).start()
    records.close()  # type: ignore[attr-defined]
    # The first picture, and the two that were being scored when the caller stopped.
    assert len(begun) <= 3


def test_several_pictures_are_scored_at_once_each_by_one_thread(tmp_path: Path) -> None:
    meeting, threads = threading.Barrier(3, timeout=60), {}

    def met(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        level = int(images.max())
        if level not in threads:
            threads[level] = threading.current_thread().name
            meeting.wait()
        assert threads[level] == threading.current_thread().name
        return brightness(images)

    samples = [Sample(path=paint(tmp_path / f"{level}.png", level, side=60)) for level in (1, 2, 3)]
    detector = Detector(spec=SPEC, predict=met, threads=3, tile=16)
    assert all(isinstance(record, Score) for record in score_files(detector, samples, workers=3))
    assert len(set(threads.values())) == 3


def test_an_error_in_the_list_itself_comes_through(samples: list[Sample]) -> None:
    def failing() -> Iterator[Sample]:
        yield from samples[:3]
        raise RuntimeError("the list is broken")

    for workers in (1, 3):
        with pytest.raises(RuntimeError, match="the list is broken"):
            list(score_files(DETECTOR, failing(), workers=workers))


def test_one_picture_is_split_into_tiles_and_many_are_not(tmp_path: Path) -> None:
    names: set[str] = set()

    def noting(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        return brightness(images)

    detector = Detector(spec=SPEC, predict=noting, threads=3, tile=16)
    sample = Sample(path=paint(tmp_path / "a.png", 100, side=100))
    assert isinstance(next(score_files(detector, [sample], workers=3)), Score)
    assert len(names) > 1
    assert not list(score_files(detector, [], workers=3))
    names.clear()
    list(score_files(detector, [sample, sample], workers=1))
    assert len(names) > 1


def test_visit_sees_each_scored_picture_once(samples: list[Sample]) -> None:
    seen: list[tuple[Sample, tuple[int, ...], float]] = []
    list(
        score_files(
            DETECTOR,
            samples,
            workers=3,
            visit=lambda sample, pixels, said: seen.append((sample, pixels.shape, said.score)),
        )
    )
    assert len(seen) == 12
    assert {shape for _, shape, _ in seen} == {(24, 32, 3)}


def test_an_error_in_visit_that_is_not_the_pictures_fault_stops_the_batch(samples: list[Sample]) -> None:
    def full(sample: Sample, pixels: Pixels, said: Prediction) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        list(score_files(DETECTOR, samples, workers=2, visit=full))


def test_a_picture_that_does_not_fit_into_memory_is_one_failure(samples: list[Sample]) -> None:
    def greedy(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        if images.max() == 40:
            raise MemoryError
        return brightness(images)

    records = list(score_files(replace(DETECTOR, predict=greedy), samples, workers=2))
    failed = [record for record in records if isinstance(record, Failure)]
    assert len(failed) == 4
    assert any("memory" in record.error for record in failed)


def test_the_pixel_limit_reaches_the_decoder(samples: list[Sample]) -> None:
    record = score_file(DETECTOR, samples[0], max_pixels=767)
    assert isinstance(record, Failure)
    assert "at most 767 pixels" in record.error
    assert isinstance(score_file(DETECTOR, samples[0], max_pixels=768), Score)


def test_bytes_are_scored_under_their_name(samples: list[Sample]) -> None:
    record = score_file(DETECTOR, Sample(path=Path("-"), data=samples[0].path.read_bytes()))
    assert isinstance(record, Score)
    assert row(record, DETECTOR, "1")["path"] == "-"
    broken = score_file(DETECTOR, Sample(path=Path("from a shard"), data=b"nothing"))
    assert isinstance(broken, Failure)
    assert "from a shard" in broken.error


def test_a_row_has_the_columns_of_a_results_file(samples: list[Sample]) -> None:
    records = list(score_files(DETECTOR, samples[:4]))
    rows = [row(record, DETECTOR, "1.2.3") for record in records]
    for found in rows:
        assert list(found) == list(COLUMNS)
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert (found["detector"], found["weights_sha256"], found["telltale_version"]) == ("brightness", "abc", "1.2.3")
    score, failure = rows[0], rows[3]
    assert score["error"] is None
    assert score["patch_logits_shape"] == [5, 7]
    assert (score["width"], score["height"]) == (32, 24)
    assert score["verdict"] == "likely real"
    assert score["strongest_patch"] == pytest.approx(1 / (1 + np.exp(4)))
    assert score["seconds"] > 0
    assert isinstance(failure["error"], str)
    assert failure["score"] is failure["width"] is failure["verdict"] is failure["seconds"] is None


def predicted(shape: tuple[int, int], at: tuple[int, int], grid: PatchGrid) -> Prediction:
    logits = np.zeros((grid.count(shape[0]), grid.count(shape[1])), np.float32)
    logits[at] = 1
    return Prediction(score=0.5, probability=None, verdict=None, patch_logits=logits, shape=shape)


def test_the_strongest_window_at_the_native_size_is_the_patch() -> None:
    found = strongest_window(DETECTOR, predicted((24, 32), (2, 3), PatchGrid(8, 4, 0)), (24, 32))
    assert found == (12, 8, 8, 8)


def test_the_strongest_window_of_a_centre_crop_lies_in_the_crop() -> None:
    detector = replace(DETECTOR, spec=replace(SPEC, preparation=Preparation(side=16, fit="centre")))
    # 48 x 32 pixels: the square from x = 8 to 40 is scaled to 16, so one prepared pixel is two of these.
    found = strongest_window(detector, predicted((16, 16), (1, 2), PatchGrid(8, 4, 0)), (32, 48))
    assert found == (8 + 16, 8, 16, 16)


def test_the_strongest_window_of_a_baseline_is_the_picture() -> None:
    detector = replace(DETECTOR, spec=replace(SPEC, grid=None))
    said = Prediction(
        score=0.5, probability=None, verdict=None, patch_logits=np.zeros((1, 1), np.float32), shape=(8, 8)
    )
    assert strongest_window(detector, said, (30, 50)) == (0, 0, 50, 30)


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(("shorter", "centre", "square")),
    st.integers(8, 40),
    st.integers(-6, 0),
    st.data(),
)
def test_the_strongest_window_never_leaves_the_picture(
    height: int, width: int, fit: Fit, side: int, start: int, data: st.DataObject
) -> None:
    grid = PatchGrid(size=8, stride=4, start=start)
    preparation = Preparation(side=side, fit=fit)
    longer = round(max(height, width) * side / min(height, width))
    shape = (side, side) if fit != "shorter" else (longer, side) if height > width else (side, longer)
    at = tuple(data.draw(st.integers(0, grid.count(length) - 1)) for length in shape)
    detector = replace(DETECTOR, spec=replace(SPEC, grid=grid, preparation=preparation))
    x, y, wide, high = strongest_window(detector, predicted(shape, (at[0], at[1]), grid), (height, width))
    rows, columns = preparation.window((height, width))
    assert wide >= 1
    assert high >= 1
    assert columns.start <= x < x + wide <= columns.stop
    assert rows.start <= y < y + high <= rows.stop
    # The middle of the patch, carried over in floating point, lies inside.
    for first, length, place, axis, original in ((y, high, at[0], 0, rows), (x, wide, at[1], 1, columns)):
        seen = grid.window(place, shape[axis])
        middle = original.start + (seen.start + seen.stop) / 2 / shape[axis] * (original.stop - original.start)
        assert first <= middle <= first + length


def test_a_picture_no_decoder_knows_is_a_failure_like_any_other(tmp_path: Path) -> None:
    record = score_file(DETECTOR, Sample(path=tmp_path))
    assert isinstance(record, Failure)
    with pytest.raises(UndecodableImage):
        record.sample.pixels()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_broken_detector_stops_the_run_instead_of_failing_every_picture(samples: list[Sample], workers: int) -> None:
    def broken(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        return np.full_like(brightness(images), np.nan)

    with pytest.raises(InvalidDetector, match="finite"):
        list(score_files(replace(DETECTOR, predict=broken), samples, workers=workers))


def test_pictures_above_a_size_are_scored_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads must not hold several huge pictures at once; small ones go on beside them."""
    monkeypatch.setattr("telltale.evaluate.scoring.LARGE", 40 * 32)
    samples = list(unlabelled([paint(tmp_path / f"{i}.png", 20 * i, side=24 if i % 2 else 64) for i in range(10)]))
    busy, most = set[int](), list[int]()

    def slow(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
        if images.shape[1] == 64:
            busy.add(threading.get_ident())
            most.append(len(busy))
            time.sleep(0.02)
            busy.discard(threading.get_ident())
        return brightness(images)

    detector = Detector(spec=SPEC, predict=slow, sha256="abc", tile=200)
    records = list(score_files(detector, samples, workers=5))
    assert [isinstance(record, Score) for record in records] == [True] * 10
    assert most == [1] * 5
    limited = list(score_files(detector, samples, workers=5, max_pixels=50 * 40))
    assert ["at most 2,000 pixels" in record.error for record in limited if isinstance(record, Failure)] == [True] * 5


# Eight threads score one large picture each; what the process then holds beyond what it held before, in MB.
HELD = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
import psutil
sys.path.insert(0, sys.argv[1])
from test_scoring import SPEC
from telltale.detector import Detector
from telltale.evaluate import scoring
scoring.LARGE = 1_000_000
detector = Detector(spec=replace(SPEC, grid=None), predict=lambda images: np.zeros((1, 1, 1), np.float32))
before = psutil.Process().memory_info().rss
records = list(scoring.score_files(detector, scoring.unlabelled([Path(sys.argv[2])] * 8), workers=8))
assert all(isinstance(record, scoring.Score) for record in records), records
print((psutil.Process().memory_info().rss - before) / 1e6)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what glibc does with freed memory")
def test_threads_do_not_keep_the_memory_of_large_pictures(tmp_path: Path) -> None:
    width, height = 4000, 3000
    Image.new("RGB", (width, height)).save(tmp_path / "large.png")
    words = [sys.executable, "-c", HELD, str(Path(__file__).parent), str(tmp_path / "large.png")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Pillow takes four bytes a pixel: two pictures' worth leaves room for what else was loaded meanwhile.
    assert float(done.stdout) < 2 * 4 * width * height / 1e6
