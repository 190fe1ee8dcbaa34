"""A video's score: the frames' own scores, what they come to, and the error of a damaged file beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_videos import shade, write_sound, write_video
from telltale.data.equalise import Window
from telltale.data.sample import Sample
from telltale.data.video import Frame, frames
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidDetector
from telltale.evaluate import video_scoring
from telltale.evaluate.results import COLUMNS
from telltale.evaluate.scoring import Failure
from telltale.evaluate.video_rows import TIMELINE, timeline_rows, video_record, video_row
from telltale.evaluate.video_scoring import VideoScore, redrawn, score_video, whole
from telltale.evaluate.video_summary import Moment, View, leading, mattering, summarise
from telltale.image import Preparation
from telltale.runtime import load
from telltale.spec import Thresholds

TWELVE = [shade(index) for index in range(12)]
WINDOW = Window(x=0, y=0, width=8, height=8)
THRESHOLDS = Thresholds(
    real_below=0.2, fake_above=0.8, false_alarm_rate=0.05, miss_rate=0.05, chosen_on="", fingerprint=""
)


@pytest.fixture
def clip(tmp_path: Path) -> Sample:
    return Sample(path=write_video(tmp_path / "clip.mp4", TWELVE))


def scored(found: VideoScore | Failure) -> VideoScore:
    assert isinstance(found, VideoScore), found
    return found


def moment(seconds: float, value: float, track: int | None = None) -> Moment:
    return Moment(
        frame=round(seconds),
        seconds=seconds,
        view=View(window=WINDOW, track=track),
        frame_shape=(48, 64),
        score=value / 2,
        probability=value,
        verdict=THRESHOLDS(value),
        patch_logits_shape=(1, 1),
        strongest_patch=value,
        strongest_window=(0, 0, 8, 8),
        enlarged=1.0,
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_each_frame_is_scored_as_the_picture_it_is(tiny_detector: Path, clip: Sample, threads: int) -> None:
    detector = load(tiny_detector, threads=threads)
    found = scored(score_video(detector, clip, every_seconds=0.25))
    read = list(frames(clip.path, every_seconds=0.25))
    assert [one.seconds for one in found.moments] == [frame.seconds for frame in read]
    for one, frame in zip(found.moments, read, strict=True):
        said = detector(frame.pixels)
        assert one.score == pytest.approx(said.score, abs=1e-6)
        assert one.verdict == said.verdict
    assert found.summary.probability == pytest.approx(np.mean([one.probability for one in found.moments]))
    assert found.frames == len(read) == 5
    assert {one.frame_shape for one in found.moments} == {(48, 64)}
    assert found.error is None


def test_visits_come_in_order_and_in_this_thread(tiny_detector: Path, clip: Sample) -> None:
    from threading import get_ident

    seen: list[tuple[float, int]] = []

    def visit(frame: Frame, said: Sequence[tuple[Moment, Prediction]]) -> None:
        assert [one.seconds for one, _ in said] == [frame.seconds]
        seen.append((frame.seconds, get_ident()))

    score_video(load(tiny_detector, threads=4), clip, every_seconds=0.1, visit=visit)
    assert [seconds for seconds, _ in seen] == sorted(seconds for seconds, _ in seen)
    assert len(seen) == 12
    assert {thread for _, thread in seen} == {get_ident()}


def test_a_damaged_video_has_numbers_and_a_reason(tiny_detector: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "clip.mp4", images, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    detector = load(tiny_detector, threads=2)
    found = scored(score_video(detector, Sample(path=path), every_seconds=0.1))
    assert 8 <= found.frames <= 20
    assert found.error is not None
    assert "a damaged one" in found.error
    row = video_row(found, detector, "0")
    assert row["score"] is not None
    assert row["error"] == found.error


def test_what_has_no_frame_is_a_failure(tiny_detector: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for path in (tmp_path / "empty.mp4", write_sound(tmp_path / "sound.mp4"), tmp_path / "none.mp4"):
        found = score_video(load(tiny_detector), Sample(path=path))
        assert isinstance(found, Failure)
        assert str(path) in found.error


def test_too_large_and_too_small_frames_are_failures(tiny_detector: Path, tmp_path: Path, clip: Sample) -> None:
    found = score_video(load(tiny_detector), clip, max_pixels=100)
    assert isinstance(found, Failure)
    assert "--max-pixels" in found.error
    small = Sample(path=write_video(tmp_path / "small.mp4", [np.zeros((4, 4, 3), np.uint8)] * 3))
    found = score_video(load(tiny_detector), small)
    assert isinstance(found, Failure)
    assert "for one patch" in found.error


def test_a_broken_detector_is_not_the_videos_fault(tiny_detector: Path, clip: Sample) -> None:
    loaded = load(tiny_detector)
    broken: Detector = replace(loaded, predict=lambda images: loaded.predict(images) * np.float32(np.nan))
    with pytest.raises(InvalidDetector, match="finite"):
        score_video(broken, clip)


def test_views_are_scored_where_they_are(tiny_detector: Path, clip: Sample) -> None:
    """Two faces in each frame, the second only later; windows are in pixels of the frame."""
    right = Window(x=20, y=10, width=24, height=24)

    def look(frame: Frame) -> Sequence[View]:
        views = [View(window=right, track=1)]
        return views if frame.seconds < 0.5 else [*views, View(window=WINDOW, track=2)]

    detector = load(tiny_detector)
    found = scored(score_video(detector, clip, every_seconds=0.1, look=look))
    assert [(number, summary.moments) for number, summary in found.tracks] == [(1, 12), (2, 7)]
    first = found.moments[0]
    pixels = next(frames(clip.path)).pixels
    assert first.score == pytest.approx(detector(right.cut(pixels).copy()).score, abs=1e-6)
    x, y, width, height = first.strongest_window
    assert x >= 20
    assert y >= 10
    assert x + width <= 44
    assert y + height <= 34
    rows = list(timeline_rows(found, detector, "0"))
    assert rows[0]["face"] == 1
    assert rows[0]["box"] == [20, 10, 24, 24]


def test_the_smallest_crop_says_how_much_was_enlarged(tiny_detector: Path, clip: Sample) -> None:
    """A face's is that of its own crops, whatever the frame measures; the video's is that of the face that decides."""
    detector = load(tiny_detector)
    detector = replace(detector, spec=replace(detector.spec, preparation=Preparation(side=40)))

    def look(frame: Frame) -> Sequence[View]:
        side = 32 if frame.number else 16
        return [
            View(window=Window(x=0, y=0, width=48, height=48), track=1),
            View(window=Window(x=8, y=8, width=side, height=side), track=2),
        ]

    found = scored(score_video(detector, clip, every_seconds=0.1, look=look))
    (_, one), (_, other) = found.tracks
    assert (one.enlarged, other.enlarged) == (1.0, 2.5)
    assert [moment.enlarged for moment in found.moments][:4] == [1.0, 2.5, 1.0, 1.25]
    assert found.summary.enlarged == leading(found.tracks)[1].enlarged
    assert [face["enlarged"] for face in video_record(found)["faces"]] == [1.0, 2.5]


def test_without_a_face_the_failure_says_so(tiny_detector: Path, clip: Sample) -> None:
    found = score_video(load(tiny_detector), clip, every_seconds=0.1, look=lambda frame: ())
    assert isinstance(found, Failure)
    assert "expected a face; found none in 12 frames" in found.error


def test_rows_and_record(tiny_detector: Path, clip: Sample) -> None:
    detector = load(tiny_detector)
    found = scored(score_video(detector, clip, every_seconds=0.5))
    row, record = video_row(found, detector, "1.2"), video_record(found)
    assert list(row) == list(COLUMNS)
    assert row["probability"] == record["probability"] == found.summary.probability
    assert record["frames"] == 3
    assert "pictures" in record["calibrated_on"]
    assert record["max"] >= record["top_tenth"] >= record["probability"]
    rows = list(timeline_rows(found, detector, "1.2"))
    assert all(list(one) == list(TIMELINE) for one in rows)
    assert [one["time"] for one in rows] == [0.0, 0.5, 1.0]


def test_the_window_lies_in_the_size_that_the_row_states(
    tiny_detector: Path, clip: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of two sizes matters most in a video whose resolution changes on its way."""
    draw = np.random.default_rng(0)
    sizes = [(48, 64)] * 3 + [(144, 180)] * 3
    for order in (sizes, sizes[::-1]):
        images = [draw.integers(0, 256, (*size, 3), dtype=np.uint8) for size in order]
        read = [Frame(number=index, seconds=float(index), pixels=pixels) for index, pixels in enumerate(images)]
        monkeypatch.setattr(video_scoring, "frames", lambda *_, read=read, **__: iter(read))
        detector = load(tiny_detector)
        found = scored(score_video(detector, clip))
        whole_row, (most, *_) = video_row(found, detector, "0"), video_record(found)["matter"]
        for stated in (whole_row, most):
            assert (stated["height"], stated["width"]) == images[round(most["time"])].shape[:2]
            x, y, width, height = stated["strongest_window"]
            assert x + width <= stated["width"]
            assert y + height <= stated["height"]


