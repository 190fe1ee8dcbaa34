"""From bytes to pixels, once and here.

`decode` turns a file into upright 8-bit sRGB pixels; `prepare` brings them to the form a detector was trained on.
Training, building data sets and serving all pass through these two functions, so that nothing differs between them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from telltale.colour import to_srgb
from telltale.errors import InvalidConfig, MissingExtra, TooManyPixels, UndecodableImage, UnsuitableImage, require

Pixels: TypeAlias = UInt8[np.ndarray, "height width 3"]
# The same, where a function takes pixels of one size and returns another: one name is one size to the shape checker.
Resized: TypeAlias = UInt8[np.ndarray, "new_height new_width 3"]
Fit = Literal["shorter", "centre", "square"]
Resample = Literal["lanczos", "bicubic", "bilinear"]

MAX_PIXELS = 100_000_000
# Only raster formats with a maintained decoder: EPS or PDF would start an interpreter on a stranger's file.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
_RESAMPLE = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
# Pillow warns above this many pixels and refuses above twice as many.
_PILLOW_LIMIT = 89_478_485
_pillow_limit_lock = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How pixels are brought to the form a detector was trained on: data, bound to its weights.

    Attributes:
        side: pixels of the shorter side (fit "shorter") or of both sides; None keeps the native pixels.
        fit: "shorter" scales until the shorter side is `side` and keeps the aspect; "centre" then takes the centre
            square; "square" stretches to a square, as the paper's released code does.
        resample: interpolation filter. Lanczos is the paper's.
        stored_side: stretch to this many pixels first, as the paper did when it stored every image as a 128-px PNG.
            An image that already has the final size has been through this and is left alone.
    """

    side: int | None = None
    fit: Fit = "shorter"
    resample: Resample = "lanczos"
    stored_side: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing.

        Raises:
            InvalidConfig: a side below 1, or a filter, fit or stored side that does not apply.
        """
        if self.fit not in ("shorter", "centre", "square") or self.resample not in _RESAMPLE:
            raise InvalidConfig(
                expected="fit shorter, centre or square and resample lanczos, bicubic or bilinear",
                found=f"fit {self.fit!r}, resample {self.resample!r}",
                do="Correct the preparation.",
            )
        if (self.side is not None and self.side < 1) or (self.side is None and self.fit != "shorter"):
            raise InvalidConfig(expected="a side of 1 or more", found=str(self.side), do="Give the side in pixels.")
        if self.stored_side is not None and (self.stored_side < 1 or self.fit != "square"):
            raise InvalidConfig(
                expected="stored_side of 1 or more, together with fit 'square'",
                found=f"stored_side {self.stored_side}, fit {self.fit!r}",
                do="Leave stored_side out.",
            )

    def window(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """The (rows, columns) of a picture of `shape` = (height, width) pixels that its prepared form shows.

        Everything, unless the preparation cuts out the centre.
        """
        if self.fit != "centre":
            return slice(0, shape[0]), slice(0, shape[1])
        side = min(shape)
        top, left = ((length - side) // 2 for length in shape)
        return slice(top, top + side), slice(left, left + side)


def decode(source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Pixels:
    """Read a picture as upright 8-bit sRGB pixels, alpha over white, first frame of an animation.

    Reads JPEG (also CMYK and greyscale), PNG (also palette and 16 bit), WebP, AVIF, TIFF, BMP, GIF, PPM, and HEIC with
    the `[heif]` extra. A damaged colour profile or EXIF block is ignored with a warning, as viewers do.

    Args:
        source: a path, or the file's bytes.
        max_pixels: refuse larger pictures, judged by the header before any pixel is decoded.
        name: what errors call the picture; its path where that is known.

    Returns:
        Pixels, uint8, (height, width, 3), 0 to 255.

    Raises:
        UndecodableImage: missing, empty, truncated, too large, or not a picture; names the file and what was wrong.
        MissingExtra: a HEIC picture without the `[heif]` extra.
    """
    label = name or ("<bytes>" if isinstance(source, bytes) else str(source))
    with _stream(source, label) as stream:
        image = _open(stream, label, max_pixels)
        try:
            with _no_pillow_limit() if image.width * image.height > _PILLOW_LIMIT else nullcontext():
                image.load()
            return to_srgb(image, label)
        except UndecodableImage:
            raise
        # A damaged file can raise nearly anything from a decoder; each means the same to the caller.
        except Exception as error:
            raise _undecodable(label, f"a damaged {image.format} file ({error})") from error


def prepare(pixels: Pixels, preparation: Preparation, *, max_pixels: int = MAX_PIXELS) -> Resized:
    """Bring pixels to the form `preparation` describes; a prepared picture passes through unchanged.

    Raises:
        UnsuitableImage: so elongated that scaling its shorter side would make more than `max_pixels`.
    """
    height, width = pixels.shape[:2]
    if preparation.side is None or not (height and width):
        return pixels
    new_height, new_width = _target(height, width, preparation.side, preparation.fit)
    if (new_height, new_width) != (height, width):
        if new_height * new_width > max(max_pixels, height * width):
            raise UnsuitableImage(
                expected=f"a picture that scales to at most {max_pixels:,} pixels",
                found=f"{width} x {height} pixels, which would become {new_width} x {new_height}",
                do="Crop the picture.",
            )
        if preparation.stored_side is not None:
            pixels = resize(pixels, preparation.stored_side, preparation.stored_side, preparation.resample)
        pixels = resize(pixels, new_height, new_width, preparation.resample)
    return _centre(pixels, preparation.side) if preparation.fit == "centre" else pixels


def resize(pixels: Pixels, height: int, width: int, resample: Resample = "lanczos") -> Resized:
    """Scale to (height, width) with Pillow's antialiased filters; the same size passes through unchanged."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), _RESAMPLE[resample]))


