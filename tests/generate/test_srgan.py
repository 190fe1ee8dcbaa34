"""The x4 upsampler: sizes, range, and images that do not touch each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from generator_weights import one_thread, seeded, write_weights

from telltale.generate.srgan import Upsampler, upsampler


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model() -> Upsampler:
    with seeded(0):
        return Upsampler().eval()


@pytest.mark.parametrize(("height", "width"), [(2, 1), (3, 7), (8, 5)])
def test_four_times_the_size_within_the_range(model: Upsampler, height: int, width: int) -> None:
    with torch.inference_mode():
        made = model(torch.rand(1, 3, height, width) * 2 - 1)
    assert made.shape == (1, 3, 4 * height, 4 * width)
    assert float(made.abs().max()) <= 1


def test_images_of_a_batch_do_not_touch_each_other(model: Upsampler) -> None:
    with seeded(1):
        images = torch.rand(3, 3, 6, 6) * 2 - 1
    with torch.inference_mode():
        together = model(images)
        alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_loading_gives_the_numbers_of_the_file(tmp_path: Path) -> None:
    images = torch.zeros(1, 3, 4, 4)
    write_weights(tmp_path, "fast_srgan_x4")
    with torch.inference_mode():
        torch.testing.assert_close(upsampler(tmp_path)(images), upsampler(tmp_path)(images), rtol=0, atol=0)
