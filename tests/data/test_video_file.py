"""Which files are opened as films, and which of their tracks is the film."""

from pathlib import Path

import pytest

from telltale.data.video_file import is_video, picture_track
from telltale.errors import UndecodableVideo


def test_a_record_cover_is_no_film(tmp_path: Path) -> None:
    """Music files hold their cover as a picture track."""

    class Track:
        disposition = "Disposition.attached_pic"

    class Container:
        class streams:  # noqa: N801 (as PyAV has it)
            video = (Track(),)
            audio = (Track(),)

    with pytest.raises(UndecodableVideo, match="sound only"):
        picture_track(Container(), tmp_path)


def test_endings() -> None:
    assert is_video(Path("a.MP4"))
    assert is_video(Path("b.webm"))
    assert not is_video(Path("c.gif"))
    assert not is_video(Path("mp4"))
