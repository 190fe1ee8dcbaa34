"""Truth masks on disk: which pixels of a picture a generator made."""

from pathlib import Path, PurePath

import numpy as np

from telltale.data.sample import Sample
from telltale.errors import InvalidDataset, TelltaleError
from telltale.explain.localisation import Mask
from telltale.image import Pixels, decode

ENDINGS = frozenset((".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".pbm"))
SUFFIX = "_mask"
LEVEL = 128
RULE = (
    "A mask belongs to the picture of the same name, with or without _mask before its ending "
    f"({', '.join(sorted(ENDINGS))}); folders tell masks of one name apart"
)


class MaskFolder:
    """The masks of a folder, found by the names of their pictures; none is opened before it is asked for.

    Args:
        folder: searched to any depth.

    Raises:
        InvalidDataset: no such folder, or no masks in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path.suffix.lower() in ENDINGS and path.is_file():
                self._by_name.setdefault(path.stem.removesuffix(SUFFIX), []).append(path)
        if not self._by_name:
            what = "no masks in it" if folder.is_dir() else "no such folder"
            raise InvalidDataset(expected=f"a folder of masks: {folder}", found=what, do=f"{RULE}.")

    def __call__(self, sample: Sample) -> Path | None:
        """The mask of a picture; None where there is none.

        Raises:
            InvalidDataset: several, and folders do not tell which.
        """
        found = self._by_name.get(sample.path.stem, [])
        shared = [_shared(path.relative_to(self.folder).parent, sample.path.parent) for path in found]
        best = [path for path, length in zip(found, shared, strict=True) if length == max(shared)]
        if len(best) > 1:
            raise InvalidDataset(
                expected=f"one mask for {sample.path}",
                found=", ".join(str(path) for path in best),
                do=f"{RULE}: lay them in folders named like those of the pictures.",
            )
        return best[0] if best else None


def _shared(folder: PurePath, of_picture: PurePath) -> int:
    """How many folders above the mask have the names of those above the picture, from the innermost on."""
    length = 0
    for one, other in zip(reversed(folder.parts), reversed(of_picture.parts), strict=False):
        if one != other:
            break
        length += 1
    return length


def read_mask(path: Path, shape: tuple[int, int], *, level: int = LEVEL) -> Mask:
    """True where a generator made the pixel.

    A mask of another size is brought to the picture's by nearest neighbour where both have the same aspect: scaled to
    the same width or height they differ by at most one pixel of the smaller of the two.

    Args:
        path: of the mask, grey.
        shape: (height, width) of the decoded picture.
        level: of 8 bits, 1 to 255: a pixel at or above it was generated.

    Raises:
        InvalidDataset: another aspect, colours, or nothing but values between 0 and `level`.
        UndecodableImage: not a picture.
    """
    pixels = decode(path)
    _check(path, pixels, shape, level)
    mask = pixels[:, :, 0] >= level
    if mask.shape == shape:
        return np.asarray(mask)
    rows, columns = (
        (2 * np.arange(length) + 1) * there // (2 * length) for length, there in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask[np.ix_(rows, columns)])


def _check(path: Path, pixels: Pixels, shape: tuple[int, int], level: int) -> None:
    height, width = pixels.shape[:2]
    if abs(height * shape[1] - width * shape[0]) > max(*shape, width, height):
        raise _wrong(
            f"a mask of the picture's size, {shape[1]} x {shape[0]} px, or of its aspect",
            f"{width} x {height} px: {path}",
            "Cut and scale the mask as the picture was.",
        )
    if (pixels != pixels[:, :, :1]).any():
        raise _wrong("a grey mask", f"colours: {path}", "Save it as black and white: white where pixels were made.")
    brightest = int(pixels.max())
    if 0 < brightest < level:
        raise _wrong(
            f"a mask with pixels at {level} of 255 or above where pixels were made, or all black",
            f"nothing brighter than {brightest}: {path}",
            "Scale it to 0 and 255, or give a lower level.",
        )


def _wrong(expected: str, found: str, do: str) -> TelltaleError:
    return InvalidDataset(expected=expected, found=found, do=do)
