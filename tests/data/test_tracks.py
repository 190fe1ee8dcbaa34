"""Faces followed through frames: numbers that stay, boxes that do not tremble, crops that a pair shares."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.data.equalise import Box
from telltale.data.tracks import (
    THOROUGH,
    Follower,
    crop_window,
    halves,
    matched,
    overlap,
    shared_crops,
    side_by_side,
)
from telltale.data.video import Frame
from telltale.errors import InvalidDataset
from telltale.image import Pixels

BLANK = np.zeros((100, 200, 3), np.uint8)
boxes = st.tuples(*[st.floats(-50, 250)] * 2, *[st.floats(1, 200)] * 2)


def frame(number: int, seconds: float, pixels: Pixels = BLANK) -> Frame:
    return Frame(number=number, seconds=seconds, pixels=pixels)


def scripted(*script: Sequence[Box]) -> Follower:
    """A follower whose detector finds what is written for each frame."""
    pending = iter(script)
    return Follower(lambda pixels, hints, everywhere: next(pending))


def test_two_faces_that_cross_keep_their_numbers() -> None:
    script = [[(10.0 + 4 * i, 20.0, 40.0, 40.0), (120.0 - 4 * i, 60.0, 40.0, 40.0)] for i in range(10)]
    follow = scripted(*(pair if i % 2 else pair[::-1] for i, pair in enumerate(script)))
    for index in range(10):
        by_number = {face.track: face.box for face in follow(frame(index, float(index)))}
        assert {number: box[1] for number, box in by_number.items()} == {2: 20.0, 1: 60.0}


def test_a_face_lost_for_a_moment_keeps_its_number_and_a_later_one_does_not() -> None:
    box = (10.0, 10.0, 40.0, 40.0)
    follow = scripted([box], [], [box], [], [], [], [box])
    found = [[face.track for face in follow(frame(index, 0.4 * index))] for index in range(7)]
    assert found == [[1], [], [1], [], [], [], [2]]


def test_a_slow_stride_is_patient_by_frames() -> None:
    box = (10.0, 10.0, 40.0, 40.0)
    follow = scripted([box], [], [box], [], [], [box])
    found = [[face.track for face in follow(frame(index, 10.0 * index))] for index in range(6)]
    assert found == [[1], [], [1], [], [], [2]]


def test_boxes_are_steady_at_video_rate_and_free_at_a_slow_stride() -> None:
    draw = np.random.default_rng(0)
    script: list[list[Box]] = [[(50.0 + x, 20.0, 60.0, 60.0)] for x in draw.normal(0, 3, 60).tolist()]
    for step, least, most in ((0.04, 0.1, 0.5), (2.0, 0.99, 1.01)):
        follow = scripted(*script)
        places = [follow(frame(index, step * index))[0].box[0] for index in range(60)]
        ratio = np.std(places[20:]) / np.std([one[0][0] for one in script[20:]])
        assert least < ratio < most


def test_the_detector_is_given_hints_and_looks_everywhere_now_and_then() -> None:
    asked: list[tuple[list[Box], bool]] = []
    box = (10.0, 10.0, 40.0, 40.0)

    def find(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        asked.append((list(hints), everywhere))
        return [box]

    follow = Follower(find)
    for index in range(2 * THOROUGH):
        follow(frame(index, float(index)))
    assert [everywhere for _, everywhere in asked] == [index % THOROUGH == 0 for index in range(2 * THOROUGH)]
    assert [hints for hints, _ in asked] == [[]] + [[box]] * (2 * THOROUGH - 1)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_one_for_itself(one: Box, other: Box) -> None:
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert 0 <= overlap(one, other) <= 1 + 1e-9
    assert overlap(one, one) == pytest.approx(1)


@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=5))
def test_each_box_is_matched_once_at_most(before: list[Box], now: list[Box]) -> None:
    pairs, new = matched(before, now)
    assert len(pairs) + len(new) == len(now)
    assert len({place for place, _ in pairs}) == len(pairs)
    assert sorted([box for _, box in pairs] + new) == sorted(now)


@given(boxes, st.integers(20, 200), st.integers(20, 200), st.floats(0.2, 4))
def test_crops_are_squares_inside_the_frame(box: Box, height: int, width: int, scale: float) -> None:
    window = crop_window((height, width), box, scale=scale)
    if window is None:
        middle = box[0] + box[2] / 2, box[1] + box[3] / 2
        outside = not (0 <= middle[0] < width and 0 <= middle[1] < height)
        assert outside or round(scale * max(box[2], box[3])) < 1
        return
    assert window.width == window.height >= 1
    assert window.x >= 0
    assert window.y >= 0
    assert window.x + window.width <= width
    assert window.y + window.height <= height


def test_a_crop_in_the_middle_is_about_the_box() -> None:
    window = crop_window((200, 200), (80.0, 90.0, 20.0, 40.0))
    assert window is not None
    assert (window.x, window.y, window.width) == (60, 80, 60)


# ---------------------------------------------------------------- pairs


def test_a_pair_is_cut_at_the_places_of_the_original() -> None:
    draw = np.random.default_rng(0)
    both = draw.integers(0, 256, (60, 161, 3), dtype=np.uint8)
    seen: list[Pixels] = []

    def find(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        seen.append(pixels)
        return [(20.0 + len(seen), 10.0, 20.0, 20.0)]

    read = [frame(index, float(index), both) for index in range(3)]
    found = list(shared_crops(halves(read), find))
    assert all(np.array_equal(pixels, both[:, :80]) for pixels in seen)
    assert len(found) == len(seen) == 3
    for crop in found:
        part = crop.window
        assert np.array_equal(crop.original, both[:, :80][part.y : part.y + 30, part.x : part.x + 30])
        assert np.array_equal(crop.manipulated, both[:, 81:][part.y : part.y + 30, part.x : part.x + 30])
    assert [crop.track for crop in found] == [1, 1, 1]


def test_pairs_of_two_videos_belong_together() -> None:
    one = [frame(index, 0.04 * index) for index in range(5)]
    assert len(list(side_by_side(one, one[:3]))) == 3
    other = [frame(index, 0.2 * index) for index in range(5)]
    with pytest.raises(InvalidDataset, match=r"at 0\.04 s and at 0\.20 s"):
        list(side_by_side(one, other))
    small = [frame(0, 0.0, BLANK[:50])]
    with pytest.raises(InvalidDataset, match="frame for frame"):
        list(shared_crops(side_by_side(one, small), lambda pixels, hints, everywhere: []))
