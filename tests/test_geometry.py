"""Patch windows against brute force, and tiles that cover every patch once and read no padding of their own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from telltale.errors import InvalidConfig
from telltale.geometry import PatchGrid, Tile, tile_side, tiles

Layer = tuple[int, int, int, int]
steadily = settings(derandomize=True, deadline=None, max_examples=60)

# Kernel, stride, padding, dilation; no more padding than a kernel can see past, as in every real network.
layers = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(1, 2)).map(
        lambda drawn: (drawn[0], drawn[1], min(drawn[2], (drawn[0] - 1) * drawn[3] // 2), drawn[3])
    ),
    min_size=1,
    max_size=5,
)


def composed(drawn: list[Layer]) -> PatchGrid:
    grid = PatchGrid()
    for layer in drawn:
        grid = grid.then(*layer)
    return grid


grids = layers.map(composed)


def column(grid: PatchGrid, length: int, side: int) -> list[Tile]:
    """The tiles of an image so narrow that each row of patches holds one."""
    return list(tiles(grid, length, max(1, grid.size + 2 * grid.start), side))


def shrinking(drawn: list[Layer], length: int) -> list[int]:
    """Length of the input and of every layer's output, as torch's documentation gives it."""
    sizes = [length]
    for kernel, stride, padding, dilation in drawn:
        sizes.append((sizes[-1] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return sizes


def reads(drawn: list[Layer], length: int) -> list[set[int]]:
    """The pixels each patch reads, padding included, found by walking from every layer's output to its input."""
    sizes = shrinking(drawn, length)
    found = []
    for patch in range(sizes[-1]):
        wanted = {patch}
        for kernel, stride, padding, dilation in reversed(drawn):
            wanted = {at * stride - padding + tap * dilation for at in wanted for tap in range(kernel)}
        found.append(wanted)
    return found


@steadily
@given(layers, st.integers(1, 90))
def test_count_and_window_equal_brute_force(drawn: list[Layer], length: int) -> None:
    grid = composed(drawn)
    assume(min(shrinking(drawn, length)) > 0)  # torch refuses other images
    found = reads(drawn, length)
    assert grid.count(length) == len(found)
    for patch, pixels in enumerate(found):
        window = grid.window(patch)
        assert (min(pixels), max(pixels) + 1) == (window.start, window.stop)
        clipped = grid.window(patch, length)
        assert (clipped.start, clipped.stop) == (max(window.start, 0), min(window.stop, length))


@pytest.mark.parametrize(
    ("grid", "length", "count"),
    [
        (PatchGrid(19, 4, -6), 299, 74),
        (PatchGrid(43, 8, -18), 299, 37),
        (PatchGrid(91, 16, -42), 299, 19),
        (PatchGrid(43, 4, -21), 224, 56),
        (PatchGrid(8, 4, 0), 7, 0),
    ],
)
def test_counts_of_the_paper(grid: PatchGrid, length: int, count: int) -> None:
    assert grid.count(length) == count


@steadily
@given(grids, st.integers(0, 120), st.integers(1, 120), st.integers(1, 150))
def test_tiles_cover_every_patch_once(grid: PatchGrid, height: int, width: int, side: int) -> None:
    covered = np.zeros((grid.count(height), grid.count(width)), int)
    for tile in tiles(grid, height, width, side):
        covered[tile.patches] += 1
        for patches, inner in zip(tile.patches, tile.inner, strict=True):
            assert patches.stop - patches.start == inner.stop - inner.start > 0
    assert (covered == 1).all()


@steadily
@given(grids, st.integers(1, 120), st.integers(1, 150))
def test_tiles_read_what_the_whole_reads(grid: PatchGrid, length: int, side: int) -> None:
    """Each patch kept sees the same pixels as in the whole image, and padding only where the whole image ends."""
    for tile in column(grid, length, side):
        pixels, patches, inner = tile.pixels[0], tile.patches[0], tile.inner[0]
        assert pixels.start % grid.stride == 0
        assert 0 <= pixels.start < pixels.stop <= length
        own = pixels.stop - pixels.start
        assert grid.count(own) >= inner.stop
        for patch, place in zip(range(patches.start, patches.stop), range(inner.start, inner.stop), strict=True):
            window, seen = grid.window(patch), grid.window(place)
            assert (window.start, window.stop) == (seen.start + pixels.start, seen.stop + pixels.start)
            assert seen.start >= 0 or pixels.start == 0
            assert seen.stop <= own or pixels.stop == length


@steadily
@given(grids, st.integers(1, 400), st.integers(1, 150))
def test_tiles_are_no_larger_than_asked(grid: PatchGrid, length: int, side: int) -> None:
    pieces = column(grid, length, side)
    for tile in pieces:
        pixels, patches = tile.pixels[0], tile.patches[0]
        assert pixels.stop - pixels.start <= side or patches.stop - patches.start == 1
    if length <= side:
        assert len(pieces) <= 1


@steadily
@given(grids, st.integers(1, 400), st.integers(1, 150))
def test_tiles_are_equally_large(grid: PatchGrid, length: int, side: int) -> None:
    """A narrow last piece would read its overlap for a patch or two."""
    lengths = {tile.patches[0].stop - tile.patches[0].start for tile in column(grid, length, side)}
    assert not lengths or max(lengths) - min(lengths) <= 1


def test_tiles_in_reading_order() -> None:
    starts = [(tile.patches[0].start, tile.patches[1].start) for tile in tiles(PatchGrid(43, 8, -18), 500, 700, 150)]
    assert len(starts) > 4
    assert all(before < after for before, after in pairwise(starts))


def test_known_tile() -> None:
    """xception_block2, 299 px in two pieces: the second begins three spare patches early."""
    first, second = list(tiles(PatchGrid(43, 8, -18), 20, 299, 193))
    assert first == Tile((slice(0, 20), slice(0, 161)), (slice(0, 2), slice(0, 18)), (slice(0, 2), slice(0, 18)))
    assert second.pixels[1] == slice(120, 299)
    assert (second.patches[1], second.inner[1]) == (slice(18, 37), slice(3, 22))


def test_side_grows_with_the_field() -> None:
    assert tile_side(PatchGrid(43, 8, -18)) == 384
    assert tile_side(PatchGrid(283, 16, -138)) == 849


@pytest.mark.parametrize("side", [0, -5])
def test_impossible_side(side: int) -> None:
    with pytest.raises(InvalidConfig, match="tile side"):
        list(tiles(PatchGrid(3, 1, 0), 10, 10, side))
