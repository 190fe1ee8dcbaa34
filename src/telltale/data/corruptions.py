"""What happens to pictures on their way: the same functions augment training and probe a detector's robustness.

Every corruption is a pure function `(pixels, strength, generator) -> pixels` that keeps the size; all randomness comes
from the generator, so the same generator state gives the same pixels. The unit of `strength` differs and is stated in
each docstring.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from telltale import image
from telltale.errors import InvalidConfig
from telltale.image import Pixels

Corruption: TypeAlias = Callable[[Pixels, float, np.random.Generator], Pixels]


def jpeg(pixels: Pixels, strength: float, _generator: np.random.Generator) -> Pixels:
    """Save as baseline JPEG with 4:2:0 chroma, as most of the web does, and read back.

    Args:
        pixels: the picture.
        strength: quality on libjpeg's scale, 1 to 100, rounded; lower is worse.
    """
    return _resaved(pixels, "JPEG", quality=_quality("jpeg", strength), subsampling="4:2:0")


def webp(pixels: Pixels, strength: float, _generator: np.random.Generator) -> Pixels:
    """Save as lossy WebP (always 4:2:0) and read back.

    Args:
        pixels: the picture.
        strength: quality on libwebp's scale, 1 to 100, rounded; lower is worse.
    """
    return _resaved(pixels, "WEBP", quality=_quality("webp", strength), method=4)


def blur(pixels: Pixels, strength: float, _generator: np.random.Generator) -> Pixels:
    """Gaussian blur, by Pillow's three box filters of fractional width; edges repeat the border pixel.

    Args:
        pixels: the picture.
        strength: standard deviation in pixels, 0 or more; 0 changes nothing.
    """
    _within("blur", strength, 0.0, 100.0)
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(strength)))


def resize(pixels: Pixels, strength: float, _generator: np.random.Generator) -> Pixels:
    """Scale by a factor and back to the first size, both with Lanczos.

    Args:
        pixels: the picture.
        strength: the factor, 0.01 to 8: below 1 detail is lost; above 1 the picture is resampled twice.
    """
    _within("resize", strength, 0.01, 8.0)
    height, width = pixels.shape[:2]
    scaled = image.resize(pixels, max(1, round(height * strength)), max(1, round(width * strength)))
    return image.resize(scaled, height, width)


def noise(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Add Gaussian noise, independent for every pixel and channel, then round and clip.

    Args:
        pixels: the picture.
        strength: standard deviation in grey levels of 0 to 255, 0 or more.
        generator: draws the noise.
    """
    _within("noise", strength, 0.0, 255.0)
    drawn = generator.standard_normal(pixels.shape, np.float32)
    drawn *= np.float32(strength)
    drawn += pixels
    np.rint(drawn, out=drawn)
    return np.clip(drawn, 0, 255, out=drawn).astype(np.uint8)


def gamma(pixels: Pixels, strength: float, _generator: np.random.Generator) -> Pixels:
    """Raise every value, taken from 0 to 1, to a power.

    Args:
        pixels: the picture.
        strength: the exponent, 0.1 to 10: below 1 is brighter, above 1 darker.
    """
    _within("gamma", strength, 0.1, 10.0)
    curve = np.rint(255 * (np.arange(256) / 255) ** strength).astype(np.uint8)
    return np.asarray(curve[pixels])


def flip(pixels: Pixels, _strength: float, _generator: np.random.Generator) -> Pixels:
    """Mirror left and right; the strength has no meaning."""
    return np.ascontiguousarray(pixels[:, ::-1])


CORRUPTIONS: dict[str, Corruption] = {
    "jpeg": jpeg,
    "webp": webp,
    "blur": blur,
    "resize": resize,
    "noise": noise,
    "gamma": gamma,
    "flip": flip,
}


def corrupt(pixels: Pixels, name: str, strength: float, generator: np.random.Generator) -> Pixels:
    """One corruption by name; the size stays the same.

    Args:
        pixels: the picture.
        name: a key of `CORRUPTIONS`.
        strength: in the corruption's own unit.
        generator: all randomness comes from it.

    Raises:
        InvalidConfig: an unknown name, or a strength out of range.
    """
    if name not in CORRUPTIONS:
        raise InvalidConfig(
            expected=f"a corruption out of {', '.join(CORRUPTIONS)}", found=repr(name), do="Choose one."
        )
    return CORRUPTIONS[name](pixels, strength, generator)


def _resaved(pixels: Pixels, kind: str, **options: Any) -> Pixels:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    with Image.open(stream, formats=[kind]) as opened:
        return np.asarray(opened.convert("RGB"))


def _quality(name: str, strength: float) -> int:
    _within(name, strength, 1.0, 100.0)
    return round(strength)


def _within(name: str, strength: float, low: float, high: float) -> None:
    # Written so that NaN fails too.
    if not low <= strength <= high:
        raise InvalidConfig(
            expected=f"a strength of {low:g} to {high:g} for {name}", found=f"{strength:g}", do="Correct the strength."
        )
