"""Frames of videos: at the right time, upright, and all that can be had of a damaged file."""

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from small_videos import av, index_of, shade, write_long_sound, write_sound, write_video
from telltale.data.video import Frame, frames, upright
from telltale.errors import InvalidConfig, MissingExtra, TooManyPixels, UndecodableVideo
from telltale.image import Pixels

TEN = [shade(index) for index in range(10)]
# (column, row) -> (-row, column) and so on: a, b, c, d of the display matrix, with what it does to the pixels.
TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[Pixels], Pixels]]] = {
    "as it is": ((1, 0, 0, 1), lambda pixels: pixels),
    "a quarter clockwise": ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, -1)),
    "half": ((-1, 0, 0, -1), lambda pixels: np.rot90(pixels, 2)),
    "a quarter anticlockwise": ((0, -1, 1, 0), lambda pixels: np.rot90(pixels, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda pixels: pixels[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda pixels: pixels[::-1]),
    "transposed": ((0, 1, 1, 0), lambda pixels: pixels.transpose(1, 0, 2)),
}


def partial(path: Path, **settings: object) -> tuple[list[Frame], str]:
    """The frames of a damaged file, and what was said of the damage."""
    found: list[Frame] = []
    with pytest.raises(UndecodableVideo) as raised:
        found.extend(frames(path, **settings))  # type: ignore[arg-type]
    return found, str(raised.value)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "ts", "mov"])
def test_every_frame_in_order(tmp_path: Path, ending: str) -> None:
    found = list(frames(write_video(tmp_path / f"clip.{ending}", TEN)))
    assert [index_of(frame.pixels) for frame in found] == list(range(10))
    assert [frame.number for frame in found] == list(range(10))
    assert [frame.seconds for frame in found] == pytest.approx([index / 10 for index in range(10)], abs=1e-3)
    assert all(frame.pixels.shape == (48, 64, 3) and frame.pixels.dtype == np.uint8 for frame in found)


def test_strides(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN)
    assert [index_of(frame.pixels) for frame in frames(path, every_frames=4)] == [0, 4, 8]
    assert [index_of(frame.pixels) for frame in frames(path, every_seconds=0.25)] == [0, 3, 5, 8]
    assert [index_of(frame.pixels) for frame in frames(path, every_seconds=60.0)] == [0]
    assert [index_of(frame.pixels) for frame in frames(path, every_frames=2, max_frames=3)] == [0, 2, 4]


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 80, 1000, 1040, 2500, 2540, 2580, 2620, 4000]
    path = write_video(tmp_path / "clip.mp4", TEN, milliseconds=times)
    assert [frame.seconds for frame in frames(path)] == pytest.approx([time / 1000 for time in times], abs=1e-3)
    # The first frame at or after 0, 1, 2, 3, 4 s; the one of 2.5 s answers for 2, and nothing for 3.
    assert [index_of(frame.pixels) for frame in frames(path, every_seconds=1.0)] == [0, 3, 5, 9]


def test_when_the_last_picture_ends(tmp_path: Path) -> None:
    """It is told when all is read, whatever the stride, and not to one who stops earlier."""
    told: list[float] = []
    path = write_video(tmp_path / "clip.mp4", [shade(index) for index in range(24)], rate=10)
    for every in (0.1, 1.0, 5.0):
        list(frames(path, every_seconds=every, ended=told.append))
    assert told == pytest.approx([2.4] * 3)
    list(frames(path, max_frames=2, ended=told.append))
    assert len(told) == 3


