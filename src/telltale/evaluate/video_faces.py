"""Faces as the views of a video to score: the part of each frame that a detector of faces was trained on."""

from collections.abc import Sequence

from telltale.data.tracks import FindFaces, Follower, crop_window
from telltale.data.video import Frame
from telltale.evaluate.video_scoring import Look
from telltale.evaluate.video_summary import View


def faces(find: FindFaces) -> Look:
    """Looks at the faces of one video, each followed under its number; make a new one for each video.

    Args:
        find: the face detector.
    """
    follow = Follower(find)

    def look(frame: Frame) -> Sequence[View]:
        shape = (frame.pixels.shape[0], frame.pixels.shape[1])
        placed = [(face.track, crop_window(shape, face.box)) for face in follow(frame)]
        return [View(window=window, track=track) for track, window in placed if window is not None]

    return look
