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


def tiles(grid: PatchGrid, height: int, width: int, side: int = 384) -> Iterator[Tile]:
    """Cut an image of `height` x `width` pixels into pieces of about `side` pixels that together equal the whole.

    Exact because every piece starts at a multiple of the stride, carries enough spare patches on its leading side that
    no kept patch reads padding the whole image does not have there, reaches the end of its last window, and lies flush
    with the image wherever the image ends.

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
    spare = ceil(-grid.start / grid.stride) if grid.start < 0 else 0
    step = max(1, (side - grid.size) // grid.stride + 1)
    for first in range(0, total, step):
        last = min(first + step, total)
        lead = min(first, spare)
        begin = (first - lead) * grid.stride
        end = length if last == total else min(length, grid.window(last - 1).stop)
        yield _Span(slice(begin, end), slice(first, last), slice(lead, lead + last - first))