def test_when_the_last_picture_of_a_film_cut_off_ends(tmp_path: Path) -> None:
    told: list[float] = []
    images = [np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)] * 30
    path = write_video(tmp_path / "clip.mp4", images, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read: list[float] = []
    with pytest.raises(UndecodableVideo):
        read.extend(frame.seconds for frame in frames(path, ended=told.append))
    assert len(told) == 1
    assert 0.5 < told[0] < 2.5


@pytest.mark.parametrize("every", [0.1, 0.3, 0.5, 1.0])
def test_passing_over_frames_that_nobody_needs_changes_no_pixel(tmp_path: Path, every: float) -> None:
    """B-frames, some of which others refer to: what is skipped must not be."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg has no H.264 encoder")
    draw = np.random.default_rng(0)
    images = [shade(index // 3) + draw.integers(0, 9, (48, 64, 3), dtype=np.uint8) for index in range(40)]
    options = {"bf": "4", "b-pyramid": "normal", "g": "15", "b-adapt": "0", "sc_threshold": "0"}
    path = write_video(tmp_path / "clip.mp4", images, codec="libx264", options=options, rate=20)
    whole = list(frames(path))
    assert len(whole) == 40
    found = list(frames(path, every_seconds=every))
    wanted, following = [], Fraction(0)
    for frame in whole:
        if Fraction(frame.seconds).limit_denominator(1000) >= following:
            wanted.append(frame)
            following += Fraction(every).limit_denominator(1000)
    assert [frame.seconds for frame in found] == [frame.seconds for frame in wanted]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", TURNS)
def test_the_display_matrix_is_applied(tmp_path: Path, name: str) -> None:
    matrix, turn = TURNS[name]
    path = write_video(tmp_path / "clip.mp4", TEN[:2], matrix=matrix)
    (plain,) = frames(write_video(tmp_path / "plain.mp4", TEN[:2]), max_frames=1)
    (found,) = frames(path, max_frames=1)
    assert np.array_equal(found.pixels, turn(plain.pixels))
    assert found.pixels.flags.c_contiguous


def test_a_turned_frame_agrees_with_what_pyav_calls_its_rotation(tmp_path: Path) -> None:
    """An independent reading of the same matrix: degrees anticlockwise by which players turn the picture."""
    path = write_video(tmp_path / "clip.mp4", TEN[:2], matrix=TURNS["a quarter clockwise"][0])
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation in (-90, 270)


def test_angles_between_quarter_turns_become_the_nearest() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(upright(pixels, (9, 3, -3, 9)), pixels)
    assert upright(pixels, (3, 9, -9, 3)).shape == (4, 2, 3)


def test_colours_survive(tmp_path: Path) -> None:
    """Red, green, blue: the colour matrix and the range are the file's."""
    for colour in ((200, 30, 30), (30, 200, 30), (30, 30, 200)):
        image = np.full((48, 64, 3), colour, np.uint8)
        (found,) = frames(write_video(tmp_path / "clip.mp4", [image] * 3), max_frames=1)
        assert np.abs(found.pixels.astype(int) - image).max() <= 6


def test_transparency_is_ignored(tmp_path: Path) -> None:
    """The colours beneath are as they were coded, whether they are seen or not."""
    path = tmp_path / "clip.mov"
    image = np.full((48, 64, 4), (200, 60, 20, 0), np.uint8)
    image[:, 32:, 3] = 128
    with av.open(str(path), "w") as container:
        track = container.add_stream("png", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "rgba"
        frame = av.VideoFrame.from_ndarray(image, format="rgba")
        frame.pts = 0
        container.mux(track.encode(frame))
        container.mux(track.encode())
    (found,) = frames(path)
    assert np.array_equal(found.pixels, image[:, :, :3])


def test_nothing_is_read_ahead_of_the_caller(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN)
    opened = frames(path)
    assert [index_of(frame.pixels) for frame in islice(opened, 2)] == [0, 1]


# ---------------------------------------------------------------- what cannot be read


def test_a_film_cut_off_gives_what_it_has_and_says_when_it_ends(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    images = [draw.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "clip.mp4", images, container_options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found, said = partial(path)
    assert 8 <= len(found) <= 20
    assert "a damaged one" in said
    assert f"after {found[-1].seconds:.1f}" in said
    assert str(path) in said
    for one, other in zip(found, frames(write_video(tmp_path / "whole.mp4", images)), strict=False):
        assert np.array_equal(one.pixels, other.pixels)


def test_a_cut_between_two_frames_is_noticed_by_the_length_the_header_states(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN * 3, container_options={"movflags": "faststart"})
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.pos]
    path.write_bytes(path.read_bytes()[: starts[12]])
    found, said = partial(path)
    assert len(found) == 12
    assert "the end, 3.0 s by the header, after 1.20 s" in said


def test_an_avi_cut_between_two_frames_is_noticed_though_its_index_is_gone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", TEN * 6)
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: starts[40]])
    found, said = partial(path)
    assert len(found) == 40
    assert "the end, 6.0 s by the header, after 4.00 s" in said


@pytest.mark.parametrize("ending", ["mkv", "webm", "mp4", "avi"])
def test_pictures_that_begin_later_than_the_file_are_no_damage(tmp_path: Path, ending: str) -> None:
    codec = "libvpx" if ending == "webm" else "mpeg4"
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec} encoder")
    times = [2000 + 100 * index for index in range(10)]
    path = write_video(tmp_path / f"clip.{ending}", TEN, milliseconds=times, codec=codec)
    found = list(frames(path))
    assert len(found) >= 10
    assert found[0].seconds == 0


