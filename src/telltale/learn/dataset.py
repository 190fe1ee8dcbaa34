"""The samples of a run: chosen, read once, checked, and kept in memory as far as they fit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool

from telltale.data.copies import label, listed
from telltale.data.samples import Sample
from telltale.errors import InvalidDataset, UndecodableImage, UnsuitableImage
from telltale.image import Pixels, Preparation, decode, prepare
from telltale.learn.checks import check_labels, check_sizes, check_twins
from telltale.learn.config import TrainConfig

Part = Literal["train", "validation"]


class PixelStore:
    """Prepared pixels of samples, by index; the first ones that fit into a budget stay in memory.

    What is kept changes speed only: pixels are the same either way.

    Args:
        samples: which images.
        preparation: brings decoded pixels to the form the detector is trained on.
        budget: bytes to keep at most.
    """

    def __init__(self, samples: Sequence[Sample], preparation: Preparation, budget: int) -> None:
        self._samples, self._preparation, self._left = samples, preparation, budget
        self._kept: dict[int, Pixels] = {}

    def __getitem__(self, index: int) -> Pixels:
        """Prepared pixels of sample `index`; raises what `telltale.decode` and `telltale.prepare` raise."""
        kept = self._kept.get(index)
        return self._read(self._samples[index].read(), index) if kept is None else kept

    def read(self, index: int) -> tuple[Pixels, str]:
        """Prepared pixels and the sha256 of the file's bytes, from the file."""
        data = self._samples[index].read()
        return self._read(data, index), sha256(data).hexdigest()

    def keep(self, index: int, pixels: Pixels) -> None:
        """Hold on to these pixels if they still fit. Not for several threads at once."""
        if pixels.nbytes <= self._left:
            self._left -= pixels.nbytes
            self._kept[index] = np.ascontiguousarray(pixels)

    @property
    def kept(self) -> int:
        """How many samples are in memory."""
        return len(self._kept)

    def _read(self, data: bytes, index: int) -> Pixels:
        return prepare(decode(data, name=str(self._samples[index].path)), self._preparation)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a run trains and validates on.

    Attributes:
        samples: all of them, training first, then validation, each part in the order of its paths.
        train: how many of them are for training.
        store: their prepared pixels, by index in `samples`.
        shapes: (height, width) of each prepared picture.
        fingerprint: sha256 over every sample's part, path (relative to the folder all share), label, source, bytes.
    """

    samples: tuple[Sample, ...]
    train: int
    store: PixelStore
    shapes: tuple[tuple[int, int], ...]
    fingerprint: str

    def part(self, name: Part) -> range:
        """Indices of the training or validation samples."""
        return range(self.train) if name == "train" else range(self.train, len(self.samples))

    def is_fake(self, name: Part) -> Bool[np.ndarray, " n"]:
        """Labels of a part, in order."""
        return np.array([bool(self.samples[index].is_fake) for index in self.part(name)])

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Images by part, label and source."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for name in ("train", "validation"):
            kinds = Counter((label(self.samples[index]), self.samples[index].source) for index in self.part(name))
            found[name] = {"real": {}, "fake": {}}
            for (kind, source), count in sorted(kinds.items()):
                found[name][kind][source] = count
        return found


def load_dataset(
    config: TrainConfig,
    samples: Iterable[Sample],
    *,
    least: int = 1,
    workers: int = 2,
    budget: int | None = None,
    visit: Callable[[], None] | None = None,
) -> Dataset:
    """Choose the run's samples, read every one of them once, and check them.

    Args:
        config: says which splits and sources, and how pixels are prepared.
        samples: all samples there are.
        least: side in pixels that a prepared picture must have, besides the crop: the size of one patch.
        workers: threads that decode.
        budget: bytes of pixels to keep in memory; `config.memory_mb` where not given.
        visit: called after each image.

    Raises:
        InvalidDataset: no images, a split that does not exist, unlabelled or unreadable images, one class only,
            contradictory labels, the same picture in both parts, images too small or of different sizes; each with
            up to five names.
    """
    train, validation = _parts(config, list(samples))
    for name, part in (("train", train), ("validation", validation)):
        check_labels(name, part)
    chosen = (*train, *validation)
    store = PixelStore(chosen, config.preparation, config.memory_mb * 10**6 if budget is None else budget)
    shapes, hashes = _read_all(store, chosen, workers, visit)
    check_twins(train, validation, hashes)
    check_sizes(config, chosen, shapes, least)
    return Dataset(chosen, len(train), store, tuple(shapes), _fingerprint(chosen, len(train), hashes))


def _parts(config: TrainConfig, samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples, each sorted by path so that the order of a listing does not matter."""
    if not samples:
        raise InvalidDataset(expected="images", found=f"none in {', '.join(config.data)}", do="Check the path.")
    samples = _of_sources(config, samples)
    splits = Counter(sample.split for sample in samples)
    if config.validation_share > 0:
        wanted = samples if set(splits) == {""} else _of_split(samples, config.train_split, splits)
        train = [sample for sample in wanted if _hash_share(sample) >= config.validation_share]
        validation = [sample for sample in wanted if _hash_share(sample) < config.validation_share]
    else:
        train = _of_split(samples, config.train_split, splits)
        validation = _of_split(samples, config.validation_split, splits)
    return sorted(train, key=_order), sorted(validation, key=_order)


