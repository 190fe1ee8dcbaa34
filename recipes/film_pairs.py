"""Whether a film and what was made of it show the same moments, and the mask that is shown with each.

No script: `face_films.py` reads films with it. FaceForensics++'s manipulated videos begin with their originals and may
end before them; a file that was trimmed, or whose frames are shown at other times, goes by the same name and would put
faces, masks and labels on other frames.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.data.equalise import Window
from telltale.data.tracks import SharedCrop
from telltale.data.video import Frame, frames
from telltale.errors import InvalidDataset, TooManyPixels, UndecodableVideo
from telltale.image import Pixels

# The mask that is shown with a frame is shown at most so many seconds before or after it.
AT_ONCE = 0.05
# Frames are compared by means of blocks of so many pixels a side: grain and what codecs do to it are gone there.
BLOCK = 8
# Grey levels by which such means may differ away from faces, whatever the film shows; codecs stay well below.
CODEC = 3.0
# Above that, a manipulated frame is to be nearer to its own moment than to the others by this ratio: where everything
# moves, the wrong moment is as far as any other.
NEARER = 0.5


def read(path: Path, count: int, apart: float = 1.0) -> list[Frame]:
    """Some frames of a video, so many seconds apart; where it is damaged, that is said, and those before count."""
    found: list[Frame] = []
    try:
        for frame in frames(path, every_seconds=apart, max_frames=count):
            found.append(frame)
    except (UndecodableVideo, TooManyPixels) as error:
        print(f"{path.name}: {error}", file=sys.stderr)
    return found


def masks_beside(path: Path, shown: Sequence[Frame], count: int, apart: float) -> list[Frame]:
    """A film's masks.

    Raises:
        InvalidDataset: of another size than the film.
    """
    masks = read(path, count, apart)
    if masks and masks[0].pixels.shape != shown[0].pixels.shape:
        sizes = [f"{one[0].pixels.shape[1]} x {one[0].pixels.shape[0]} px" for one in (shown, masks)]
        raise InvalidDataset(expected=f"masks of {sizes[0]}", found=f"{sizes[1]}: {path}", do="Check the masks.")
    return masks


def shown_with(masks: Sequence[Frame], seconds: float) -> Pixels | None:
    """The mask that is shown with a frame; none where its video ends before."""
    nearest = min(masks, key=lambda one: abs(one.seconds - seconds), default=None)
    return nearest.pixels if nearest is not None and abs(nearest.seconds - seconds) <= AT_ONCE else None


def check_moments(
    shown: Sequence[Frame], made: Mapping[str, Sequence[Frame]], found: Mapping[str, Iterable[SharedCrop]]
) -> None:
    """Refuse a manipulated film whose frames are other moments than the original's of the same number.

    Away from faces a manipulation leaves a frame as it is, but for the codec. Where the scene hardly moves, one moment
    cannot be told from another, and this finds nothing.

    Args:
        shown: frames of the original.
        made: method -> frames of its film, of the same size.
        found: method -> crops of all faces, which are not looked at.

    Raises:
        InvalidDataset: they differ as different moments do.
    """
    means = [_blocks(one.pixels) for one in shown]
    for method, those in made.items():
        windows: dict[float, list[Window]] = {}
        for crop in found[method]:
            windows.setdefault(crop.seconds, []).append(crop.window)
        away = [_away(one, windows.get(one.seconds, ())) for one in shown]
        again = [_blocks(other.pixels) for other in those[: len(shown)]]
        own = [_apart(means[place], one, away[place]) for place, one in enumerate(again)]
        others = [
            _apart(means[place], again[near], away[place])
            for place in range(len(again))
            for near in (place - 1, place + 1)
            # A film's resolution may change on its way.
            if 0 <= near < len(again) and again[near].shape == means[place].shape
        ]
        here, there = (float(np.median(those)) if those else 0.0 for those in (own, others))
        if here > CODEC and here > NEARER * there:
            raise InvalidDataset(
                expected=f"{method} to show the original's moments, frame for frame",
                found=f"frames that differ by {here:.0f} grey levels away from faces, by {there:.0f} from the moments "
                "before and after",
                do="Check whether it was trimmed, or its frame rate changed.",
            )


def _away(frame: Frame, windows: Sequence[Window]) -> NDArray[np.bool_]:
    """Blocks that no window touches."""
    away = np.ones((*frame.pixels.shape[:2], 1), np.bool_)
    for window in windows:
        away[window.y : window.y + window.height, window.x : window.x + window.width] = False
    return np.asarray(_blocks(away)[..., 0] == 1)


def _apart(one: NDArray[np.float32], other: NDArray[np.float32], away: NDArray[np.bool_]) -> float:
    """Mean difference of two frames' blocks away from faces, in grey levels; 0 where faces fill the frame."""
    differing = np.abs(one - other).mean(axis=2)[away]
    return float(differing.mean()) if differing.size else 0.0


def _blocks(values: NDArray[Any]) -> NDArray[np.float32]:
    """Means of whole blocks."""
    rows, columns = (side // BLOCK for side in values.shape[:2])
    whole = values[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, -1)
    return np.asarray(whole.mean(axis=(1, 3), dtype=np.float32))