def test_a_detector_nobody_calibrated(uncalibrated_detector: Path, clip: Sample) -> None:
    found = scored(score_video(load(uncalibrated_detector), clip, every_seconds=0.5))
    assert [found.summary.probability, found.summary.verdict, found.summary.called_generated] == [None] * 3
    assert found.summary.highest == max(one.score for one in found.moments)
    assert video_record(found)["calibrated_on"] is None


def test_a_whole_frame_is_all_of_it() -> None:
    (view,) = whole(Frame(number=0, seconds=0.0, pixels=shade(0)))
    assert (view.window.width, view.window.height, view.track) == (64, 48, None)


def test_a_summary_by_hand() -> None:
    values = [0.1 * index for index in range(20)]
    found = summarise([moment(float(index), min(value, 1.0)) for index, value in enumerate(values)], THRESHOLDS)
    clipped = np.minimum(values, 1.0)
    assert found.probability == pytest.approx(clipped.mean())
    assert found.score == pytest.approx(clipped.mean() / 2)
    assert found.top == pytest.approx(np.sort(clipped)[-2:].mean())
    assert found.highest == 1.0
    assert found.verdict == "inconclusive"
    assert found.called_generated == pytest.approx(np.mean(clipped >= 0.8))
    assert (found.moments, found.first, found.last) == (20, 0.0, 19.0)


