from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from small_pictures import encoded, picture

from telltale.data.cues import CUES
from telltale.data.formats import luminance_steps
from telltale.data.pixel_cues import PIXEL_CUES, WINDOW, pixel_cues
from telltale.image import Pixels, decode, resize

COUNT, SIDE = 12, 128


def originals() -> list[Pixels]:
    """Pictures with detail at every scale and a little noise, as a camera leaves."""
    found = []
    for seed in range(COUNT):
        noise = np.random.default_rng(seed).normal(0, 3, (SIDE, SIDE, 3))
        found.append(np.clip(picture(seed, SIDE, SIDE) + noise, 0, 255).astype(np.uint8))
    return found


def saved(pixels: Pixels, quality: int, **options: str) -> Pixels:
    return decode(encoded(pixels, quality=quality, **options))


def means(pictures: list[Pixels], quality: int | None = None) -> dict[str, float]:
    """Mean of each cue; of files saved at a quality where one is given."""
    rows = []
    for pixels in pictures:
        data = None if quality is None else encoded(pixels, quality=quality)
        rows.append(pixel_cues(pixels if data is None else decode(data), steps=luminance_steps(data) if data else None))
    return {name: float(np.mean([row[name] for row in rows])) for name in PIXEL_CUES}


@cache
def plain() -> dict[str, float]:
    return means(originals())


def test_every_cue_is_described() -> None:
    assert {cue.name for cue in CUES if cue.family == "pixels"} == set(PIXEL_CUES)


def test_a_jpeg_grid_is_seen_where_it_lies() -> None:
    compressed = [saved(pixels, 60) for pixels in originals()]
    in_place, moved = means(compressed), means([pixels[3:, 5:] for pixels in compressed])
    assert in_place["block_grid"] > plain()["block_grid"] + 0.1
    assert moved["block_grid"] < in_place["block_grid"] - 0.1
    assert moved["shifted_grid"] > plain()["shifted_grid"] + 0.05


def test_a_crop_of_a_large_picture_keeps_the_grid_in_place() -> None:
    large = np.random.default_rng(0).integers(60, 190, (SIDE + WINDOW + 20, WINDOW + 52, 3), dtype=np.uint8)
    smooth = resize(resize(large, 120, 100), large.shape[0], large.shape[1])
    assert pixel_cues(saved(smooth, 30))["block_grid"] > 0.5


def test_png_that_was_a_jpeg_shows_its_history() -> None:
    assert means([saved(pixels, 80) for pixels in originals()])["jpeg_history"] > plain()["jpeg_history"] + 0.2


def test_the_second_of_two_compressions_shows_the_first_and_a_single_one_does_not() -> None:
    once = means(originals(), quality=90)
    twice = means([saved(pixels, 60) for pixels in originals()], quality=90)
    assert once["jpeg_history"] < plain()["jpeg_history"] + 0.1
    assert twice["jpeg_history"] > once["jpeg_history"] + 0.2


@pytest.mark.parametrize("side", [96, 112])
def test_scaling_down_and_up_takes_the_finest_detail(side: int) -> None:
    again = means([resize(resize(pixels, side, side), SIDE, SIDE) for pixels in originals()])
    assert again["nyquist"] < plain()["nyquist"] - 0.3


def test_enlarging_leaves_a_pattern() -> None:
    enlarged = [resize(pixels[:100, :100], SIDE, SIDE) for pixels in originals()]
    assert means(enlarged)["resampling"] > plain()["resampling"] + 1


def test_chroma_at_half_size_is_seen_in_pixels() -> None:
    half, full = ([saved(pixels, 95, subsampling=chroma) for pixels in originals()] for chroma in ("4:2:0", "4:4:4"))
    assert means(half)["chroma_detail"] < means(full)["chroma_detail"] - 0.1


def test_stretched_contrast_leaves_gaps_between_levels() -> None:
    stretched = [np.clip((pixels.astype(float) - 128) * 1.4 + 128, 0, 255).astype(np.uint8) for pixels in originals()]
    assert means(stretched)["level_gaps"] > plain()["level_gaps"] + 0.2


def test_borders_and_saturation_are_shares() -> None:
    framed = originals()[0].copy()
    framed[: SIDE // 8] = 0
    found, before = pixel_cues(framed), pixel_cues(originals()[0])
    assert (before["flat_border"], found["flat_border"]) == (0, 1 / 8)
    assert found["saturation"] - before["saturation"] == pytest.approx(1 / 8, abs=0.01)


@pytest.mark.parametrize("shape", [(32, 32), (33, 500), (40, 71)])
@pytest.mark.parametrize("level", [0, 255, 77])
def test_flat_and_odd_pictures_give_numbers(shape: tuple[int, int], level: int) -> None:
    found = pixel_cues(np.full((*shape, 3), level, np.uint8))
    assert all(np.isfinite(value) for name, value in found.items() if name != "level_gaps")
    assert found["flat_border"] == 4


def test_too_small_a_picture_has_no_traces() -> None:
    assert all(np.isnan(value) for value in pixel_cues(np.zeros((31, 200, 3), np.uint8)).values())


def test_the_file_format_does_not_matter_where_pixels_are_equal() -> None:
    pixels = originals()[0]
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", lossless=True)
    assert pixel_cues(decode(stream.getvalue())) == pixel_cues(pixels)
