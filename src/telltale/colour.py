"""From what Pillow loaded to upright 8-bit sRGB: orientation, depth, colour profile, transparency.

`telltale.image.decode` is the only caller.
"""

import warnings
from functools import lru_cache
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms

from telltale.errors import UndecodableImage

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pixels converted at a time.
_STRIP = 4_000_000


def to_srgb(image: Image.Image, label: str) -> UInt8[np.ndarray, "height width 3"]:
    """Orientation, depth, colour, alpha: in that order; in strips, so that a large picture is not held many times.

    Args:
        image: loaded, as Pillow opened it.
        label: what errors and warnings call it.

    Returns:
        0 to 255; a damaged colour profile or EXIF block is ignored with a warning.

    Raises:
        UndecodableImage: samples whose range nobody states.
    """
    white = _white_level(image, label)
    upright = _orient(image, label)
    mode = _colour_mode(upright)
    transform = _transform(mode, image.info.get("icc_profile"), label)
    pixels = np.empty((upright.height, upright.width, 3), np.uint8)
    rows = max(1, _STRIP // upright.width)
    for first in range(0, upright.height, rows):
        # Each of Pillow's steps copies, also one that changes nothing: a small picture is one strip, RGB stays RGB.
        bounds = (0, first, upright.width, min(first + rows, upright.height))
        strip = upright if rows >= upright.height else upright.crop(bounds)
        shallow = strip if white is None else _eight_bit(strip, white)
        pixels[first : first + rows] = np.asarray(_over_white(shallow, mode, transform))
    return pixels


def _white_level(image: Image.Image, label: str) -> int | None:
    """The sample that means white in a picture of more than 8 bits, negative where 0 means white; None for 8 bits.

    Floating point and 32 bits have no stated range, so they are refused rather than guessed.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        # TIFF is the one format here with 12-bit samples, and the one in which 0 may mean white.
        tags = getattr(image, "tag_v2", {})
        white: int = (1 << int(tags.get(ExifTags.Base.BitsPerSample, (16,))[0])) - 1
        return -white if tags.get(ExifTags.Base.PhotometricInterpretation) == 0 else white
    if image.mode in ("I", "F"):
        raise UndecodableImage(
            expected="samples of at most 16 bits, or whose range is stated",
            found=f"samples of more than 16 bits (mode {image.mode}) whose range is not stated: {label}",
            do="Convert the picture to 8 or 16 bits.",
        )
    return None


def _orient(image: Image.Image, label: str) -> Image.Image:
    """Turn the picture as its EXIF block says; a broken entry elsewhere in the block does not matter."""
    try:
        method = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception as error:
        warnings.warn(f"{label}: damaged EXIF block ignored ({error})", stacklevel=2)
        return image
    return image if method is None else image.transpose(method)


def _eight_bit(strip: Image.Image, white: int) -> Image.Image:
    """16-bit greyscale to 8 bit, rounded, with the alpha of its one transparent value where it has one."""
    deep = np.asarray(strip).astype(np.uint32)
    grey = np.minimum((deep * 255 + abs(white) // 2) // abs(white), 255).astype(np.uint8)
    shallow = Image.fromarray(grey if white > 0 else 255 - grey)
    if "transparency" in strip.info:
        shallow.putalpha(Image.fromarray(np.where(deep == strip.info["transparency"], 0, 255).astype(np.uint8)))
    return shallow


def _colour_mode(image: Image.Image) -> str:
    """The mode, without alpha, in which a profile describes the picture's colours."""
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def _over_white(strip: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    """To sRGB, then over white where the picture is transparent."""
    layered = strip.convert(mode + "A") if strip.has_transparency_data else strip
    colour = layered if layered.mode == mode else layered.convert(mode)
    managed = _applied(transform, colour) if transform else colour if mode == "RGB" else colour.convert("RGB")
    if layered is strip:
        return managed
    white = Image.new("RGB", strip.size, "white")
    white.paste(managed, mask=layered.getchannel("A"))
    return white


def _transform(mode: str, profile: bytes | None, label: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB through the embedded profile; None where the numbers are sRGB, as they are taken to be without one."""
    if mode == "LAB":
        return _to_srgb_from(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), mode)
    if not profile:
        return None
    try:
        if mode == "RGB" and _is_srgb(profile):
            return None
        return _to_srgb_from(ImageCms.ImageCmsProfile(BytesIO(profile)), mode)
    except (ImageCms.PyCMSError, OSError) as error:
        warnings.warn(f"{label}: unusable colour profile ignored ({error})", stacklevel=2)
        return None


def _to_srgb_from(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")


def _applied(transform: ImageCms.ImageCmsTransform, colour: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(colour, transform)
    assert converted is not None  # only a transform in place returns None
    return converted


@lru_cache(maxsize=32)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile leaves a grid of colours alone but for rounding; its name proves nothing."""
    levels = np.linspace(0, 255, 9, dtype=np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    transform = _to_srgb_from(ImageCms.ImageCmsProfile(BytesIO(profile)), "RGB")
    moved = np.asarray(_applied(transform, Image.fromarray(probe)))
    return int(np.abs(moved.astype(np.int16) - probe).max()) <= 2
