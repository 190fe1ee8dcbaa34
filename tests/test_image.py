"""Bytes to pixels: awkward files decode to the pixels they hold, broken ones name themselves and what is wrong."""

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from io import BytesIO
from itertools import product
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from telltale import colour
from telltale import image as image_module
from telltale.errors import InvalidConfig, MissingExtra, TelltaleError, UndecodableImage, UnsuitableImage
from telltale.image import Fit, Pixels, Preparation, Resample, decode, prepare, resize

# ---------------------------------------------------------------- making files

_Number = TypeVar("_Number", bound=np.generic)


def scene(height: int = 48, width: int = 64) -> Pixels:
    """Slopes and a noisy corner: no two flips or turns of it are alike."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (height + width)], -1).astype(np.uint8)
    pixels[: height // 4, : width // 4] = np.random.default_rng(7).integers(0, 256, (height // 4, width // 4, 3))
    return pixels


def smooth(height: int = 48, width: int = 64) -> Pixels:
    """Slopes only: lossy codecs keep it within a few levels."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3, y * 3, x + y], -1).astype(np.uint8)


def encoded(picture: Image.Image | Pixels, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, format=kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples: NDArray[np.integer], colour: int, depth: int, *extra: bytes) -> bytes:
    """A PNG written by hand: Pillow writes neither 16-bit colour nor every kind of transparency."""
    height, width = samples.shape[:2]
    lines = b"".join(b"\0" + line.astype(f">u{depth // 8}").tobytes() for line in samples)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def tiff(samples: bytes, width: int, height: int, bits: int, *, photometric: int = 1, orientation: int = 1) -> bytes:
    """A greyscale TIFF written by hand: one strip, little-endian."""
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8),
        (274, 3, orientation), (277, 3, 1), (278, 4, height), (279, 4, len(samples)),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    directory = struct.pack("<H", len(entries)) + table + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", 8 + len(samples)) + samples + directory


def exif(orientation: int) -> bytes:
    return b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1" + struct.pack(">HHI", orientation, 0, 0)


SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
SWAPPED = SRGB_PRIMARIES[::-1]


