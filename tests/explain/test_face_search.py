"""Faces by their parts: found where they are in large frames, and not where parts lie about."""

from functools import cache
from pathlib import Path
from threading import Barrier, current_thread

import numpy as np
import pytest
from PIL import Image

from telltale import decode
from telltale.data.equalise import Box
from telltale.data.tracks import overlap
from telltale.errors import InvalidConfig
from telltale.explain.face_parts import PARTS, PartMap
from telltale.explain.face_search import LARGE, SIDE, SMALL, by_face_parser, face_in, windows
from telltale.image import Pixels

PORTRAIT = Path(__file__).parents[2] / "examples" / "portrait.jpg"


def painted(*faces: tuple[int, int, int], height: int = SIDE, width: int = SIDE) -> PartMap:
    """Faces (x, y, height) of the simplest kind: a block of skin, 4 wide and 5 high, with two eyes, a nose, a mouth."""
    parts = np.zeros((height, width), np.uint8)
    for x, y, high in faces:
        part = parts[y : y + high, x : x + 4 * high // 5]
        part[:] = PARTS.index("skin")
        unit = high // 20
        part[5 * unit : 7 * unit, 2 * unit : 5 * unit] = PARTS.index("eyes")
        part[5 * unit : 7 * unit, 11 * unit : 14 * unit] = PARTS.index("eyes")
        part[8 * unit : 12 * unit, 7 * unit : 9 * unit] = PARTS.index("nose")
        part[14 * unit : 16 * unit, 5 * unit : 11 * unit] = PARTS.index("mouth")
    return parts


def as_pixels(parts: PartMap) -> Pixels:
    return np.repeat((parts * 20)[:, :, None], 3, axis=2)


def by_brightness(pixels: Pixels) -> PartMap:
    """A parser of painted frames; between two parts, where scaling has mixed them, it sees background."""
    grey = pixels[:, :, 0].astype(float)
    classes = np.rint(grey / 20)
    return np.where(np.abs(grey - 20 * classes) <= 2, classes, 0).clip(0, len(PARTS) - 1).astype(np.uint8)


def test_a_face_in_a_part_map() -> None:
    face = face_in(painted((40, 30, 80)))
    assert face is not None
    assert face.box == pytest.approx((40, 30, 64, 80), abs=2)
    assert face.reach == pytest.approx(36, abs=1)
    assert face.middle == pytest.approx((71.5, 71.5), abs=1.5)


@pytest.mark.parametrize("missing", ["eyes", "nose", "mouth"])
def test_no_face_without_eyes_nose_or_mouth(missing: str) -> None:
    parts = painted((40, 30, 80))
    parts[parts == PARTS.index(missing)] = PARTS.index("skin")
    assert face_in(parts) is None


def test_no_face_upside_down_or_lying_or_strewn() -> None:
    parts = painted((40, 30, 80))
    assert face_in(parts[::-1].copy()) is None
    assert face_in(parts.T.copy()) is None
    assert face_in(np.random.default_rng(0).integers(0, len(PARTS), (SIDE, SIDE)).astype(np.uint8)) is None
    assert face_in(np.zeros((SIDE, SIDE), np.uint8)) is None


def test_no_face_of_impossible_proportions() -> None:
    """Parts as in a face in a field of skin: a wall, not a face."""
    parts = painted((40, 30, 80))
    parts[parts == PARTS.index("background")] = PARTS.index("skin")
    assert face_in(parts) is None


@pytest.mark.parametrize("shape", [(360, 640), (720, 1280), (640, 360), (200, 200), (70, 400)])
def test_windows_cover_the_frame_and_lie_inside(shape: tuple[int, int]) -> None:
    seen = np.zeros(shape, bool)
    for x, y, side in windows(shape, (*LARGE, *SMALL)):
        assert 0 <= x <= shape[1] - side
        assert 0 <= y <= shape[0] - side
        seen[y : y + side, x : x + side] = True
    assert seen.all()
    assert not list(windows((40, 40), LARGE))


def test_two_faces_in_a_wide_frame() -> None:
    faces = ((60, 80, 160), (420, 120, 150))
    find = by_face_parser(by_brightness)
    found = find(as_pixels(painted(*faces, height=360, width=640)), (), True)
    assert len(found) == 2
    for x, y, high in faces:
        assert max(overlap((float(x), float(y), 0.8 * high, float(high)), box) for box in found) > 0.8


def test_a_hint_finds_a_small_face_without_looking_everywhere() -> None:
    frame = as_pixels(painted((500, 20, 80), height=360, width=640))
    find = by_face_parser(by_brightness)
    hint: Box = (495.0, 26.0, 63.0, 84.0)
    assert find(frame, (), False) == []
    (box,) = find(frame, (hint,), False)
    assert overlap(box, (500.0, 20.0, 64.0, 80.0)) > 0.8


def test_nothing_in_a_blank_frame() -> None:
    assert by_face_parser(by_brightness)(np.zeros((360, 640, 3), np.uint8), (), True) == []


def test_several_threads_find_the_same_faces_in_the_same_order() -> None:
    frame = as_pixels(painted((60, 80, 160), (420, 120, 150), height=360, width=640))
    hint: Box = (415.0, 122.0, 122.0, 148.0)
    called: set[str] = set()
    both = Barrier(2, timeout=20)

    def parse(pixels: Pixels) -> PartMap:
        name = current_thread().name
        if name not in called and len(called) < 2:
            called.add(name)
            both.wait()  # a second thread that never came would break it
        return by_brightness(pixels)

    find = by_face_parser(parse, threads=2)
    assert find(frame, (hint,), True) == by_face_parser(by_brightness)(frame, (hint,), True)
    assert len(called) == 2
    with pytest.raises(InvalidConfig, match="at least one thread"):
        by_face_parser(by_brightness, threads=0)


@cache
def shipped() -> object:
    return by_face_parser()


@pytest.mark.parametrize("place", [(0, 0), (300, 60), (180, 104)])
def test_the_shipped_parser_finds_the_portrait_wherever_it_is(place: tuple[int, int]) -> None:
    """A generated portrait of 256 px, in a grey frame of 640 x 360."""
    portrait = decode(PORTRAIT)
    frame = np.full((360, 640, 3), 128, np.uint8)
    x, y = place
    frame[y : y + 256, x : x + 256] = portrait
    (alone,) = shipped()(portrait, (), True)  # type: ignore[operator]
    found = shipped()(frame, (), True)  # type: ignore[operator]
    assert len(found) == 1
    moved = (alone[0] + x, alone[1] + y, alone[2], alone[3])
    assert overlap(found[0], moved) > 0.7


def test_the_shipped_parser_sees_no_face_in_noise_and_flat_colour() -> None:
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(0, 256, (12, 20, 3), dtype=np.uint8))
    for frame in (np.full((240, 320, 3), 90, np.uint8), np.asarray(coarse.resize((320, 240)))):
        assert shipped()(frame, (), True) == []  # type: ignore[operator]