def _order(sample: Sample) -> str:
    return str(sample.path)


def _of_sources(config: TrainConfig, samples: list[Sample]) -> list[Sample]:
    known = {sample.source for sample in samples}
    strange = sorted({*config.include, *config.exclude} - known)
    if strange:
        raise InvalidDataset(
            expected=f"sources out of {', '.join(sorted(known - {''})) or 'none'}",
            found=", ".join(strange),
            do="Correct the names.",
        )
    wanted = (set(config.include) or known) - set(config.exclude)
    return [sample for sample in samples if sample.source in wanted]


def _of_split(samples: list[Sample], name: str, splits: Counter[str]) -> list[Sample]:
    if name not in splits:
        there = ", ".join(f"{split!r} ({count})" for split, count in sorted(splits.items()))
        raise InvalidDataset(
            expected=f"images of the split {name!r}",
            found=f"only the splits {there or 'of no image at all'}",
            do="Name the split, or part one split with --validation-share.",
        )
    return [sample for sample in samples if sample.split == name]


def _hash_share(sample: Sample) -> float:
    """A number in [0, 1) that a sample keeps whatever else is in the data; one for all of a group."""
    key = sample.group.encode() or sha256(sample.read()).digest()
    return int.from_bytes(sha256(b"validation:" + key).digest()[:8]) / 2**64


def _read_all(
    store: PixelStore, samples: Sequence[Sample], workers: int, visit: Callable[[], None] | None
) -> tuple[list[tuple[int, int]], list[str]]:
    """Shape and hash of every sample; broken ones are named together, not one for each attempt."""
    shapes: list[tuple[int, int]] = []
    hashes: list[str] = []
    broken: list[str] = []
    for index, found in enumerate(_in_order(lambda index: _try(store, index), len(samples), workers)):
        if isinstance(found, str):
            broken.append(found)
        else:
            pixels, digest = found
            store.keep(index, pixels)
            shapes.append((pixels.shape[0], pixels.shape[1]))
            hashes.append(digest)
        if visit is not None:
            visit()
    if broken:
        raise InvalidDataset(
            expected="pictures that decode", found=listed(broken, "unreadable"), do="Remove or replace them."
        )
    return shapes, hashes


def _try(store: PixelStore, index: int) -> tuple[Pixels, str] | str:
    try:
        return store.read(index)
    except (UndecodableImage, UnsuitableImage) as error:
        return error.found


def _in_order(
    work: Callable[[int], tuple[Pixels, str] | str], count: int, workers: int
) -> Iterator[tuple[Pixels, str] | str]:
    """In chunks, so that decoded pixels do not pile up faster than they are looked at."""
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, count, 16 * workers):
            yield from pool.map(work, range(first, min(first + 16 * workers, count)))


def _fingerprint(samples: Sequence[Sample], train: int, hashes: Sequence[str]) -> str:
    """Independent of where the data lie, so that a copy of them counts as the same data."""
    shared = _shared_folder(samples)
    digest = sha256()
    for index, (sample, content) in enumerate(zip(samples, hashes, strict=True)):
        part = "train" if index < train else "validation"
        name = sample.path.as_posix().removeprefix(shared)
        digest.update("\0".join((part, name, label(sample), sample.source, content, "")).encode())
    return digest.hexdigest()


def _shared_folder(samples: Sequence[Sample]) -> str:
    folders = [Path(sample.path).parent.parts for sample in samples]
    shared = Path(*_common(min(folders), max(folders))).as_posix()
    return "" if shared == "." else shared.rstrip("/") + "/"


def _common(first: Sequence[str], last: Sequence[str]) -> Iterator[str]:
    """The parts two sorted ends share are the parts that all between them share."""
    for one, other in zip(first, last, strict=False):
        if one != other:
            return
        yield one