def _target(height: int, width: int, side: int, fit: Fit) -> tuple[int, int]:
    if fit == "square":
        return side, side
    shorter = min(height, width)
    return max(side, round(height * side / shorter)), max(side, round(width * side / shorter))


def _centre(pixels: Pixels, side: int) -> Resized:
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _undecodable(label: str, found: str) -> UndecodableImage:
    return UndecodableImage(
        expected=f"a picture ({', '.join(FORMATS)}, HEIC)",
        found=f"{found}: {label}",
        do="Check the file, or leave it out.",
    )


def _stream(source: str | Path | bytes, label: str) -> BufferedReader | BytesIO:
    """The file, opened but not read, so that a header which is refused costs nothing; a pipe is read whole."""
    if isinstance(source, bytes):
        return BytesIO(source)
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 (`decode` closes it)
        if stream.seekable():
            return stream
        with stream:
            return BytesIO(stream.read())
    # A path with a null character raises ValueError.
    except (OSError, ValueError) as error:
        raise _undecodable(label, f"a file that cannot be read ({error.args[-1]})") from error


@contextmanager
def _no_pillow_limit() -> Iterator[None]:
    """Lift Pillow's own limit, one global number that no argument overrides; ours takes its place."""
    with _pillow_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _open(stream: BufferedReader | BytesIO, label: str, max_pixels: int) -> Image.Image:
    """Parse the header and check the size before any pixel is decoded."""
    formats = list(FORMATS)
    try:
        head = stream.read(64)
        if _is_heic(head):
            require("pillow_heif", "heif").register_heif_opener()
            formats.append("HEIF")
        with _no_pillow_limit():
            image = Image.open(stream, formats=formats)
    except MissingExtra:
        raise
    except Exception as error:
        reason = "no known picture format" if isinstance(error, UnidentifiedImageError) else str(error)
        found = "an empty file (0 bytes)" if not head else f"a file that does not open as a picture ({reason})"
        raise _undecodable(label, found) from error
    if image.width * image.height > max_pixels:
        raise TooManyPixels(
            expected=f"at most {max_pixels:,} pixels",
            found=f"{image.width} x {image.height} = {image.width * image.height:,}: {label}",
            do="Raise the limit with --max-pixels (max_pixels=) if you trust the file.",
        )
    if not image.width * image.height:
        raise _undecodable(label, f"a {image.format} file without pixels ({image.width} x {image.height})")
    return image


def _is_heic(head: bytes) -> bool:
    brands = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
    return head[4:8] == b"ftyp" and head[8:12] in brands and b"avif" not in head[8:]
