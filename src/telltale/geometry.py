"""Where patches lie: integers only.

A truncated network is fully convolutional with a finite receptive field, so each of its predictions reads one window of
pixels. `PatchGrid` composes that window layer by layer; `tiles` cuts a large image so that the pieces give exactly the
predictions of the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from telltale.errors import InvalidConfig


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The windows that the patches of a network read, along one axis (both axes are alike).

    Attributes:
        size: receptive field, pixels.
        stride: distance between the windows of neighbouring patches, pixels.
        start: first pixel of patch 0's window; negative where padding lets it reach outside the image.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def then(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> "PatchGrid":
        """The grid after one more convolution or pooling layer."""
        return PatchGrid(
            size=self.size + dilation * (kernel - 1) * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
        )

    def count(self, length: int) -> int:
        """How many patches `length` pixels give; 0 where the image is too small for one."""
        return max(0, (length - 2 * self.start - self.size) // self.stride + 1)

    def window(self, index: int, length: int | None = None) -> slice:
        """The pixels patch `index` reads; clipped to an axis of `length` pixels where that is given.

        Without `length` the slice may begin below 0 or end past the image: there the patch reads padding.
        """
        first = self.start + index * self.stride
        last = first + self.size
        return slice(first, last) if length is None else slice(max(first, 0), min(last, length))


@dataclass(frozen=True, slots=True)
class Tile:
    """One piece of a large image.

    Attributes:
        pixels: (rows, columns) of the image to cut out.
        patches: (rows, columns) of the whole image's patch grid that this piece is responsible for.
        inner: the same patches, counted in the piece's own patch grid.
    """

    pixels: tuple[slice, slice]
    patches: tuple[slice, slice]
    inner: tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class _Span:
    pixels: slice
    patches: slice
    inner: slice


def tile_side(grid: PatchGrid) -> int:
    """Side in pixels of the tiles that cost least: 384, or three receptive fields where those are larger.

    Smaller tiles compute their overlap twice, larger ones outgrow the processor's cache and take memory by their area.
    `docs/runtime.md` has the measurements.
    """
    return max(384, 3 * grid.size)


def tiles(grid: PatchGrid, height: int, width: int, side: int) -> Iterator[Tile]:
    """Cut an image of `height` x `width` pixels into pieces that together give the predictions of the whole.

    A piece has at most `side` pixels a side; where that holds no single patch, it has the pixels of one. Pieces are of
    about equal size. Exact because every piece starts at a multiple of the stride, carries enough spare patches on its
    leading side that no patch kept reads padding the whole image does not have there, and ends where its last window
    ends, or with the image.

    Raises:
        InvalidConfig: `side` is not positive.
    """
    if side < 1:
        raise InvalidConfig(expected="a tile side of at least 1 pixel", found=str(side), do="Choose a larger tile.")
    columns = list(_spans(grid, width, side))
    for row in _spans(grid, height, side):
        for column in columns:
            yield Tile(
                pixels=(row.pixels, column.pixels),
                patches=(row.patches, column.patches),
                inner=(row.inner, column.inner),
            )


def _spans(grid: PatchGrid, length: int, side: int) -> Iterator[_Span]:
    """The pieces along one axis."""
    total = grid.count(length)
    spare = max(0, ceil(-grid.start / grid.stride))
    for first, last in _shares(total, total if length <= side else _most(grid, side, spare)):
        lead = min(first, spare)
        pixels = slice((first - lead) * grid.stride, grid.window(last - 1, length).stop)
        yield _Span(pixels, slice(first, last), slice(lead, lead + last - first))


def _most(grid: PatchGrid, side: int, spare: int) -> int:
    """How many patches a piece of `side` pixels keeps where it touches no border of the image; at least one."""
    return max(1, (side - grid.start - grid.size) // grid.stride - spare + 1)


def _shares(total: int, most: int) -> Iterator[tuple[int, int]]:
    """0 to `total` in as few runs of at most `most` as will do, equally long but for one patch."""
    runs = ceil(total / most) if total else 0
    for number in range(runs):
        yield number * total // runs, (number + 1) * total // runs