def test_the_face_that_looks_most_fake_decides_unless_it_was_hardly_seen() -> None:
    def track(value: float, count: int) -> list[Moment]:
        return [moment(float(index), value) for index in range(count)]

    low, high, slip = (summarise(track(*one), THRESHOLDS) for one in ((0.2, 30), (0.7, 5), (0.99, 2)))
    assert leading([(1, low), (2, high), (3, slip)]) == (2, high)
    assert leading([(3, slip)]) == (3, slip)


def test_frames_that_matter_are_apart() -> None:
    values = [0.1, 0.9, 0.8, 0.2, 0.5, 0.3, 0.2, 0.7, 0.6]
    found = mattering([moment(float(index), value) for index, value in enumerate(values)], count=2, apart=2.0)
    assert [one.seconds for one in found] == [1.0, 7.0]
    assert mattering([]) == ()


def test_frames_that_matter_of_a_run_that_rises() -> None:
    """Each takes the place of the one before it, and what that had shut out counts again: 5.9 s, 3.9 s, 1.9 s."""
    found = mattering([moment(index / 10, index / 100) for index in range(60)])
    assert [one.seconds for one in found] == [5.9, 3.9, 1.9]


def greedy(values: list[float], step: int, apart: int, count: int) -> list[int]:
    """By the definition, in whole hundredths of a second: again and again the highest of what is left far enough."""
    left, found = dict(enumerate(values)), list[int]()
    while left and len(found) < count:
        best = max(left, key=lambda index: (left[index], -index))
        found.append(best * step)
        left = {index: value for index, value in left.items() if abs(index - best) * step >= apart}
    return found


@given(
    values=st.lists(st.integers(0, 40), min_size=1, max_size=400),
    step=st.sampled_from([4, 20, 50, 70, 100, 500]),
    count=st.integers(1, 6),
    stirred=st.randoms(),
)
def test_frames_that_matter_are_those_of_the_definition(
    values: list[int], step: int, count: int, stirred: Random
) -> None:
    """Equal values and distances of exactly two seconds included; the order they come in does not matter."""
    moments = [moment(index * step / 100, value / 40) for index, value in enumerate(values)]
    expected = [hundredths / 100 for hundredths in greedy([value / 40 for value in values], step, 200, count)]
    assert [one.seconds for one in mattering(moments, count)] == expected
    if len(set(values)) == len(values):
        stirred.shuffle(moments)
        assert [one.seconds for one in mattering(moments, count)] == expected


@pytest.mark.parametrize(("step", "length"), [(20, 20), (50, 12), (20, 300), (4, 2000)])
def test_frames_that_matter_of_random_timelines(step: int, length: int) -> None:
    draw = np.random.default_rng(length)
    for _ in range(100 if length < 1000 else 5):
        values = draw.random(length).tolist()
        moments = [moment(index * step / 100, value) for index, value in enumerate(values)]
        assert [round(100 * one.seconds) for one in mattering(moments)] == greedy(values, step, 200, 3)


def test_a_slip_of_the_face_detector_matters_to_nothing(tiny_detector: Path, clip: Sample) -> None:
    """Whichever of two windows looks more fake: seen once among twelve frames it neither decides nor matters."""
    other = Window(x=32, y=16, width=32, height=32)
    detector = load(tiny_detector)
    for steady, slip in ((WINDOW, other), (other, WINDOW)):

        def look(frame: Frame, steady: Window = steady, slip: Window = slip) -> Sequence[View]:
            views = [View(window=steady, track=1)]
            return views if frame.number != 7 else [*views, View(window=slip, track=2)]

        found = scored(score_video(detector, clip, every_seconds=0.1, look=look))
        assert [number for number, _ in found.tracks] == [1, 2]
        assert {one.view.track for one in found.matter} == {1}
        assert video_record(found)["matter"][0]["value"] == found.summary.highest
        assert video_row(found, detector, "0")["strongest_window"] == list(found.matter[0].strongest_window)


def test_frames_that_matter_are_read_once_more(tiny_detector: Path, tmp_path: Path) -> None:
    """The same frames with the same numbers, in order."""
    path = write_video(tmp_path / "clip.mp4", [shade(5 * index % 12) for index in range(60)])
    detector = load(tiny_detector)
    found = scored(score_video(detector, Sample(path=path), every_seconds=0.3))
    again = list(redrawn(detector, found, every_seconds=0.3))
    assert [one for _, said in again for one, _ in said] == sorted(found.matter, key=lambda one: one.seconds)
    assert [frame.seconds for frame, _ in again] == sorted(one.seconds for one in found.matter)