def icc(
    space: bytes = b"RGB ",
    gamma: float = 2.2,
    primaries: tuple[tuple[float, float, float], ...] = SRGB_PRIMARIES,
    name: bytes = b"made for a test",
) -> bytes:
    """A small ICC v2 profile: three primaries and one gamma, or a grey gamma."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": xyz(0.9642, 1.0, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {letter + b"TRC": curve for letter in (b"r", b"g", b"b")}
        tags |= {letter + b"XYZ": xyz(*one) for letter, one in zip((b"r", b"g", b"b"), primaries, strict=True)}
    table, data, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", offset + len(data), len(value))
        data += padded
    header = struct.pack(">I4sI4s4s4s", 0, b"lcms", 0x02100000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    whole = header.ljust(128, b"\0") + table + data
    return struct.pack(">I", len(whole)) + whole[4:]


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def from_linear(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sRGB transfer curve of IEC 61966-2-1, 0 to 255."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def over_white(colour: NDArray[np.generic], alpha: NDArray[np.generic]) -> NDArray[np.float64]:
    share = alpha.astype(np.float64)[..., None] / 255
    return np.asarray(colour.astype(np.float64) * share + 255 * (1 - share))


def apart(found: Pixels, expected: NDArray[np.generic]) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())


def heif(picture: Image.Image | Pixels, **options: object) -> bytes:
    pytest.importorskip("pillow_heif").register_heif_opener()
    return encoded(picture, "HEIF", **options)


def grey_as_rgb(grey: NDArray[_Number]) -> NDArray[_Number]:
    return np.repeat(grey[..., None], 3, axis=2)


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("PNG", {"optimize": True}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
        ("BMP", {}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_give_back_every_pixel(kind: str, options: dict[str, object]) -> None:
    assert np.array_equal(decode(encoded(scene(), kind, **options)), scene())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("MPO", {"quality": 95}),
        ("WEBP", {"quality": 95}),
        ("AVIF", {"quality": 95}),
        ("TIFF", {"compression": "jpeg", "quality": 95}),
    ],
)
def test_lossy_formats_stay_close(kind: str, options: dict[str, object]) -> None:
    assert apart(decode(encoded(smooth(), kind, **options)), smooth()) <= 12


def test_heic() -> None:
    assert apart(decode(heif(smooth(), quality=95)), smooth()) <= 12


def test_heic_shows_the_primary_picture_not_the_first() -> None:
    stream = BytesIO()
    container = pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(smooth()))
    container.add_from_pillow(Image.new("RGB", (64, 48), "red"))
    container.save(stream, primary_index=1, quality=95)
    assert decode(stream.getvalue())[:, :, 0].min() > 200


def test_heic_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heif(smooth())
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MissingExtra, match=r"pip install 'telltale\[heif\]'"):
        decode(data)


def test_greyscale_jpeg_and_one_bit_png() -> None:
    grey = smooth()[:, :, 0]
    assert apart(decode(encoded(grey, "JPEG", quality=95)), grey_as_rgb(grey)) <= 6
    bits = scene()[:, :, 0] > 100
    assert np.array_equal(decode(encoded(Image.fromarray(bits), "PNG")), grey_as_rgb(bits * np.uint8(255)))


def test_cmyk_is_right_whether_adobe_inverted_it_or_not() -> None:
    picture = Image.fromarray(smooth()).convert("CMYK")
    expected = np.asarray(picture.convert("RGB"))
    data = encoded(picture, "JPEG", quality=95)
    marker = data.index(b"Adobe")
    assert apart(decode(data), expected) <= 12
    # Without Adobe's marker segment the numbers are still taken as inverted, as browsers do.
    plain = data[: marker - 4] + data[marker - 2 + struct.unpack(">H", data[marker - 2 : marker])[0] :]
    assert b"Adobe" not in plain
    assert np.array_equal(decode(plain), decode(data))
    assert np.array_equal(decode(encoded(picture, "TIFF")), expected)


def test_palette_png_with_and_without_transparency() -> None:
    picture = Image.fromarray(scene()).quantize(32)
    colours = np.asarray(picture.convert("RGB"))
    assert np.array_equal(decode(encoded(picture, "PNG")), colours)
    alphas = bytes(range(0, 256, 8))
    expected = over_white(colours, np.frombuffer(alphas, np.uint8)[np.asarray(picture)])
    assert apart(decode(encoded(picture, "PNG", transparency=alphas)), expected) <= 1
    one = np.where(np.asarray(picture) == 3, 0, 255)
    assert apart(decode(encoded(picture, "PNG", transparency=3)), over_white(colours, one)) == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_over_white(kind: str) -> None:
    alpha = np.linspace(0, 255, 48 * 64).astype(np.uint8).reshape(48, 64)
    rgba = np.dstack([scene(), alpha])
    options: dict[str, object] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert apart(decode(encoded(Image.fromarray(rgba), kind, **options)), over_white(scene(), alpha)) <= 1


def test_grey_with_alpha_and_transparent_colours() -> None:
    grey, alpha = scene()[:, :, 0], scene()[:, :, 1]
    data = encoded(Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha))), "PNG")
    assert apart(decode(data), over_white(grey_as_rgb(grey), alpha)) <= 1
    key = chunk(b"tRNS", struct.pack(">H", int(grey[40, 40])))
    shown = grey_as_rgb(np.where(grey == grey[40, 40], 255, grey))
    assert np.array_equal(decode(png(grey, 0, 8, key)), shown)
    colour = scene()
    key = chunk(b"tRNS", struct.pack(">3H", *colour[5, 5].tolist()))
    shown = np.where((colour == colour[5, 5]).all(-1, keepdims=True), 255, colour)
    assert np.array_equal(decode(png(colour, 2, 8, key)), shown)


def deep() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 65536, (9, 11), dtype=np.uint16)


def test_sixteen_bit_grey_is_rounded_not_cut() -> None:
    expected = grey_as_rgb(np.rint(deep() / 257))
    assert np.array_equal(decode(png(deep(), 0, 16)), expected)
    assert np.array_equal(decode(encoded(Image.fromarray(deep()), "TIFF")), expected)
    assert np.array_equal(decode(encoded(Image.fromarray(deep()), "PPM")), expected)


def test_sixteen_bit_grey_keeps_its_transparency() -> None:
    key = chunk(b"tRNS", struct.pack(">H", int(deep()[2, 3])))
    found = decode(png(deep(), 0, 16, key))
    expected = np.where(deep() == deep()[2, 3], 255, np.rint(deep() / 257))
    assert np.array_equal(found, grey_as_rgb(expected))


def test_sixteen_bit_colour_and_alpha() -> None:
    samples = np.random.default_rng(2).integers(0, 65536, (9, 11, 4))
    assert apart(decode(png(samples[..., :3], 2, 16)), samples[..., :3] / 257) <= 1
    assert apart(decode(png(samples, 6, 16)), over_white(samples[..., :3] / 257, samples[..., 3] / 257)) <= 2
    grey = over_white(grey_as_rgb(samples[..., 0] / 257), samples[..., 3] / 257)
    assert apart(decode(png(samples[..., [0, 3]], 4, 16)), grey) <= 2


def test_twelve_bit_tiff_fills_the_range() -> None:
    samples = np.random.default_rng(3).integers(0, 4096, (6, 8))
    pairs = samples.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
    found = decode(tiff(packed.astype(np.uint8).tobytes(), 8, 6, 12))
    assert np.array_equal(found, grey_as_rgb(np.rint(samples * 255 / 4095)))


def test_tiff_in_which_zero_is_white() -> None:
    expected = 255 - np.rint(deep() / 257)
    assert np.array_equal(decode(tiff(deep().astype("<u2").tobytes(), 11, 9, 16, photometric=0)), grey_as_rgb(expected))


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("bits", "kind"), [(32, "<u4"), (32, "<f4")])
def test_samples_without_a_stated_range_are_refused(bits: int, kind: str, orientation: int) -> None:
    if kind == "<f4":
        data = encoded(Image.fromarray(np.linspace(0, 1, 99, dtype=np.float32).reshape(9, 11)), "TIFF")
    else:
        data = tiff(deep().astype(kind).tobytes(), 11, 9, bits, orientation=orientation)
    with pytest.raises(UndecodableImage, match="range is not stated"):
        decode(data)


def test_lab_tiff() -> None:
    pastel = 120 + smooth() // 4
    lab = ImageCms.profileToProfile(
        Image.fromarray(pastel), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert apart(decode(encoded(lab, "TIFF")), pastel) <= 4


def test_ycbcr_tiff() -> None:
    assert apart(decode(encoded(Image.fromarray(smooth()).convert("YCbCr"), "TIFF")), smooth()) <= 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_only_the_first_of_several_pictures_counts(kind: str) -> None:
    first, second = (Image.new("RGB", (32, 24), name) for name in ("red", "blue"))
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(first, kind, save_all=True, append_images=[second, first], **options))
    assert apart(found, np.full((24, 32, 3), (255, 0, 0))) <= 3


def test_gif_with_transparency() -> None:
    picture = Image.new("P", (16, 12), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30] + [0] * 762)
    picture.paste(0, (0, 0, 8, 12))
    found = decode(encoded(picture, "GIF", transparency=0))
    assert (found[:, :8] == 255).all()
    assert (found[:, 8:] == (10, 20, 30)).all()


def test_the_ending_of_the_name_means_nothing(tmp_path: Path) -> None:
    target = tmp_path / "really.jpg"
    target.write_bytes(encoded(scene(), "PNG"))
    assert np.array_equal(decode(target), scene())
    assert np.array_equal(decode(str(target)), scene())


def test_a_pipe_decodes_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(encoded(scene(), "PNG")))
    writer.start()
    assert np.array_equal(decode(pipe), scene())
    writer.join()


# ---------------------------------------------------------------- orientation


def lying(orientation: int) -> Pixels:
    """`scene` stored so that `orientation` brings it upright, from the wording of the EXIF standard."""
    upright = scene()
    stored: dict[int, Pixels] = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }
    return np.ascontiguousarray(stored[orientation])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_every_orientation_gives_the_upright_picture(kind: str, options: dict[str, object], orientation: int) -> None:
    data = encoded(lying(orientation), kind, exif=exif(orientation), **options)
    assert np.array_equal(decode(data), scene())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_lossy_formats(orientation: int) -> None:
    for kind in ("JPEG", "AVIF"):
        upright = decode(encoded(scene(), kind, quality=100))
        assert apart(decode(encoded(lying(orientation), kind, quality=100, exif=exif(orientation))), upright) <= 80
        # The noisy corner survives any codec: it must be where it belongs.
        assert np.std(decode(encoded(lying(orientation), kind, exif=exif(orientation)))[:10, :14]) > 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_tiff_and_heic(orientation: int) -> None:
    grey = np.ascontiguousarray(lying(orientation)[:, :, 0])
    data = tiff(grey.tobytes(), grey.shape[1], grey.shape[0], 8, orientation=orientation)
    assert np.array_equal(decode(data), grey_as_rgb(scene()[:, :, 0]))
    found = decode(heif(lying(orientation), quality=95, exif=exif(orientation)))
    assert found.shape == scene().shape
    assert np.std(found[:10, :14]) > 40


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_orientations_that_do_not_exist_change_nothing(orientation: int) -> None:
    assert np.array_equal(decode(encoded(scene(), "PNG", exif=exif(orientation))), scene())


# ---------------------------------------------------------------- colour


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_profile_changes_pixels_as_lcms_says(kind: str) -> None:
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(scene(), kind, icc_profile=icc(gamma=1.8, primaries=SWAPPED), **options))
    expected = ImageCms.profileToProfile(
        Image.fromarray(scene()), ImageCms.ImageCmsProfile(BytesIO(icc(gamma=1.8, primaries=SWAPPED))),
        ImageCms.createProfile("sRGB"), outputMode="RGB",
    )  # fmt: skip
    assert np.array_equal(found, np.asarray(expected))
    assert apart(found, scene()) > 50


def test_swapped_primaries_swap_the_channels() -> None:
    found = decode(encoded(scene(), "PNG", icc_profile=icc(primaries=SWAPPED)))
    same_curve = decode(encoded(scene(), "PNG", icc_profile=icc()))
    assert apart(found, same_curve[:, :, ::-1]) <= 3


def test_linear_profile_follows_the_srgb_curve_whatever_its_name() -> None:
    data = encoded(scene(), "PNG", icc_profile=icc(gamma=1.0, name=b"sRGB-linear"))
    assert apart(decode(data), from_linear(scene() / 255)) <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_srgb_profile_leaves_every_pixel_alone(kind: str) -> None:
    with_profile, without = (encoded(scene(), kind, icc_profile=profile) for profile in (srgb_profile(), None))
    assert np.array_equal(decode(with_profile), decode(without))


def test_grey_profile() -> None:
    # lcms interpolates a grey curve, which is coarse where the sRGB curve is steepest: near black.
    grey = np.maximum(scene()[:, :, 0], 16)
    found = decode(encoded(grey, "PNG", icc_profile=icc(b"GRAY", gamma=1.0)))
    assert apart(found, from_linear(grey_as_rgb(grey) / 255)) <= 3
    wide = np.maximum(deep(), 4096)
    sixteen = decode(png(wide, 0, 16, chunk(b"iCCP", b"x\0\0" + zlib.compress(icc(b"GRAY", gamma=1.0)))))
    assert apart(sixteen, from_linear(grey_as_rgb(wide / 65535))) <= 5


def test_profile_of_palette_and_alpha_pictures() -> None:
    profile = icc(primaries=SWAPPED)
    picture = Image.fromarray(scene()).quantize(32)
    colours = np.asarray(picture.convert("RGB"))
    managed = decode(encoded(colours, "PNG", icc_profile=profile))
    assert np.array_equal(decode(encoded(picture, "PNG", icc_profile=profile)), managed)
    alpha = np.full((48, 64), 128, np.uint8)
    found = decode(encoded(Image.fromarray(np.dstack([colours, alpha])), "PNG", icc_profile=profile))
    assert apart(found, over_white(managed, alpha)) <= 1
    grey = Image.fromarray(np.maximum(scene()[:, :, 0], 16))
    found = decode(encoded(Image.merge("LA", (grey, Image.fromarray(alpha))), "PNG", icc_profile=icc(b"GRAY", 1.0)))
    expected = over_white(from_linear(grey_as_rgb(np.asarray(grey)) / 255), alpha)
    assert apart(found, expected) <= 3


@pytest.mark.parametrize("profile", [b"not a profile", icc()[:200], icc(b"GRAY"), bytes(500)])
def test_an_unusable_profile_warns_and_decodes(profile: bytes, tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(encoded(scene(), "PNG", icc_profile=profile))
    with pytest.warns(UserWarning, match=r"photo\.png: unusable colour profile"):
        assert np.array_equal(decode(target), scene())


def test_a_damaged_exif_block_warns_and_decodes(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(encoded(scene(), "PNG", exif=b"Exif\0\0MM\0*\0"))
    with pytest.warns(UserWarning, match=r"photo\.png: damaged EXIF"):
        assert np.array_equal(decode(target), scene())


# ---------------------------------------------------------------- refusals


def huge_headers() -> dict[str, bytes]:
    """Files that claim far more pixels than they hold."""
    jpeg = bytearray(encoded(scene(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 60000)
    gif = bytearray(encoded(scene(), "GIF"))
    gif[6:10] = struct.pack("<HH", 60000, 60000)
    bmp = bytearray(encoded(scene(), "BMP"))
    bmp[18:26] = struct.pack("<II", 60000, 60000)
    webp = bytearray(encoded(scene(), "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)
    return {
        "png": b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b""),
        "jpeg": bytes(jpeg),
        "gif": bytes(gif),
        "bmp": bytes(bmp),
        "webp": bytes(webp),
        "tiff": tiff(b"1234", 100_000, 100_000, 8),
        "ppm": b"P6 100000 100000 255\n",
    }


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "webp", "tiff", "ppm"])
def test_the_pixel_limit_is_checked_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: Image.Image) -> None:
        raise AssertionError("decoded")

    data = huge_headers()[kind]
    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(UndecodableImage, match=r"at most 100,000,000 pixels; found \d+ x \d+ = [\d,]+: odd\.bin"):
        decode(data, name="odd.bin")


@pytest.mark.parametrize("make", [lambda: encoded(scene(), "AVIF"), lambda: heif(scene())], ids=["avif", "heic"])
def test_the_pixel_limit_holds_for_every_format(make: Callable[[], bytes]) -> None:
    with pytest.raises(UndecodableImage, match="at most 3,071 pixels; found 64 x 48 = 3,072"):
        decode(make(), max_pixels=3071)
    assert decode(make(), max_pixels=3072).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "MPO", "BMP"])
def test_a_limit_above_pillows_own_is_honoured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for 200 megapixels against Pillow's 179: it would refuse above 2 x 100 pixels and warn above 100.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(image_module, "_PILLOW_LIMIT", 100)
    assert decode(encoded(scene(), kind)).shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def bad_files() -> dict[str, bytes]:
    return {
        "empty": b"",
        "one byte": b"\0",
        "zeros": bytes(5000),
        "text": b"not a picture, only words\n" * 30,
        "pdf": b"%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "html": b"<!DOCTYPE html><html></html>",
        "ico": encoded(scene(16, 16), "ICO"),
        "jpeg 2000": encoded(scene(), "JPEG2000"),
        "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40),
        "jpeg marker only": b"\xff\xd8\xff",
        "png without data": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)),
        "no pixels": struct.pack("<6sHHBBB", b"GIF89a", 0, 0, 0, 0, 0) + b"\x3b",
        "no rows": b"P6 5 0 255\n",
    }


@pytest.mark.parametrize("name", list(bad_files()))
def test_what_is_no_picture_is_named(name: str, tmp_path: Path) -> None:
    target = tmp_path / f"{name}.jpg"
    target.write_bytes(bad_files()[name])
    with pytest.raises(UndecodableImage, match=name) as caught:
        decode(target)
    assert str(target) in caught.value.found
    with pytest.raises(UndecodableImage, match="<bytes>"):
        decode(bad_files()[name])
    with pytest.raises(UndecodableImage, match="a name of my own"):
        decode(bad_files()[name], name="a name of my own")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UndecodableImage, match="empty file"):
        decode(tmp_path / "a.jpg")


def test_folders_missing_files_and_impossible_paths(tmp_path: Path) -> None:
    with pytest.raises(UndecodableImage, match="directory"):
        decode(tmp_path)
    with pytest.raises(UndecodableImage, match="No such file"):
        decode(tmp_path / "missing.jpg")
    with pytest.raises(UndecodableImage, match="null"):
        decode("null\0character.jpg")
    with pytest.raises(UndecodableImage, match="cannot be read"):
        decode("x" * 5000)


def test_an_unreadable_file(tmp_path: Path) -> None:
    target = tmp_path / "secret.png"
    target.write_bytes(encoded(scene(), "PNG"))
    target.chmod(0)
    if os.access(target, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(UndecodableImage, match=r"Permission denied.*secret\.png"):
        decode(target)


def several_formats() -> dict[str, bytes]:
    big = Image.fromarray(scene(96, 128))
    frames: dict[str, object] = {"save_all": True, "append_images": [Image.new("RGB", (128, 96), "red")]}
    files = {
        "jpeg": encoded(big, "JPEG"),
        "jpeg progressive": encoded(big, "JPEG", progressive=True),
        "jpeg grey": encoded(big.convert("L"), "JPEG"),
        "jpeg cmyk": encoded(big.convert("CMYK"), "JPEG"),
        "png": encoded(big, "PNG"),
        "png palette": encoded(big.quantize(32), "PNG", transparency=3),
        "apng": encoded(big, "PNG", **frames),
        "webp": encoded(big, "WEBP"),
        "webp lossless": encoded(big, "WEBP", lossless=True),
        "webp animated": encoded(big, "WEBP", **frames),
        "avif": encoded(big, "AVIF"),
        "tiff": encoded(big, "TIFF"),
        "tiff lzw": encoded(big, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(big, "TIFF", compression="jpeg"),
        "tiff pages": encoded(big, "TIFF", **frames),
        "bmp": encoded(big, "BMP"),
        "gif": encoded(big, "GIF"),
        "gif animated": encoded(big, "GIF", **frames),
        "ppm": encoded(big, "PPM"),
        "mpo": encoded(big, "MPO", **frames),
    }
    try:
        return {**files, "heic": heif(big)}
    except pytest.skip.Exception:
        return files


FORMATS = ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk", "png", "png palette", "apng", "webp", "webp lossless",
           "webp animated", "avif", "tiff", "tiff lzw", "tiff jpeg", "tiff pages", "bmp", "gif", "gif animated", "ppm",
           "mpo", "heic"]  # fmt: skip


# Pillow says on its own, without the file's name, that a TIFF directory or an MPO index is damaged.
@pytest.mark.filterwarnings("ignore:(Truncated File Read|Corrupt EXIF data|Tag data|Image appears):UserWarning")
@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused_or_whole_but_never_part_grey(kind: str, tmp_path: Path) -> None:
    data = several_formats().get(kind)
    if data is None:
        pytest.skip("needs pillow-heif")
    whole = decode(data)
    target = tmp_path / "cut.bin"
    cuts = {*np.linspace(1, len(data) - 1, 24).astype(int).tolist(), len(data) - 2, len(data) - 12}
    refused = 0
    for cut in sorted(cuts):
        target.write_bytes(data[:cut])
        for source in (data[:cut], target):
            try:
                assert np.array_equal(decode(source), whole), cut
            except UndecodableImage:
                refused += 1
    assert refused >= len(cuts) // 2


def awkward_colours() -> dict[str, bytes]:
    alpha = scene()[:, :, 2]
    palette = Image.fromarray(scene()).quantize(32)
    tall = np.random.default_rng(1).integers(0, 65536, (48, 64), dtype=np.uint16)
    return {
        "alpha": encoded(Image.fromarray(np.dstack([scene(), alpha])), "PNG", icc_profile=icc(primaries=SWAPPED)),
        "palette": encoded(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "grey": encoded(scene()[:, :, 0], "PNG", icc_profile=icc(b"GRAY", 1.8)),
        "16 bit": png(tall, 0, 16, chunk(b"tRNS", struct.pack(">H", int(tall[2, 3])))),
        "negative": tiff(tall.tobytes(), 64, 48, 16, photometric=0, orientation=6),
        "cmyk": encoded(Image.fromarray(scene()).convert("CMYK"), "TIFF"),
        "turned": encoded(lying(5), "PNG", exif=exif(5)),
    }


@pytest.mark.parametrize("kind", list(awkward_colours()))
@pytest.mark.parametrize("strip", [1, 640, 700])
def test_strips_change_nothing(kind: str, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = awkward_colours()[kind]
    whole = decode(data)
    monkeypatch.setattr(colour, "_STRIP", strip)
    assert np.array_equal(decode(data), whole)


def test_pixels_belong_to_the_caller() -> None:
    pixels = decode(encoded(scene(), "PNG"))
    pixels[:] = 0
    assert pixels.flags.c_contiguous


# ---------------------------------------------------------------- threads and noise


def test_many_threads_decode_at_once() -> None:
    files = list(several_formats().values())
    alone = [decode(data) for data in files]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(decode, files * 4))
    assert all(np.array_equal(one, other) for one, other in zip(alone * 4, together, strict=True))
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def mutated(data: bytes, draw: Random) -> bytes:
    """A few bytes changed, taken out or put in, mostly near the head where the structure is."""
    damaged = bytearray(data)
    for _ in range(draw.choice((1, 2, 8))):
        at = draw.randrange(min(len(damaged), draw.choice((64, 600, 10**6))))
        damaged[at : at + draw.choice((0, 1, 1, 4))] = draw.choice(
            (b"", b"\0", b"\xff", draw.randbytes(1), b"\xff" * 4)
        )
    return bytes(damaged) or b"\0"


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_bytes_raise_nothing_but_our_own_errors(kind: str) -> None:
    picture = Image.fromarray(scene(24, 32))
    data = {
        "png": encoded(picture, "PNG", exif=exif(6), icc_profile=icc()),
        "jpeg": encoded(picture, "JPEG", exif=exif(6), icc_profile=icc()),
        "webp": encoded(picture, "WEBP", exif=exif(6), icc_profile=icc()),
        "tiff": encoded(picture, "TIFF", icc_profile=icc()),
    }.get(kind) or several_formats().get(kind)
    if data is None:
        pytest.skip("needs pillow-heif")
    draw = Random(f"{kind} 1")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(25):
            try:
                pixels = decode(mutated(data, draw), max_pixels=200_000)
            except TelltaleError:
                continue
            assert pixels.dtype == np.uint8
            assert 0 < pixels.shape[0] * pixels.shape[1] <= 200_000
    assert {warning.category for warning in caught} <= {UserWarning}


# ---------------------------------------------------------------- preparation

sides = st.integers(1, 40)
resamples: st.SearchStrategy[Resample] = st.sampled_from(("lanczos", "bicubic", "bilinear"))


@st.composite
def preparations(draw: st.DrawFn) -> Preparation:
    fit: Fit = draw(st.sampled_from(("shorter", "centre", "square")))
    stored = draw(st.none() | sides) if fit == "square" else None
    side = draw(sides | st.none()) if fit == "shorter" else draw(sides)
    return Preparation(side=side, fit=fit, resample=draw(resamples), stored_side=stored)


@settings(deadline=None, max_examples=150)
@given(preparations(), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_prepare_twice_is_prepare_once(preparation: Preparation, height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    once = prepare(pixels, preparation)
    assert np.array_equal(prepare(once, preparation), once)
    if preparation.side is None:
        assert once is pixels
    elif preparation.fit == "shorter":
        assert min(once.shape[:2]) == preparation.side
    else:
        assert once.shape[:2] == (preparation.side, preparation.side)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), sides)
def test_the_aspect_is_kept_to_half_a_pixel(height: int, width: int, side: int) -> None:
    found = prepare(np.zeros((height, width, 3), np.uint8), Preparation(side=side)).shape
    for length, scaled in zip((height, width), found[:2], strict=True):
        assert abs(scaled - Fraction(length * side, min(height, width))) <= Fraction(1, 2)


def test_scaling_is_pillows_antialiased_filter() -> None:
    found = prepare(scene(), Preparation(side=16))
    expected = np.asarray(Image.fromarray(scene()).resize((21, 16), Image.Resampling.LANCZOS))
    assert np.array_equal(found, expected)
    centre = prepare(scene(), Preparation(side=16, fit="centre"))
    assert np.array_equal(centre, expected[:, 2:18])
    assert not np.array_equal(found, prepare(scene(), Preparation(side=16, resample="bilinear")))


def test_stored_side_passes_through_the_small_size() -> None:
    preparation = Preparation(side=30, fit="square", stored_side=10)
    found = prepare(scene(), preparation)
    assert np.array_equal(found, resize(resize(scene(), 10, 10), 30, 30))
    assert not np.array_equal(found, resize(scene(), 30, 30))


def test_elongated_and_tiny_pictures() -> None:
    long = np.zeros((1, 5000, 3), np.uint8)
    assert prepare(long, Preparation(side=8)).shape == (8, 40_000, 3)
    assert prepare(long, Preparation(side=8, fit="square")).shape == (8, 8, 3)
    assert prepare(long, Preparation(side=8, fit="centre")).shape == (8, 8, 3)
    assert prepare(long[:, :1], Preparation(side=299)).shape == (299, 299, 3)
    with pytest.raises(UnsuitableImage, match=r"5000 x 1 pixels, which would become 1280000 x 256"):
        prepare(long, Preparation(side=256))
    with pytest.raises(UnsuitableImage, match="at most 300 pixels"):
        prepare(long[:, :10], Preparation(side=6), max_pixels=300)


def test_shrinking_is_never_too_large() -> None:
    assert prepare(np.zeros((40, 40, 3), np.uint8), Preparation(side=20), max_pixels=10).shape == (20, 20, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"side": 0},
        {"side": -3},
        {"fit": "square"},
        {"fit": "centre", "side": None},
        {"side": 8, "fit": "longer"},
        {"side": 8, "resample": "nearest"},
        {"side": 8, "stored_side": 8},
        {"side": 8, "fit": "square", "stored_side": 0},
    ],
)
def test_preparations_that_mean_nothing_are_refused(settings: dict[str, int | str | None]) -> None:
    # The shape checker of the tests gets ahead of our own check where the type is wrong already.
    with pytest.raises((InvalidConfig, TypeError)):
        Preparation(**settings)  # type: ignore[arg-type]


@given(st.integers(1, 500), st.integers(1, 500))
def test_window_is_what_the_prepared_picture_shows(height: int, width: int) -> None:
    assert Preparation(side=8).window((height, width)) == (slice(0, height), slice(0, width))
    rows, columns = Preparation(side=8, fit="centre").window((height, width))
    assert rows.stop - rows.start == columns.stop - columns.start == min(height, width)
    assert abs((rows.start + rows.stop) - height) <= 1
    assert abs((columns.start + columns.stop) - width) <= 1


def test_window_holds_the_pixels_that_are_shown() -> None:
    for height, width in product((31, 32, 33), (32, 45)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        side = min(height, width)
        shown = prepare(pixels, Preparation(side=side, fit="centre"))
        assert np.array_equal(shown, pixels[Preparation(side=side, fit="centre").window((height, width))])
