"""Which images there are, and what is known of each."""

from dataclasses import dataclass
from pathlib import Path


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
    """

    path: Path
    is_fake: bool | None = None
    source: str = ""
    split: str = ""
    group: str = ""
    face: tuple[float, float, float, float] | None = None
