"""What a file's container says: the facts that must not predict the label, kept beside every built picture."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from jaxtyping import Float
from PIL import Image, JpegImagePlugin

_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFacts:
    """Facts of one file, from its header.

    Attributes:
        format: Pillow's name, such as "JPEG".
        width: stored pixels, before the EXIF orientation is applied.
        height: as width.
        bytes: the file's size.
        mode: Pillow's colour mode, such as "RGB" or "P".
        quality: JPEG quality on libjpeg's scale, 1 to 100, the nearest where the tables are others; else None.
        subsampling: JPEG chroma, "4:2:0" and so on; "" elsewhere.
        progressive: a progressive JPEG.
        has_exif: an EXIF block.
        has_icc: a colour profile.
        has_xmp: an XMP packet.
    """

    format: str
    width: int
    height: int
    bytes: int
    mode: str
    quality: int | None
    subsampling: str
    progressive: bool
    has_exif: bool
    has_icc: bool
    has_xmp: bool


def format_facts(data: bytes) -> FormatFacts:
    """Read the facts of a picture that `telltale.decode` accepts; no pixel is decoded.

    Raises:
        OSError: not a picture; decode it first for a message that says why.
    """
    with Image.open(BytesIO(data)) as image:
        jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
        return FormatFacts(
            format=image.format or "",
            width=image.width,
            height=image.height,
            bytes=len(data),
            mode=image.mode,
            quality=_quality(image) if jpeg else None,
            subsampling=_SUBSAMPLING.get(JpegImagePlugin.get_sampling(image), "other") if jpeg else "",
            progressive=bool(image.info.get("progressive")),
            has_exif="exif" in image.info,
            has_icc="icc_profile" in image.info,
            has_xmp="xmp" in image.info,
        )


def _quality(image: JpegImagePlugin.JpegImageFile) -> int | None:
    """The quality whose luminance table lies nearest, in the mean ratio of its steps."""
    tables = image.quantization
    if 0 not in tables:
        return None
    found = np.log(np.maximum(np.array(tables[0], dtype=np.float64), 1))
    return 1 + int(np.abs(_standard_tables() - found).mean(axis=1).argmin())


@lru_cache(maxsize=1)
def _standard_tables() -> Float[np.ndarray, "100 64"]:
    """Logarithm of libjpeg's luminance table at each quality, as the library itself writes them."""
    tables = []
    for quality in range(1, 101):
        stream = BytesIO()
        Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            tables.append(np.log(np.array(image.quantization[0], dtype=np.float64)))
    return np.stack(tables)
