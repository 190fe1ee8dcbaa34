"""The film of heatmaps: a frame for each that was scored, at its time; whole or not there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_videos import av, shade, write_video
from telltale.data.equalise import Window
from telltale.data.sample import Sample
from telltale.data.video import Frame, frames
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.evaluate.video_scoring import VideoScore, score_video, whole
from telltale.evaluate.video_summary import Moment, View
from telltale.explain import video_heatmaps
from telltale.explain.video_heatmaps import drawn, heatmap_film, write_matter
from telltale.runtime import load

TIMES = [0, 40, 1000, 1040, 2500, 4000]


@pytest.fixture
def clip(tmp_path: Path) -> Sample:
    images = [shade(index, height=120, width=161 // 2 * 2) for index in range(6)]
    return Sample(path=write_video(tmp_path / "clip.mp4", images, milliseconds=TIMES))


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_a_frame_for_each_at_its_time(
    tiny_detector: Path, clip: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {encoder}")
    monkeypatch.setattr(video_heatmaps, "ENCODERS", (encoder,))
    detector, path = load(tiny_detector), tmp_path / "film.mp4"
    with heatmap_film(path, detector) as visit:
        score_video(detector, clip, every_seconds=0.01, visit=visit)
        assert not path.exists()
    found = list(frames(path))
    assert [round(1000 * frame.seconds) for frame in found] == TIMES
    assert found[0].pixels.shape == (120 + 24, 256, 3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["clip.mp4", "film.mp4"]
    # The legend beside it: red at the top, blue at the foot.
    red, blue = (found[0].pixels[row, 160 + 15].astype(int) for row in (28, 92))
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60


@pytest.mark.parametrize("every", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("count", [1, 24])
def test_it_runs_as_long_as_the_video(tiny_detector: Path, tmp_path: Path, every: float, count: int) -> None:
    video = write_video(tmp_path / "clip.mp4", [shade(index) for index in range(count)], rate=10)
    detector, path = load(tiny_detector), tmp_path / "film.mp4"
    with heatmap_film(path, detector) as film:
        found = score_video(detector, Sample(path=video), every_seconds=every, visit=film)
        assert isinstance(found, VideoScore)
        assert found.end == pytest.approx(count / 10)
        film.until(found.end)
    with av.open(str(path)) as container:
        (track,) = container.streams.video
        assert float(track.duration * track.time_base) == pytest.approx(count / 10, abs=0.002)
        assert container.duration / 1e6 == pytest.approx(count / 10, abs=0.002)
        assert len(list(container.decode(track))) == found.frames


def test_the_frames_that_matter_as_pictures(tiny_detector: Path, clip: Sample, tmp_path: Path) -> None:
    detector = load(tiny_detector)
    found = score_video(detector, clip, every_seconds=1.0)
    assert isinstance(found, VideoScore)
    written = write_matter(found, detector, tmp_path / "film", every_seconds=1.0)
    times = sorted(one.seconds for one in found.matter)
    assert [path.name for path in written] == [f"film.{seconds:.2f}s.png" for seconds in times]
    with Image.open(written[0]) as picture:
        assert picture.size == (256, 144)


def test_the_frames_that_mattered_to_an_earlier_run_are_removed(
    tiny_detector: Path, clip: Sample, tmp_path: Path
) -> None:
    """And nothing else: neither of another video nor what only looks like it."""
    detector, folder = load(tiny_detector), tmp_path / "maps"
    folder.mkdir()
    name = folder / "a[b].mp4.01234567"
    others = [f"{name.name}.timeline.png", f"{name.name}.mp4", f"x{name.name}.0.00s.png", f"{name.name}.mine.png"]
    for other in others:
        (folder / other).touch()
    (folder / f"{name.name}.77.77s.png").touch()
    for every in (0.01, 1.0):
        found = score_video(detector, clip, every_seconds=every)
        assert isinstance(found, VideoScore)
        written = write_matter(found, detector, name, every_seconds=every)
        assert {path.name for path in folder.iterdir()} == {*others, *(path.name for path in written)}


def test_nothing_is_left_of_a_film_that_fails(tiny_detector: Path, clip: Sample, tmp_path: Path) -> None:
    def stopped() -> None:
        detector = load(tiny_detector)
        with heatmap_film(tmp_path / "film.mp4", detector) as visit:
            score_video(detector, clip, visit=visit)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [one.name for one in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_video_without_frames_makes_no_film(tiny_detector: Path, tmp_path: Path) -> None:
    with heatmap_film(tmp_path / "film.mp4", load(tiny_detector)) as visit:
        score_video(load(tiny_detector), Sample(path=tmp_path / "none.mp4"), visit=visit)
    assert not list(tmp_path.iterdir())


def test_an_ffmpeg_without_encoders_is_told_before_anything_is_scored(
    tiny_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_heatmaps, "ENCODERS", ("abacus",))
    with pytest.raises(InvalidConfig, match="abacus"), heatmap_film(tmp_path / "film.mp4", load(tiny_detector)):
        raise AssertionError


def test_faces_are_coloured_and_the_rest_is_not(tiny_detector: Path, clip: Sample) -> None:
    detector, seen = load(tiny_detector), []

    def look(frame: Frame) -> Sequence[View]:
        return (View(window=Window(x=60, y=30, width=64, height=64), track=1),)

    score_video(detector, clip, look=look, visit=lambda frame, said: seen.append((frame, drawn(frame, said, detector))))
    frame, picture = seen[0]
    assert np.array_equal(picture[:28, :158], frame.pixels[:28, :158])
    assert not np.array_equal(picture[40:90, 70:120], frame.pixels[40:90, 70:120])
    assert picture[30, 90].tolist() == [255, 255, 255]


def test_sides_are_even_and_large_frames_are_scaled(tiny_detector: Path) -> None:
    detector = load(tiny_detector)
    for height, width in ((47, 63), (31, 1921)):
        frame = Frame(number=0, seconds=0.0, pixels=np.zeros((height, width, 3), np.uint8))
        picture = drawn(frame, [], detector)
        assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
        assert picture.shape[1] <= 960 + 76


def test_the_line_below_a_narrow_frame_is_whole(uncalibrated_detector: Path, tiny_detector: Path) -> None:
    """As wide as below a large one, in a film that is long, too."""
    for loaded in (load(tiny_detector), load(uncalibrated_detector)):
        calibrated = loaded.spec.calibration is not None
        lines = []
        for width in (20, 67, 640):
            frame = Frame(number=0, seconds=36_000.4, pixels=shade(0, height=70, width=width))
            (view,) = whole(frame)
            said = loaded(frame.pixels)
            one = Moment(
                frame=0,
                seconds=frame.seconds,
                view=view,
                frame_shape=(70, width),
                score=0.88,
                probability=0.88 if calibrated else None,
                verdict="likely generated" if calibrated else None,
                patch_logits_shape=(1, 1),
                strongest_patch=0.88,
                strongest_window=(0, 0, 8, 8),
                enlarged=1.0,
            )
            dark = drawn(frame, [(one, said)], loaded)[70:94].min(axis=(0, 2)) < 128
            lines.append((int(dark.argmax()), int(dark.nonzero()[0].max()), dark.size))
        assert len({line[:2] for line in lines}) == 1
        assert all(last < size - 1 for _, last, size in lines)


def test_a_whole_image_baseline_has_no_film(tiny_detector: Path, clip: Sample) -> None:
    detector = load(tiny_detector)
    baseline = replace(detector, spec=replace(detector.spec, grid=None))
    frame = next(frames(clip.path))
    said: list[object] = []
    score_video(detector, clip, visit=lambda _, found: said.extend(found))
    assert len(whole(frame)) == 1
    with pytest.raises(UnsuitableImage, match="whole-image baseline"):
        drawn(frame, said[:1], baseline)  # type: ignore[arg-type]