def test_a_late_beginning_hides_no_cut(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", TEN * 3, milliseconds=[2000 + 100 * index for index in range(30)])
    with av.open(str(path)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: starts[12]])
    _, said = partial(path)
    assert "the end, 3.0 s by the header, after 1.20 s" in said


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN * 3, options={"g": "1"})
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    place, size = packets[10]
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    found, said = partial(path)
    assert len(found) == 29
    assert "after 0.90 s" in said


def test_frames_that_were_asked_for_come_without_complaint(tmp_path: Path) -> None:
    """Who wants two frames does not wait for the end of the film."""
    path = write_video(tmp_path / "clip.mp4", TEN, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-100])
    assert len(list(frames(path, max_frames=2))) == 2


@pytest.mark.parametrize(("ending", "codec", "sound"), [("wmv", "wmv2", "wmav2"), ("mp4", "mpeg4", "aac")])
def test_sound_that_goes_on_for_longer_is_no_damage(tmp_path: Path, ending: str, codec: str, sound: str) -> None:
    path = write_long_sound(tmp_path / f"clip.{ending}", TEN, codec=codec, sound=sound, seconds=3)
    assert len(list(frames(path))) == 10


def test_sound_only(tmp_path: Path) -> None:
    found, said = partial(write_sound(tmp_path / "clip.mp4"))
    assert not found
    assert "sound only" in said


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b"nothing like a video" * 50, "does not open"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "does not open"),
        (b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "does not open"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "does not open"),
    ],
    ids=["empty", "text", "picture", "playlist", "list of files"],
)
def test_what_is_no_video(tmp_path: Path, data: bytes, words: str) -> None:
    write_video(tmp_path / "other.ts", TEN)
    write_video(tmp_path / "other.mp4", TEN)
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    found, said = partial(path)
    assert not found
    assert words in said
    assert str(path) in said


def test_what_does_not_open_says_why_and_not_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing like a video" * 50)
    _, said = partial(path)
    assert "does not open as a video (Invalid data found when processing input)" in said
    assert said.count("clip.mp4") == 1


def test_a_head_without_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    found, said = partial(path)
    assert not found
    assert "no frame that can be decoded" in said


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path, Path("null\0.mp4")):
        found, said = partial(path)
        assert not found
        assert "cannot be read" in said


def test_the_pixel_limit_holds_before_anything_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", TEN)
    assert len(list(frames(path, max_pixels=48 * 64))) == 10
    with pytest.raises(TooManyPixels, match="64 x 48 = 3,072"):
        list(frames(path, max_pixels=48 * 64 - 1))


@pytest.mark.parametrize(
    "settings",
    [{"every_seconds": 0.0}, {"every_frames": 0}, {"every_seconds": 1.0, "every_frames": 1}, {"max_frames": 0}]
    + [{"every_seconds": value} for value in (-1.0, float("nan"), float("inf"))],
)
def test_numbers_that_mean_nothing(tmp_path: Path, settings: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig, match="Correct the numbers"):
        frames(tmp_path / "clip.mp4", **settings)  # type: ignore[arg-type]


def test_without_pyav_the_command_that_brings_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtra, match=r"telltale\[video\]"):
        frames(tmp_path / "clip.mp4")


def test_pixels_are_the_callers_own(tmp_path: Path) -> None:
    """A frame stays as it is while others are decoded."""
    kept: list[tuple[Pixels, Pixels]] = [
        (frame.pixels, frame.pixels.copy()) for frame in frames(write_video(tmp_path / "clip.mp4", TEN))
    ]
    assert all(np.array_equal(one, copy) for one, copy in kept)
