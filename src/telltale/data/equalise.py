"""The one path that every picture of a built data set takes, real or fake: crop, resample, one codec, no metadata.

Nothing here knows a label, a source or the order of the pictures. What is drawn (crop offset, codec quality) is drawn
from a hash of the file's own bytes and the seed, so that it can depend on nothing else.
"""

import zlib
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TypeAlias

from PIL import Image

from telltale.data.settings import BuildSettings
from telltale.errors import UnsuitableImage
from telltale.image import Pixels, Resized, resize

Box: TypeAlias = tuple[float, float, float, float]

# JPEG works in blocks of 8 px, so a crop that begins at a multiple of 8 keeps the grid of an earlier compression in
# place. A border of one block leaves room for each of the seven other offsets.
BLOCK = 8
SMALLEST = 2 * BLOCK
# Pictures aligned the way CelebA-HQ and FFHQ are show 4/3 of the face's height: the median over the parsed faces of
# CelebA-HQ is 0.75 of the side.
ALIGNED_SCALE = 4 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The pixels of an original that a built picture shows."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, pixels: Pixels) -> Resized:
        """Those pixels."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


def picture_key(data: bytes, face: Box | None, seed: int) -> str:
    """What a picture's draws and its neutral file name come from: the file's bytes, the face box, the seed."""
    return sha256(f"{seed} {sha256(data).hexdigest()} {face}".encode()).hexdigest()


def twin_key(key: str, name: str) -> str:
    """The key of a picture's re-synthesis."""
    return sha256(f"{key} {name}".encode()).hexdigest()


def choose_window(shape: tuple[int, int], face: Box | None, settings: BuildSettings, key: str) -> Window:
    """Where to cut: always inside the picture, never at a multiple of 8 px from its upper left corner.

    A square that would leave the picture is shrunk first and then shifted; nothing is ever padded. "uncut" alone draws
    nothing: an offset drawn from each file's own bytes would move a fake against the original that it is laid on.

    Args:
        shape: (height, width) of the original, pixels.
        face: (x, y, width, height) of the face, pixels; may reach outside.
        settings: which crop.
        key: the picture's own key, from which the offset is drawn.

    Raises:
        UnsuitableImage: too small, no face box where one is needed, or one outside the picture.
    """
    height, width = shape
    if min(shape) < SMALLEST:
        raise _unsuitable(f"at least {SMALLEST} x {SMALLEST} px", f"{width} x {height}")
    if settings.crop == "uncut":
        return Window(x=0, y=0, width=width, height=height)
    if settings.crop == "whole":
        return _window(shape, (height - BLOCK, width - BLOCK), (height / 2, width / 2), key)
    boxed = None if settings.crop == "centre" else face
    if boxed is None and settings.crop == "face":
        raise _unsuitable("a face box", "none given and none detected")
    middle = (height / 2, width / 2) if boxed is None else _middle(shape, boxed)
    side = _side(min(shape), boxed, settings)
    return _window(shape, (side, side), middle, key)


def equalise(pixels: Pixels, window: Window, settings: BuildSettings) -> Resized:
    """Cut and resample.

    Raises:
        UnsuitableImage: a crop smaller than the built picture where enlarging is refused.
    """
    side = settings.side
    if not settings.enlarge and min(window.width, window.height) < side:
        raise _unsuitable(f"a crop of at least {side} px", f"{window.width} x {window.height}")
    return resize(window.cut(pixels), side, side, settings.resample or "lanczos")


def choose_quality(settings: BuildSettings, key: str) -> int | None:
    """The picture's codec quality; None for PNG."""
    low, high = settings.quality
    return None if settings.codec == "png" else low + _draw(key, "quality", high - low + 1)


def encode(pixels: Pixels, settings: BuildSettings, quality: int | None) -> bytes:
    """The bytes of a built picture: pixels and nothing else."""
    stream = BytesIO()
    image = Image.fromarray(pixels)
    if settings.codec == "png":
        # After PNG's filters there is little left to find but runs: 40 % of the usual time, for 1 % more bytes.
        image.save(stream, "PNG", compress_type=zlib.Z_RLE)
    elif settings.codec == "jpeg":
        image.save(stream, "JPEG", quality=quality, subsampling=settings.subsampling)
    else:
        image.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def _side(shorter: int, face: Box | None, settings: BuildSettings) -> int:
    """Side of a square crop out of a picture whose shorter side is `shorter`."""
    if settings.resample is None:
        if settings.side >= shorter:
            raise _unsuitable(f"more than {settings.side} px for a crop of that side", f"{shorter}")
        return settings.side
    if face is not None:
        wanted = settings.face_scale * max(face[2], face[3])
    else:
        wanted = shorter * (settings.face_scale / ALIGNED_SCALE if settings.crop == "auto" else 1)
    return max(1, min(round(wanted), shorter - BLOCK))


def _middle(shape: tuple[int, int], face: Box) -> tuple[float, float]:
    """(row, column) of the box's centre."""
    x, y, width, height = face
    if x + width <= 0 or y + height <= 0 or x >= shape[1] or y >= shape[0]:
        raise _unsuitable("a face box inside the picture", f"{face} in {shape[1]} x {shape[0]} px")
    return y + height / 2, x + width / 2


def _window(shape: tuple[int, int], size: tuple[int, int], middle: tuple[float, float], key: str) -> Window:
    y, x = (
        _offset(length, part, centre, key, axis)
        for length, part, centre, axis in zip(shape, size, middle, ("row", "column"), strict=True)
    )
    return Window(x=x, y=y, width=size[1], height=size[0])


def _offset(length: int, part: int, centre: float, key: str, axis: str) -> int:
    """One of the eight offsets about the place asked for, inside the picture, but the multiple of the block.

    Also at the picture's edge all seven others are there to draw from: where a source has its faces must not show in
    where the block grid lies.
    """
    room = length - part
    first = round(centre - part / 2) - BLOCK // 2
    first = max(min(first, room - BLOCK + 1), 0)
    offsets = [offset for offset in range(first, min(first + BLOCK, room + 1)) if offset % BLOCK]
    return offsets[_draw(key, axis, len(offsets))]


def _draw(key: str, what: str, choices: int) -> int:
    """Uniform in 0 .. choices - 1, by hashing: the same in every version of every library."""
    return int.from_bytes(sha256(f"{key} {what}".encode()).digest()) % choices


def _unsuitable(expected: str, found: str) -> UnsuitableImage:
    return UnsuitableImage(expected=expected, found=found, do="Leave the picture out, or choose another crop.")
