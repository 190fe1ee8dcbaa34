"""Which files are opened as films, and which of their tracks is the film."""

from pathlib import Path

import pytest

from small_videos import shade, write_video
from telltale.data.video import frames
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


@pytest.mark.parametrize("ending", ["ts", "mts"])
@pytest.mark.parametrize("made", ["ts", "m2ts"])
def test_a_transport_stream_is_told_from_typescript_by_its_bytes(tmp_path: Path, ending: str, made: str) -> None:
    stream = write_video(tmp_path / f"made.{made}", [shade(index) for index in range(10)])
    clip, script = tmp_path / f"clip.{ending.upper()}", tmp_path / f"script.{ending}"
    clip.write_bytes(stream.read_bytes())
    assert is_video(clip)
    assert len(list(frames(clip))) == 10
    # G is the byte by which packets are known.
    for text in ("export const one = 1;\n" * 50, "G" + " " * 187 + "G", ""):
        script.write_text(text)
        assert not is_video(script)
    assert not is_video(tmp_path / f"missing.{ending}")
    assert not is_video(Path(f"null\0.{ending}"))
