import numpy as np
import pytest
from small_pictures import encoded, picture

from telltale.data.perceptual import perceptual_hash
from telltale.image import Pixels, decode, resize


def differing(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def resaved(pixels: Pixels) -> Pixels:
    return decode(encoded(pixels, "JPEG", quality=50))


@pytest.mark.parametrize("seed", range(5))
def test_size_codec_and_brightness_move_few_bits_and_another_picture_many(seed: int) -> None:
    pixels = picture(seed, 200, 180)
    own = perceptual_hash(pixels)
    brighter = np.clip(pixels * 0.8 + 20, 0, 255).astype(np.uint8)
    for changed in (resaved(pixels), resize(pixels, 100, 90), resize(pixels, 300, 270), brighter):
        assert differing(own, perceptual_hash(changed)) <= 30
    assert differing(own, perceptual_hash(picture(seed + 100, 200, 180))) > 60


def test_a_flat_picture_has_no_hash() -> None:
    assert perceptual_hash(np.full((50, 40, 3), 200, np.uint8)) == ""
    assert len(perceptual_hash(picture(1))) == 64
