"""The timeline's picture: where its lines lie, and what it writes of awkward videos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from telltale.data.equalise import Window
from telltale.data.sample import Sample
from telltale.evaluate.video_scoring import VideoScore
from telltale.evaluate.video_summary import Moment, View, summarise
from telltale.explain.timeline_chart import clock, timeline
from telltale.spec import Thresholds

THRESHOLDS = Thresholds(
    real_below=0.2, fake_above=0.8, false_alarm_rate=0.05, miss_rate=0.05, chosen_on="", fingerprint=""
)


def record(
    values: dict[float, float], *, tracks: int = 0, calibrated: bool = True, missed: Sequence[float] = ()
) -> VideoScore:
    """The values by their times; frames of the times missed were looked at, too, and not scored."""
    order = sorted([*values, *missed])
    moments = tuple(
        Moment(
            frame=order.index(seconds),
            seconds=seconds,
            view=View(window=Window(x=0, y=0, width=8, height=8), track=index % tracks + 1 if tracks else None),
            frame_shape=(8, 8),
            score=value,
            probability=value if calibrated else None,
            verdict=None,
            patch_logits_shape=(1, 1),
            strongest_patch=0.5,
            strongest_window=(0, 0, 8, 8),
            enlarged=1.0,
        )
        for index, (seconds, value) in enumerate(values.items())
    )
    summary = summarise(moments, THRESHOLDS if calibrated else None)
    return VideoScore(
        sample=Sample(path=Path("clip.mp4")),
        moments=moments,
        summary=summary,
        tracks=tuple((number, summary) for number in range(1, tracks + 1)),
        matter=moments[:1],
        frames=len(moments),
        end=moments[-1].seconds,
        seconds=0.1,
        error=None,
    )


def height_of(chart: np.ndarray, column: int) -> float:
    """Of the blue line, from 0 at the foot of the axis to 1."""
    strip = chart[40:277, column].astype(int)
    rows = np.flatnonzero((strip[:, 2] - strip[:, 0] > 90) & (strip[:, 0] < 120))
    assert rows.size
    return float(1 - rows.mean() / 236)


def test_the_line_lies_where_the_values_are() -> None:
    chart = timeline(record({0.0: 0.0, 10.0: 1.0}), THRESHOLDS, every_seconds=10.0)
    assert chart.shape == (320, 960, 3)
    for part in (0.25, 0.5, 0.75):
        assert height_of(chart, round(54 + 756 * part)) == pytest.approx(part, abs=0.02)


@pytest.mark.parametrize("why", ["not scored", "one not scored", "held", "damaged"])
def test_a_gap_is_where_frames_were_not_scored_or_may_be_missing(why: str) -> None:
    """And not where one picture is held, as in a film of slides, or where a face was missed once."""
    values = {float(second): 0.5 for second in range(21) if second < 5 or second > 15}
    missed = {"not scored": [float(second) for second in range(5, 16)], "one not scored": [10.0]}.get(why, [])
    found = record(values, missed=missed)
    chart = timeline(replace(found, error="broken" if why == "damaged" else None), THRESHOLDS, every_seconds=1.0)
    assert height_of(chart, round(54 + 756 * 0.1)) == pytest.approx(0.5, abs=0.02)
    if why in ("held", "one not scored"):
        assert height_of(chart, round(54 + 756 * 0.5)) == pytest.approx(0.5, abs=0.02)
    else:
        with pytest.raises(AssertionError):
            height_of(chart, round(54 + 756 * 0.5))


def test_a_moment_alone_is_a_dot_however_many_others_there_are() -> None:
    seconds = [0.1 * index for index in range(201)]
    values = {one: 0.5 for one in seconds if one < 8 or one > 12 or abs(one - 10) < 0.01}
    chart = timeline(record(values, missed=[one for one in seconds if one not in values]), None, every_seconds=0.1)
    assert height_of(chart, round(54 + 756 * 0.5)) == pytest.approx(0.5, abs=0.02)


def test_ranges_follow_the_thresholds() -> None:
    chart = timeline(record({0.0: 0.5, 10.0: 0.5}), THRESHOLDS, every_seconds=1.0)
    assert chart[40 + 20, 300].tolist() == [247, 222, 222]
    assert chart[40 + 220, 300].tolist() == [221, 232, 243]
    plain = timeline(record({0.0: 0.5, 10.0: 0.5}, calibrated=False), None, every_seconds=1.0)
    assert plain[40 + 20, 300].tolist() == [255, 255, 255]


@pytest.mark.parametrize("tracks", [1, 3, 12])
def test_many_faces_and_one_moment(tracks: int) -> None:
    values = {0.1 * index: 0.3 for index in range(tracks)}
    assert timeline(record(values, tracks=tracks), THRESHOLDS, every_seconds=0.1).shape == (320, 960, 3)


def test_awkward_names_and_lengths() -> None:
    long = replace(record({0.0: 0.1, 36000.0: 0.9}), sample=Sample(path=Path("é\udce9" * 40 + ".mp4")), error="broken")
    assert timeline(long, THRESHOLDS, every_seconds=1.0).shape == (320, 960, 3)


def test_the_clock() -> None:
    found = [clock(seconds) for seconds in (0.0, 5.0, 8.52, 59.96, 61.0, 3723.5)]
    assert found == ["0:00", "0:05", "0:08.5", "1:00", "1:01", "1:02:03.5"]
