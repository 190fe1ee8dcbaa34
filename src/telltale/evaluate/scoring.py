"""Score many files: a record for each, a broken one included, in the order given."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from telltale.data.memory import give_back_memory
from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidDetector, TelltaleError, TooManyPixels
from telltale.image import MAX_PIXELS, Pixels, Resized
from telltale.pooling import sigmoid

# Decoding takes up to seven bytes a pixel: larger pictures are scored one at a time, whatever the number of workers.
LARGE = 25_000_000

# Called in the scoring thread with what was just decoded, so that heatmaps need no second decoding.
Visit = Callable[[Sample, Pixels, Prediction], None]
# What happens to a decoded picture before it is scored, such as a corruption; must be safe in several threads.
Change = Callable[[Pixels], Resized]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One scored image.

    Attributes:
        sample: which image, and what is known of it.
        prediction: what the detector says.
        window: (x, y, width, height) in pixels of the decoded image that the most fake-looking patch reads; the
            whole image for a whole-image baseline.
        shape: (height, width) of the decoded image.
        seconds: time from reading the file to the prediction.
    """

    sample: Sample
    prediction: Prediction
    window: tuple[int, int, int, int]
    shape: tuple[int, int]
    seconds: float

    @property
    def enlarged(self) -> float:
        """How many times the preparation enlarged the image; 1 where it did not. Patches then show its filter too."""
        return enlargement(self.prediction, self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One image that could not be scored, and why."""

    sample: Sample
    error: str


def score_files(
    detector: Detector,
    samples: Iterable[Sample],
    *,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    visit: Visit | None = None,
    change: Change | None = None,
) -> Iterator[Score | Failure]:
    """Score images one by one, `workers` at a time, and yield them in the order given.

    A bad image becomes a `Failure`; it never stops the batch. With several workers each image is scored by one thread,
    which is faster than splitting every image; a single image is split into tiles instead.

    Args:
        detector: what scores.
        samples: read lazily, so that millions of files need no memory.
        workers: images decoded and scored at the same time.
        max_pixels: larger pictures become failures before they are decoded.
        visit: called for each scored image in its worker thread.
        change: applied to each decoded picture first; sizes and windows of the records are then those of its result.
    """

    turn = Lock()

    def one(sample: Sample) -> Score | Failure:
        return score_file(
            single, sample, max_pixels=max_pixels, visit=visit, change=change, turn=None if single is detector else turn
        )

    pending = iter(samples)
    head = list(islice(pending, 2))
    single = detector if len(head) < 2 or workers == 1 else replace(detector, threads=1)
    if single is detector:
        yield from map(one, head)
        yield from map(one, pending)
        return
    with ThreadPoolExecutor(workers) as threads:
        yield from _in_order(threads, one, _chain(head, pending), ahead=4 * workers)


def score_file(
    detector: Detector,
    sample: Sample,
    *,
    max_pixels: int = MAX_PIXELS,
    visit: Visit | None = None,
    change: Change | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> Score | Failure:
    """Score one image; an error that names the image becomes a `Failure`.

    Args:
        detector: what scores.
        sample: which image.
        max_pixels, visit, change: as for `score_files`.
        turn: held while a picture of more than `LARGE` pixels is decoded and scored, so that several threads do not
            hold several of them at once; None where nobody else is at work.

    Raises:
        InvalidDetector: the detector is at fault, not the image: a wrong shape, values that are not finite.
    """
    begin = time.perf_counter()
    try:
        decoded = sample.pixels(max_pixels if turn is None else min(max_pixels, LARGE))
        pixels = decoded if change is None else change(decoded)
        prediction = detector(pixels)
        height, width = pixels.shape[:2]
        score = Score(
            sample=sample,
            prediction=prediction,
            window=strongest_window(detector, prediction, (height, width)),
            shape=(height, width),
            seconds=time.perf_counter() - begin,
        )
        if visit is not None:
            visit(sample, pixels, prediction)
        return score
    except InvalidDetector as error:
        # Not the picture's fault: every other one may fail alike. Its name helps to find out why.
        raise InvalidDetector(
            expected=error.expected, found=f"{error.found}, asked about {sample.path}", do=error.do
        ) from error
    except TooManyPixels as error:
        if turn is None or max_pixels <= LARGE:
            return Failure(sample=sample, error=str(error))
        with turn:
            found = score_file(detector, sample, max_pixels=max_pixels, visit=visit, change=change)
            give_back_memory()
            return found
    except TelltaleError as error:
        return Failure(sample=sample, error=str(error))
    except MemoryError:
        return Failure(sample=sample, error="expected a picture that fits into memory; found one that does not")


def enlargement(prediction: Prediction, shape: tuple[int, int]) -> float:
    """How many times the preparation enlarged an image of (height, width) pixels; 1 where it did not."""
    return max(1.0, *(after / before for after, before in zip(prediction.shape, shape, strict=True)))


def strongest_window(detector: Detector, prediction: Prediction, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where the most fake-looking patch lies, as (x, y, width, height) in pixels of the decoded image."""
    return patch_window(detector, prediction, prediction.strongest, shape)


def patch_window(
    detector: Detector, prediction: Prediction, patch: tuple[int, int], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """What one patch reads, as (x, y, width, height) in pixels of the decoded image; all for a whole-image baseline.

    Args:
        detector: where its patches lie and how it prepares images.
        prediction: what it says of the image.
        patch: (row, column) in the patch grid.
        shape: (height, width) of the decoded image.
    """
    grid = detector.spec.grid
    if grid is None:
        return 0, 0, shape[1], shape[0]
    rows, columns = detector.spec.preparation.window(shape)
    y, height = _placed(grid.window(patch[0], prediction.shape[0]), prediction.shape[0], rows)
    x, width = _placed(grid.window(patch[1], prediction.shape[1]), prediction.shape[1], columns)
    return x, y, width, height


def _placed(window: slice, prepared: int, original: slice) -> tuple[int, int]:
    """The pixels of the original that a window of the prepared image shows along one axis, as (first, length).

    A pixel shown in part counts: exact integers, so that nothing reaches outside the original.
    """
    length = original.stop - original.start
    first, last = window.start * length // prepared, -(-window.stop * length // prepared)
    return original.start + first, last - first


def row(record: Score | Failure, detector: Detector, version: str) -> dict[str, Any]:
    """One flat record for a file of results; a failure has the same keys, empty, and its reason under `error`."""
    sample = record.sample
    about = {"detector": detector.spec.name, "weights_sha256": detector.sha256, "telltale_version": version}
    if isinstance(record, Failure):
        return {"path": str(sample.path), **dict.fromkeys(_RESULT_KEYS), **about, "error": record.error}
    said = record.prediction
    values = (
        said.score,
        said.probability,
        said.verdict,
        list(said.patch_logits.shape),
        sigmoid(said.patch_logits.max(keepdims=True)).item(),
        list(record.window),
        record.shape[1],
        record.shape[0],
        record.seconds,
    )
    return {"path": str(sample.path), **dict(zip(_RESULT_KEYS, values, strict=True)), **about, "error": None}


_RESULT_KEYS = (
    "score",
    "probability",
    "verdict",
    "patch_logits_shape",
    "strongest_patch",
    "strongest_window",
    "width",
    "height",
    "seconds",
)


def _chain(head: list[Sample], rest: Iterator[Sample]) -> Iterator[Sample]:
    yield from head
    yield from rest


def _in_order(
    threads: ThreadPoolExecutor, one: Callable[[Sample], Score | Failure], samples: Iterator[Sample], ahead: int
) -> Iterator[Score | Failure]:
    """Keep `ahead` images in flight and hand them on in order; when the caller stops, what is queued is dropped."""
    queue: deque[Future[Score | Failure]] = deque(threads.submit(one, sample) for sample in islice(samples, ahead))
    try:
        while queue:
            done = queue.popleft()
            queue.extend(threads.submit(one, sample) for sample in islice(samples, 1))
            yield done.result()
    finally:
        for waiting in queue:
            waiting.cancel()


def unlabelled(paths: Iterable[Path]) -> Iterator[Sample]:
    """Samples of which nothing but the path is known."""
    return (Sample(path=path) for path in paths)
