"""Batches that depend on (seed, step) and nothing else.

Every draw is a function of counters, so a resumed run needs no replay, the order in which threads finish does not
matter, and several processes take their shares of the very batch that one process would see.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy.typing import NDArray

from telltale.data.corruptions import corrupt
from telltale.image import Pixels
from telltale.learn.config import Range, TrainConfig
from telltale.learn.dataset import Dataset, PixelStore

# Keep the random streams of one seed apart.
_ORDER, _AUGMENT = 0, 1
# Corruptions see this many pixels around the crop where the picture has them: the 8-pixel JPEG grid then lies anywhere
# on the crop, and blur meets no false border.
MARGIN = 8

# A part of a picture; the name of its axes differ from those of the whole.
View: TypeAlias = UInt8[np.ndarray, "high wide 3"]
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one size and their labels."""

    pixels: UInt8[np.ndarray, "n height width 3"]
    is_fake: Bool[np.ndarray, " n"]


class Draws:
    """Which samples make up the batch of a step.

    Slots alternate real, fake. Within a label, sources take turns; within a source, every image is drawn once before
    any is drawn again, in an order that changes with each pass.

    Args:
        is_fake: label of every training sample.
        sources: source of every training sample.
        config: batch, balance, seed.
    """

    def __init__(self, is_fake: Bool[np.ndarray, " n"], sources: Sequence[str], config: TrainConfig) -> None:
        self._seed, self._size = config.seed, config.batch
        names = np.array(sources if config.balance == "sources" else [""] * len(sources))
        self._pools = [
            [np.flatnonzero((is_fake == fake) & (names == name)) for name in sorted(set(names[is_fake == fake]))]
            for fake in (False, True)
        ]
        self._orders: dict[tuple[int, int], tuple[int, NDArray[np.intp]]] = {}

    def batch(self, step: int) -> Int[np.ndarray, " batch"]:
        """Indices of the samples of one step, by slot; even slots real, odd slots fake."""
        return np.array([self._draw(slot % 2, (step * self._size + slot) // 2) for slot in range(self._size)])

    def _draw(self, label: int, turn: int) -> int:
        pools = self._pools[label]
        source = turn % len(pools)
        passes, place = divmod(turn // len(pools), len(pools[source]))
        return int(pools[source][self._order(label, source, passes)[place]])

    def _order(self, label: int, source: int, passes: int) -> NDArray[np.intp]:
        known = self._orders.get((label, source))
        if known is None or known[0] != passes:
            generator = np.random.default_rng([self._seed, _ORDER, label, source, passes])
            known = (passes, generator.permutation(len(self._pools[label][source])))
            self._orders[label, source] = known
        return known[1]


def training_batches(
    dataset: Dataset, config: TrainConfig, steps: Iterable[int], *, rank: int = 0, world: int = 1, workers: int = 2
) -> Generator[Batch, None, None]:
    """The batches of some steps, made ahead by threads, in order.

    Args:
        dataset: what to draw from.
        config: how.
        steps: counted from 0 over the whole run.
        rank: this process makes slots [rank * share, (rank + 1) * share) of each batch.
        world: number of processes; `2 * world` must divide the batch.
        workers: threads.
    """
    indices = dataset.part("train")
    draws = Draws(dataset.is_fake("train"), [dataset.samples[index].source for index in indices], config)
    share = config.batch // world
    slots = range(rank * share, (rank + 1) * share)

    def make(drawn: tuple[int, Int[np.ndarray, " batch"]]) -> Batch:
        step, chosen = drawn
        views = [training_view(dataset.store[int(chosen[slot])], config, step, slot) for slot in slots]
        return Batch(np.stack(views), np.array([slot % 2 == 1 for slot in slots]))

    return made_ahead(make, ((step, draws.batch(step)) for step in steps), workers)


def training_view(prepared: Pixels, config: TrainConfig, step: int, slot: int) -> View:
    """A random crop of a prepared picture, augmented; random numbers keyed by (seed, step, slot)."""
    generator = np.random.default_rng([config.seed, _AUGMENT, step, slot])
    size = (config.crop, config.crop) if config.crop is not None else (prepared.shape[0], prepared.shape[1])
    outer, inner = zip(
        *(_window(length, wanted, generator) for length, wanted in zip(prepared.shape[:2], size, strict=True)),
        strict=True,
    )
    return augment(prepared[outer], config, generator)[inner]


def augment(pixels: Pixels, config: TrainConfig, generator: np.random.Generator) -> Pixels:
    """Each augmentation of the config with its own probability, strength uniform in its range, in a fixed order."""
    for name, probability, strengths in config.augmentations():
        if generator.random() < probability:
            pixels = corrupt(pixels, name, _strength(strengths, generator), generator)
    return pixels


def _strength(strengths: Range, generator: np.random.Generator) -> float:
    return float(generator.uniform(*strengths))


def _window(length: int, wanted: int, generator: np.random.Generator) -> tuple[slice, slice]:
    """Where to cut `wanted` pixels out, with some around them, and where they lie in that piece."""
    first = int(generator.integers(length - wanted + 1))
    before = min(first, int(generator.integers(MARGIN + 1)))
    after = min(length - first - wanted, MARGIN)
    return slice(first - before, first + wanted + after), slice(before, before + wanted)


def validation_batches(
    dataset: Dataset, config: TrainConfig, *, rank: int = 0, world: int = 1, workers: int = 2
) -> Generator[tuple[Int[np.ndarray, " n"], Batch], None, None]:
    """Every validation image once over all processes, with its number in the part; pictures of one size together.

    A process takes the images rank, rank + world, ...
    """
    first = dataset.train
    numbers = range(rank, len(dataset.part("validation")), world)
    labels = dataset.is_fake("validation")

    def shape(number: int) -> tuple[int, int]:
        return _centre_shape(dataset.shapes[first + number], config)

    def make(chosen: list[int]) -> tuple[NDArray[np.intp], Batch]:
        views = [validation_view(dataset.store, first + number, config) for number in chosen]
        return np.array(chosen), Batch(np.stack(views), labels[chosen])

    groups: dict[tuple[int, int], list[int]] = {}
    for number in numbers:
        groups.setdefault(shape(number), []).append(number)
    batches = (
        group[start : start + config.batch]
        for _, group in sorted(groups.items())
        for start in range(0, len(group), config.batch)
    )
    return made_ahead(make, batches, workers)


def validation_view(store: PixelStore, index: int, config: TrainConfig) -> View:
    """What validation sees of a picture: the centre crop, or all of it."""
    prepared = store[index]
    height, width = _centre_shape((prepared.shape[0], prepared.shape[1]), config)
    top, left = (prepared.shape[0] - height) // 2, (prepared.shape[1] - width) // 2
    return prepared[top : top + height, left : left + width]


def _centre_shape(shape: tuple[int, int], config: TrainConfig) -> tuple[int, int]:
    return shape if config.crop is None or config.view == "whole" else (config.crop, config.crop)


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Generator[Made, None, None]:
    """`map(make, items)` by threads that run a little ahead; results come in the order of the items.

    Closing the iterator stops the threads.
    """
    pending: deque[Future[Made]] = deque()
    source = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        try:
            for item in source:
                pending.append(pool.submit(make, item))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
