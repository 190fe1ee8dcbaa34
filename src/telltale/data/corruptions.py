"""What happens to pictures on their way: the same functions augment training and probe a detector's robustness.

Every corruption is a pure function `(pixels, strength, generator) -> pixels` that keeps the size; all randomness comes
from the generator, so the same generator state gives the same pixels. The unit of `strength` differs and is stated in
each docstring.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

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
    return image.resize(_scaled(pixels, strength, "lanczos"), height, width)


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


def crop(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Keep a part of the picture and enlarge it to the first size with Lanczos, as a viewer that fills its frame does.

    The enlargement is part of the corruption: a crop that kept its own pixels would change nothing for a patch that it
    still shows.

    Args:
        pixels: the picture.
        strength: share of each side that is kept, 0.05 to 1; 1 changes nothing.
        generator: draws the offset, uniformly.
    """
    _within("crop", strength, 0.05, 1.0)
    height, width = pixels.shape[:2]
    rows, columns = max(1, round(height * strength)), max(1, round(width * strength))
    top, left = generator.integers(0, (height - rows + 1, width - columns + 1))
    return image.resize(pixels[top : top + rows, left : left + columns], height, width)


def jitter(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Multiply brightness, contrast and saturation, in that order, by a factor each; hue stays.

    The usual colour jitter of contrastive training (Chen et al., SimCLR, 2020, appendix A) without its change of hue,
    which pictures rarely meet on their way; that paper's range is 0.8, far beyond what a viewer would leave alone.

    Args:
        pixels: the picture.
        strength: each factor is drawn uniformly from 1 - strength to 1 + strength; 0 to 1; 0 changes nothing.
        generator: draws the three factors.
    """
    _within("jitter", strength, 0.0, 1.0)
    changed = Image.fromarray(pixels)
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        changed = enhancer(changed).enhance(generator.uniform(1 - strength, 1 + strength))
    return np.asarray(changed)


def screenshot(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Shown at a zoom, captured, and brought back: bilinear scaling, a little sharpening, another gamma, bicubic back.

    A screenshot is stored as PNG, which loses nothing, so that no codec takes part. The zooms to try are those that
    browsers and displays offer (67, 75, 80, 90, 110, 125, 150 %); how much viewers sharpen and how far displays differ
    in gamma is our choice, kept where an eye does not mind.

    Args:
        pixels: the picture.
        strength: the zoom, 0.1 to 4; sensible values are no whole numbers.
        generator: draws the sharpening (unsharp mask of radius 1 px, 20 to 60 %) and the gamma (0.95 to 1.05).
    """
    _within("screenshot", strength, 0.1, 4.0)
    height, width = pixels.shape[:2]
    shown = _scaled(pixels, strength, "bilinear")
    percent = int(generator.integers(20, 61))
    sharper = Image.fromarray(shown).filter(ImageFilter.UnsharpMask(radius=1, percent=percent, threshold=0))
    seen = gamma(np.asarray(sharper), generator.uniform(0.95, 1.05), generator)
    return image.resize(seen, height, width, "bicubic")


def social(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Sent through one or two services: scaled down, saved lossily, perhaps saved again by the next, and scaled back.

    That services scale and compress again is measured by Giudice et al. (A classification engine for image ballistics
    of social data, ICIAP 2017); what they do changes by the month, so the numbers here are our choice: JPEG 4:2:0 of
    quality 70 to 85, then, for half of the pictures, once more as JPEG or, for half of those, as WebP, of the same
    range.

    Args:
        pixels: the picture.
        strength: the factor by which the sides shrink (Lanczos), 0.05 to 1; at 1 only the codecs act.
        generator: draws the qualities and the second service.
    """
    _within("social", strength, 0.05, 1.0)
    height, width = pixels.shape[:2]
    first, second = generator.integers(70, 86, 2)
    again, as_webp = generator.random(2) < 0.5
    sent = jpeg(_scaled(pixels, strength, "lanczos"), float(first), generator)
    if again:
        sent = (webp if as_webp else jpeg)(sent, float(second), generator)
    return image.resize(sent, height, width)


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
    "crop": crop,
    "jitter": jitter,
    "screenshot": screenshot,
    "social": social,
    "flip": flip,
}
# Their strength is rounded, so that two strengths may be one.
WHOLE = ("jpeg", "webp")


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


def _scaled(pixels: Pixels, factor: float, resample: image.Resample) -> image.Resized:
    height, width = pixels.shape[:2]
    return image.resize(pixels, max(1, round(height * factor)), max(1, round(width * factor)), resample)


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
