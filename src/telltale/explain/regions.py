"""Which part of a face gives a picture away: its surest patch, against patches drawn at random. The paper's figure 4.

The rule is the paper's (section 4.3): a patch belongs to the part of which it holds the largest share, each part's
pixels counted against that part's own total in the picture. So a patch on the rim of a large head of hair belongs to
the ear it covers. The baseline draws patches of the same picture at random, each equally likely, by the same rule.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, TelltaleError
from telltale.evaluate.metrics import share
from telltale.evaluate.scoring import Failure, Score, patch_window, score_files
from telltale.explain.face_parsing import Parse
from telltale.explain.face_parts import PARTS, PartMap, shows_a_face
from telltale.explain.heatmaps import grid_of
from telltale.explain.patch_files import Kind, Towards
from telltale.explain.patches import Strongest, TopPatch, Window, top_patches
from telltale.image import MAX_PIXELS, Pixels

# The source of rows over all sources.
ALL = "(all)"

Random = UInt8[np.ndarray, "draws"]
Counts = Int64[np.ndarray, "parts"]


def part_of(window: Window, parts: PartMap, total: Counts | None = None) -> int | None:
    """The part of which a window holds the largest share; of equals, the first in PARTS.

    Args:
        window: (x, y, width, height) in pixels of the part map.
        parts: of the whole picture.
        total: pixels of each part in the picture, in the order of PARTS, where many windows are asked for; counted
            where it is not given.

    Returns:
        Its place in PARTS; None for a window without pixels.
    """
    x, y, width, height = window
    inside = np.bincount(parts[y : y + height, x : x + width].ravel(), minlength=len(PARTS))
    if not inside.any():
        return None
    known = counted_parts(parts) if total is None else total
    return int((inside / np.maximum(known, 1)).argmax())


def counted_parts(parts: PartMap) -> Counts:
    """Pixels of each part, in the order of PARTS."""
    return np.bincount(parts.ravel(), minlength=len(PARTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureParts:
    """What one picture adds.

    Attributes:
        patch: its surest patch.
        part: where that lies, a place in PARTS.
        random: where patches drawn at random lie, places in PARTS.
        real: whether the surest patch is the most real-looking one.
    """

    patch: TopPatch
    part: int
    random: Random
    real: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """A picture that was scored and does not count, and why: no mask, or no face in it."""

    sample: Sample
    why: str


@dataclass(slots=True, kw_only=True)
class Regions:
    """What was found on a set of pictures, by source and label; one byte per drawn patch stays in memory.

    Attributes:
        pictures: source and label -> the part of the surest patch and of the random ones, a row for each picture.
        best: source, label and part -> the surest patches of that part, for pictures of them.
        omissions: pictures without a mask or a face.
        failures: pictures that could not be scored.
    """

    pictures: dict[Kind, list[tuple[int, Random]]] = field(default_factory=dict)
    best: dict[tuple[str, bool | None, int], Strongest] = field(default_factory=dict)
    omissions: list[Omission] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def find_regions(
    detector: Detector,
    samples: Sequence[Sample],
    parse: Parse,
    *,
    is_face: Callable[[PartMap], bool] = shows_a_face,
    draws: int = 20,
    seed: int = 0,
    towards: Towards = "own",
    kept: int = 20,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    visit: Callable[[], None] | None = None,
) -> Regions:
    """Assign the surest patch of every picture, and patches drawn at random, to parts of its face.

    The same pictures give the same result in any order and with any number of workers.

    Args:
        detector: with patches.
        samples: pictures of faces.
        parse: says which part each pixel shows.
        is_face: whether these parts show a face; a picture in which they do not is an omission. `names_a_face` for
            masks, which are the truth.
        draws: random patches of each picture, 1 or more.
        seed: of them.
        towards: "own": the most fake-looking patch of fakes and of pictures without a label, the most real-looking one
            of reals, as in the paper; "fake" or "real": this, whatever the label.
        kept: patches of each source, label and part to keep for pictures of them, 1 or more.
        workers: pictures at a time.
        max_pixels: larger pictures are failures.
        visit: called after each picture.

    Raises:
        InvalidConfig: draws or kept below 1.
        UnsuitableImage: a whole-image baseline, which has no patches.
    """
    grid_of(detector)
    if min(draws, kept) < 1:
        raise InvalidConfig(expected="draws and kept of 1 or more", found=f"{draws}, {kept}", do="Correct them.")
    answers: dict[int, PictureParts | Omission | Failure] = {}

    def look(sample: Sample, pixels: Pixels, prediction: Prediction) -> None:
        answers[id(sample)] = _answer(detector, sample, pixels, prediction, parse, is_face, draws, seed, towards)

    found = Regions()
    records = score_files(detector, samples, workers=workers, max_pixels=max_pixels, visit=look)
    for order, record in enumerate(records):
        answer = answers.pop(id(record.sample), None)
        _add(found, record if answer is None or isinstance(record, Failure) else answer, order, kept)
        if visit is not None:
            visit()
    return found


def _answer(
    detector: Detector,
    sample: Sample,
    pixels: Pixels,
    prediction: Prediction,
    parse: Parse,
    is_face: Callable[[PartMap], bool],
    draws: int,
    seed: int,
    towards: Towards,
) -> PictureParts | Omission | Failure:
    """What one picture says; a mask that cannot be used makes a failure of it."""
    try:
        parts = parse(sample, pixels)
    except TelltaleError as error:
        return Failure(sample=sample, error=str(error))
    if parts is None:
        return Omission(sample=sample, why="no mask")
    if not is_face(parts):
        return Omission(sample=sample, why="no face")
    real = towards == "real" or (towards == "own" and sample.is_fake is False)
    shape = (pixels.shape[0], pixels.shape[1])
    patch = top_patches(prediction, detector, sample, shape, real=real)[0]
    total = counted_parts(parts)
    part = part_of(patch.window, parts, total)
    # The picture itself decides what is drawn from it, so that neither order nor name do.
    random = np.random.default_rng([seed, crc32(pixels.tobytes())])
    rows, columns = (random.integers(length, size=draws) for length in prediction.patch_logits.shape)
    others = [
        part_of(patch_window(detector, prediction, (int(row), int(column)), shape), parts, total)
        for row, column in zip(rows, columns, strict=True)
    ]
    if part is None or None in others:
        return Omission(sample=sample, why="patches outside the picture")
    return PictureParts(patch=patch, part=part, random=np.array(others, np.uint8), real=real)


def _add(found: Regions, answer: PictureParts | Omission | Failure | Score, order: int, kept: int) -> None:
    match answer:
        case PictureParts():
            sample = answer.patch.sample
            kind = sample.source, sample.is_fake
            found.pictures.setdefault(kind, []).append((answer.part, answer.random))
            place = (*kind, answer.part)
            found.best.setdefault(place, Strongest(count=kept, real=answer.real)).add(order, [answer.patch])
        case Omission():
            found.omissions.append(answer)
        case Failure():
            found.failures.append(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """One part of one source and label.

    Attributes:
        source, label: which pictures; ALL over sources.
        part: a name out of PARTS.
        n: pictures that count.
        top_count: how many have their surest patch there.
        random_count: how many would, were the patch drawn at random: the mean over the draws, summed over pictures.
        share: top_count / n.
        low, high: of the share, 95 % Wilson interval.
        random_share: random_count / n.
        p: of so many or so few by chance, two-sided, exact: each picture's surest patch is exchanged for one of its
            random ones.
        p_holm: the same, corrected for the parts of this source and label (Holm).
    """

    source: str
    label: str
    part: str
    n: int
    top_count: int
    random_count: float
    share: float
    low: float
    high: float
    random_share: float
    p: float
    p_holm: float


def region_rows(found: Regions) -> list[RegionRow]:
    """The table, by source and label, then all sources of a label together where there are several."""
    rows = []
    for kind in sorted(found.pictures, key=_order):
        rows += _rows(kind[0], kind[1], found.pictures[kind])
    for is_fake in (None, False, True):
        parts = [seen for kind, seen in sorted(found.pictures.items(), key=lambda one: _order(one[0]))
                 if kind[1] is is_fake]  # fmt: skip
        if len(parts) > 1:
            rows += _rows(ALL, is_fake, [one for seen in parts for one in seen])
    return rows


def _order(kind: Kind) -> tuple[str, int]:
    return kind[0], -1 if kind[1] is None else int(kind[1])


def _rows(source: str, is_fake: bool | None, pictures: Sequence[tuple[int, Random]]) -> list[RegionRow]:
    top = np.array([part for part, _ in pictures])
    drawn = np.stack([random for _, random in pictures])
    label = "unlabelled" if is_fake is None else "fake" if is_fake else "real"
    each = []
    for part in range(len(PARTS)):
        hits, others = top == part, (drawn == part)
        # The surest patch counts as one more draw: under chance any of them could have been it.
        chance = (others.sum(1) + hits) / (drawn.shape[1] + 1)
        each.append((hits, float(others.sum() / drawn.shape[1]), _two_sided(int(hits.sum()), chance)))
    corrected = holm([p for *_, p in each])
    rows = []
    for name, (hits, expected, p), p_holm in zip(PARTS, each, corrected, strict=True):
        estimate = share(hits)
        rows.append(
            RegionRow(
                source=source, label=label, part=name, n=len(top), top_count=int(hits.sum()), random_count=expected,
                share=estimate.value, low=estimate.low, high=estimate.high, random_share=expected / len(top),
                p=p, p_holm=p_holm,
            )
        )  # fmt: skip
    return rows


def _two_sided(count: int, chance: Float64[np.ndarray, "n"]) -> float:
    """Twice the smaller tail of the number of successes, each picture with its own chance (Poisson binomial)."""
    weights = np.ones(1)
    for one in np.sort(chance[chance > 0]):
        weights = np.convolve(weights, (1 - one, one))
    below, above = float(weights[: count + 1].sum()), float(weights[count:].sum())
    return float(min(1.0, 2 * min(below, above)))


def holm(p: Iterable[float]) -> list[float]:
    """Holm's correction: the smallest p times their number, the next times one less, never falling, at most 1."""
    values = np.array(list(p))
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(one) for one in corrected]
