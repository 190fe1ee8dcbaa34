"""A scored video as rows: one like a picture's, one for each moment of its timeline, and a record of the whole."""

from collections.abc import Iterator
from typing import Any

from telltale.detector import Detector
from telltale.evaluate.results import COLUMNS, Row
from telltale.evaluate.video_scoring import VideoScore
from telltale.evaluate.video_summary import Moment, Summary

CALIBRATED_ON = "single pictures, not videos"

# The columns of a file of timelines, in order, with their type; a row for each scored part of a frame.
TIMELINE = {
    "path": "string",
    "time": "float64",
    "face": "int64",
    "box": "list",
    "score": "float64",
    "probability": "float64",
    "verdict": "string",
    "patch_logits_shape": "list",
    "strongest_patch": "float64",
    "strongest_window": "list",
    "detector": "string",
    "weights_sha256": "string",
    "telltale_version": "string",
    "error": "string",
}


def video_row(record: VideoScore, detector: Detector, version: str) -> Row:
    """One row with a picture's columns: means over the video, and the strongest patch of the moment that matters most.

    Width and height are that frame's, so that the window lies in them; other frames may have another size.

    A damaged video has numbers and a reason under `error`.
    """
    most = record.matter[0]
    values = {
        "path": str(record.sample.path),
        "score": record.summary.score,
        "probability": record.summary.probability,
        "verdict": record.summary.verdict,
        "patch_logits_shape": list(most.patch_logits_shape),
        "strongest_patch": most.strongest_patch,
        "strongest_window": list(most.strongest_window),
        "width": most.frame_shape[1],
        "height": most.frame_shape[0],
        "seconds": record.seconds,
        **_about(detector, version),
        "error": record.error,
    }
    return {name: values[name] for name in COLUMNS}


def video_columns(record: VideoScore) -> Row:
    """What the columns of FILM hold of a video: the highest tenth and the highest, when, whose face, and all of it."""
    most = record.matter[0]
    return {
        "top_tenth": record.summary.top,
        "max": record.summary.highest,
        "most_fake_at": most.seconds,
        "face": most.view.track,
        "video": video_record(record),
    }


def timeline_rows(record: VideoScore, detector: Detector, version: str) -> Iterator[Row]:
    """One row for each moment, in order of time; `time` in seconds, `box` and `strongest_window` in frame pixels."""
    for moment in record.moments:
        window = moment.view.window
        yield {
            "path": str(record.sample.path),
            "time": moment.seconds,
            "face": moment.view.track,
            "box": [window.x, window.y, window.width, window.height],
            "score": moment.score,
            "probability": moment.probability,
            "verdict": moment.verdict,
            "patch_logits_shape": list(moment.patch_logits_shape),
            "strongest_patch": moment.strongest_patch,
            "strongest_window": list(moment.strongest_window),
            **_about(detector, version),
            "error": None,
        }


def video_record(record: VideoScore) -> dict[str, Any]:
    """What a picture's row has no room for, as plain JSON values."""
    return {
        "frames": record.frames,
        "face": record.matter[0].view.track,
        **_summary(record.summary),
        "faces": [{"face": number, **_summary(summary)} for number, summary in record.tracks],
        "matter": [_matter(moment) for moment in record.matter],
        "calibrated_on": None if record.summary.probability is None else CALIBRATED_ON,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "moments": summary.moments,
        "first": summary.first,
        "last": summary.last,
        "score": summary.score,
        "probability": summary.probability,
        "top_tenth": summary.top,
        "max": summary.highest,
        "verdict": summary.verdict,
        "called_generated": summary.called_generated,
        "enlarged": summary.enlarged,
    }


def _matter(moment: Moment) -> dict[str, Any]:
    return {
        "time": moment.seconds,
        "face": moment.view.track,
        "value": moment.value,
        "strongest_window": list(moment.strongest_window),
        "width": moment.frame_shape[1],
        "height": moment.frame_shape[0],
    }


def _about(detector: Detector, version: str) -> Row:
    return {"detector": detector.spec.name, "weights_sha256": detector.sha256, "telltale_version": version}
