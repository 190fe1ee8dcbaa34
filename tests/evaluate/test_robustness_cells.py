"""What a corruption draws depends on seed, picture, corruption and strength alone."""

import numpy as np
import pytest

from telltale.errors import InvalidConfig
from telltale.evaluate.robustness_cells import CLEAN, SWEEP, Cell, cells, corrupted


def picture(seed: int, side: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)


def test_what_is_drawn_depends_on_seed_picture_corruption_and_strength_alone() -> None:
    grey = np.full((16, 16, 3), 128, np.uint8)
    noise = corrupted(grey, Cell("noise", 8.0), seed=0).astype(int) - 128
    np.testing.assert_array_equal(corrupted(grey.copy(), Cell("noise", 8.0), seed=0).astype(int) - 128, noise)
    brighter = corrupted(grey + 1, Cell("noise", 8.0), seed=0).astype(int) - 129
    other_seed = corrupted(grey, Cell("noise", 8.0), seed=1).astype(int) - 128
    stronger = corrupted(grey, Cell("noise", 16.0), seed=0).astype(int) - 128
    for other in (brighter, other_seed, stronger / 2):
        assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.2
    np.testing.assert_array_equal(corrupted(grey, CLEAN, seed=0), grey)


def test_the_default_sweep_is_possible_and_starts_clean() -> None:
    over = cells()
    assert over[0] == CLEAN
    assert len(over) == 1 + sum(map(len, SWEEP.values()))
    pixels = picture(0)
    assert all(corrupted(pixels, cell, seed=0).shape == pixels.shape for cell in over)


@pytest.mark.parametrize("wrong", [{"sepia": (1.0,)}, {"jpeg": (90.0, 0.0)}])
def test_an_impossible_cell_is_refused_before_anything_is_scored(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(InvalidConfig):
        cells(wrong)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_a_quality_between_two_whole_numbers_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig, match=f"expected whole numbers as strengths of {name}; found 95.4"):
        cells({name: (95.4, 95.0)})
    assert [cell.strength for cell in cells({"blur": (1.5, 1.0)})] == [0.0, 1.5, 1.0]
