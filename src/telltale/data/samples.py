"""Which images there are, and what is known of each."""

from dataclasses import dataclass, field
from pathlib import Path

from telltale.image import MAX_PIXELS, Pixels, decode


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
        data: the file's bytes where `path` is only a name (standard input, a member of a tar shard); else None.
    """

    path: Path
    is_fake: bool | None = None
    source: str = ""
    split: str = ""
    group: str = ""
    face: tuple[float, float, float, float] | None = None
    data: bytes | None = field(default=None, repr=False)

    def pixels(self, max_pixels: int = MAX_PIXELS) -> Pixels:
        """The decoded picture; raises what `telltale.decode` raises."""
        source = self.path if self.data is None else self.data
        return decode(source, max_pixels=max_pixels, name=str(self.path))
