"""What a file's container says: the facts that must not predict the label, kept beside every built picture."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from jaxtyping import Float
from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError

from telltale.data.containers import container
from telltale.errors import UndecodableImage

_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFacts:
    """Facts of one file, from its header.

    Attributes:
        format: Pillow's name, such as "JPEG".
        width: stored pixels, before the EXIF orientation is applied.
        height: as width.
        bytes: the file's size.
        overhead: bytes that follow no content (headers, metadata, tables, trailing data); None outside JPEG, PNG, WebP.
        mode: Pillow's colour mode, such as "RGB" or "P".
        depth: bits of a sample as stored; 8 for AVIF, HEIC and WebP, as they are decoded.
        quality: JPEG quality on libjpeg's scale, 1 to 100, the nearest where the tables are others; else None.
        tables: short hash of a JPEG's quantisation tables, equal for equal tables; "" elsewhere.
        subsampling: JPEG chroma, "4:2:0" and so on; "" elsewhere.
        progressive: a progressive JPEG or an interlaced PNG.
        has_exif: an EXIF block.
        has_icc: a colour profile.
        has_xmp: an XMP packet.
        exif_date: date and time as the EXIF block writes them, "" without, "unreadable" where the block is damaged.
        marks: segments or chunks in file order, with the details that tell encoders apart; "" outside JPEG, PNG, WebP.
    """

    format: str
    width: int
    height: int
    bytes: int
    overhead: int | None
    mode: str
    depth: int
    quality: int | None
    tables: str
    subsampling: str
    progressive: bool
    has_exif: bool
    has_icc: bool
    has_xmp: bool
    exif_date: str
    marks: str


def format_facts(data: bytes, *, name: str = "<bytes>") -> FormatFacts:
    """Read the facts of a picture that `telltale.decode` accepts; no pixel is decoded.

    Args:
        data: the whole file.
        name: what errors call the picture.

    Raises:
        UndecodableImage: not a picture, or one whose header is damaged.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            return _facts(image, data)
    # A damaged header can raise nearly anything from a parser; each means the same to the caller.
    except Exception as error:
        reason = "no known picture format" if isinstance(error, UnidentifiedImageError) else repr(error)
        raise UndecodableImage(
            expected="a picture whose header can be read",
            found=f"{reason if data else 'an empty file (0 bytes)'}: {name}",
            do="Check the file, or leave it out.",
        ) from error


def _facts(image: Image.Image, data: bytes) -> FormatFacts:
    jpeg = image if isinstance(image, JpegImagePlugin.JpegImageFile) else None
    inside = container(data, image.format or "")
    chunks = inside.marks.split() if inside else ()
    return FormatFacts(
        format=image.format or "",
        width=image.width,
        height=image.height,
        bytes=len(data),
        overhead=inside.overhead if inside else None,
        mode=image.mode,
        depth=_depth(image, data),
        quality=jpeg_quality(jpeg.quantization) if jpeg else None,
        tables=_table_hash(jpeg.quantization) if jpeg else "",
        subsampling=_subsampling(jpeg) if jpeg else "",
        progressive=bool(image.info.get("progressive") or image.info.get("interlace")),
        has_exif=bool(image.info.get("exif")) or "eXIf" in chunks or _has_camera_block(image),
        has_icc=bool(image.info.get("icc_profile")),
        has_xmp=bool(image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")),
        exif_date=_exif_date(image),
        marks=inside.marks if inside else "",
    )


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality on libjpeg's scale whose tables lie nearest, in the mean ratio of their steps.

    Args:
        tables: the first is for luminance, the second for chroma; 64 steps each, in raster order.

    Returns:
        1 to 100; exact for libjpeg's own tables (of the few low qualities with equal tables, the lowest), an equivalent
        for other encoders. None without tables.
    """
    if 0 not in tables:
        return None
    return _nearest_quality(tuple(tuple(tables[index]) for index in ((0, 1) if 1 in tables else (0,))))


@lru_cache(maxsize=1024)
def _nearest_quality(tables: tuple[tuple[int, ...], ...]) -> int:
    """Kept, since the files of one source share their tables."""
    gaps = np.zeros(100)
    for standard, table in zip(_standard_tables(), tables, strict=False):
        found = np.log(np.maximum(np.array(table, dtype=np.float64), 1))
        gaps += np.abs(standard - found).mean(axis=1)
    return 1 + int(gaps.argmin())


def luminance_steps(data: bytes) -> tuple[int, ...] | None:
    """The 64 quantisation steps of a JPEG's brightness, in raster order; None for another format.

    Raises:
        OSError: not a picture.
    """
    with Image.open(BytesIO(data)) as image:
        tables = image.quantization if isinstance(image, JpegImagePlugin.JpegImageFile) else {}
        return tuple(tables[0]) if 0 in tables else None


@lru_cache(maxsize=1)
def _standard_tables() -> Float[np.ndarray, "2 100 64"]:
    """Logarithm of libjpeg's luminance and chroma tables at each quality, as the library itself writes them."""
    tables = np.empty((2, 100, 64))
    for quality in range(1, 101):
        stream = BytesIO()
        Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            for index in (0, 1):
                tables[index, quality - 1] = np.log(np.array(image.quantization[index], dtype=np.float64))
    return tables


def _table_hash(tables: Mapping[int, Sequence[int]]) -> str:
    flat = [number for index in sorted(tables) for number in (index, *tables[index])]
    return hashlib.sha256(np.asarray(flat, "<u2").tobytes()).hexdigest()[:8]


def _subsampling(image: JpegImagePlugin.JpegImageFile) -> str:
    if image.layers == 1:
        return "grey"
    return _SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "other")


def _depth(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG":
        return data[24]
    if image.format == "JPEG":
        return int(getattr(image, "bits", 8))
    if image.format == "TIFF":
        return int(getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, (1,))[0])
    return {"1": 1, "I": 32, "F": 32}.get(image.mode, 16 if image.mode.startswith("I;16") else 8)


def _has_camera_block(image: Image.Image) -> bool:
    """A TIFF file is built like an EXIF block, so only the camera's own part of it counts."""
    return image.format == "TIFF" and ExifTags.IFD.Exif in getattr(image, "tag_v2", {})


def _exif_date(image: Image.Image) -> str:
    try:
        block = image.getexif()
        date = block.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or block.get(ExifTags.Base.DateTime)
    # A damaged block can raise nearly anything; that it is there and damaged is all there is to know.
    except Exception:
        return "unreadable"
    return str(date).strip("\0 ") if date else ""
