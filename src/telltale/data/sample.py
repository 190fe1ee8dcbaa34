"""One image and what is known of it."""

from dataclasses import dataclass, field
from pathlib import Path

from telltale.errors import UndecodableImage
from telltale.image import MAX_PIXELS, Pixels, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a file's bytes lie inside an uncompressed archive, so that they are read when they are needed.

    Attributes:
        archive: the archive.
        start: the first byte.
        length: how many bytes.
    """

    archive: Path
    start: int
    length: int

    def read(self) -> bytes:
        """The bytes; raises OSError as a file does."""
        with self.archive.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image on disk and what is known of it.

    Attributes:
        path: the file.
        is_fake: True fake (generated or manipulated), False real, None not labelled.
        source: the generator or camera dataset it comes from; "" where unknown.
        split: "train", "validation", "test", or "" where none was made.
        group: images of one group (identity, video, twins) belong on one side of a split; "" where unknown.
        face: (x, y, width, height) of the face in pixels of the decoded image; None where unknown.
        data: the file's bytes where `path` is only a name (standard input); else None.
        member: where the bytes lie where `path` is only a name inside an archive (a tar shard); else None.
    """

    path: Path
    is_fake: bool | None = None
    source: str = ""
    split: str = ""
    group: str = ""
    face: tuple[float, float, float, float] | None = None
    data: bytes | None = field(default=None, repr=False)
    member: Member | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            UndecodableImage: missing or not readable.
        """
        if self.data is not None:
            return self.data
        try:
            return self.path.read_bytes() if self.member is None else self.member.read()
        # A path with a null character raises ValueError.
        except (OSError, ValueError) as error:
            raise UndecodableImage(
                expected="a picture",
                found=f"a file that cannot be read ({error.args[-1]}): {self.path}",
                do="Check the file, or leave it out.",
            ) from error

    def pixels(self, max_pixels: int = MAX_PIXELS) -> Pixels:
        """The decoded picture; raises what `telltale.decode` raises."""
        within = self.data if self.member is None else self.read()
        return decode(self.path if within is None else within, max_pixels=max_pixels, name=str(self.path))
