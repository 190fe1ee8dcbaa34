"""A data set's heatmaps against its masks: a row for each picture, and a table by source."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidDataset, TelltaleError
from telltale.evaluate.scoring import Failure, Score
from telltale.explain.heatmaps import Heatmap
from telltale.explain.localisation import (
    FIGURES,
    THRESHOLD,
    Location,
    Mask,
    heat_on_picture,
    localisation,
    locate,
    on_sampled_pixels,
)
from telltale.explain.masks import LEVEL, RULE, MaskFolder, read_mask
from telltale.explain.placement import Placement

ALL = "(all)"
# A figure that nothing supports is an empty field.
TABLE_COLUMNS = {
    "model": "string",
    "source": "string",
    "n": "int64",
    "n_empty": "int64",
    "n_full": "int64",
    **{f"{name}{end}": "float64" for name in FIGURES for end in ("", "_low", "_high")},
    "called_in_empty": "float64",
    "threshold": "float64",
}
PICTURE_COLUMNS = {
    "path": "string",
    "mask": "string",
    "source": "string",
    "is_fake": "bool_",
    "auc": "float64",
    "iou": "float64",
    "pointing": "float64",
    "share": "float64",
    "called": "float64",
    "unseen": "float64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One picture's heatmap against its mask; no mask where a real picture needs none."""

    sample: Sample
    mask: Path | None
    location: Location


def with_masks(samples: Iterable[Sample], folder: MaskFolder) -> tuple[dict[Sample, Path | None], list[Sample]]:
    """Each picture's mask, and the pictures left out because they have none.

    A picture labelled real needs no mask: nothing in it was generated.

    Raises:
        InvalidDataset: no picture has a mask, or one has several; the message states by which rule they are found.
    """
    masks: dict[Sample, Path | None] = {}
    without = []
    for sample in samples:
        mask = folder(sample)
        if mask is None and sample.is_fake is not False:
            without.append(sample)
        else:
            masks[sample] = mask
    if not any(masks.values()):
        raise InvalidDataset(
            expected=f"a mask for at least one picture in {folder.folder}",
            found=f"none for any of {len(masks) + len(without)} pictures",
            do=f"{RULE}.",
        )
    return masks, without


def compare(
    detector: Detector,
    records: Iterable[Score | Failure],
    masks: Mapping[Sample, Path | None],
    *,
    threshold: float = THRESHOLD,
    level: int = LEVEL,
    placement: Placement = "mean",
    visit: Callable[[], None] | None = None,
) -> Iterator[Located | Failure]:
    """Lay each heatmap on its mask; a mask that cannot be used makes a failure of its picture.

    Args:
        detector: that made the scores.
        records: from `score_files`.
        masks: of every picture.
        threshold: of P(fake) at a pixel, for IoU.
        level: of a mask, 1 to 255: pixels at or above it were generated.
        placement: of the heatmaps, "mean" or "nearest".
        visit: called after each record.

    Raises:
        UnsuitableImage: a whole-image baseline, which has no patches.
    """
    for record in records:
        if isinstance(record, Failure):
            yield record
        else:
            heat = heat_on_picture(record.prediction, detector, record.shape, placement=placement)
            yield _one(heat, record, masks[record.sample], threshold, level)
        if visit is not None:
            visit()


def _one(heat: Heatmap, record: Score, path: Path | None, threshold: float, level: int) -> Located | Failure:
    try:
        mask: Mask = np.zeros(record.shape, np.bool_) if path is None else read_mask(path, record.shape, level=level)
        location = locate(heat, on_sampled_pixels(mask), threshold=threshold)
    except TelltaleError as error:
        return Failure(sample=record.sample, error=str(error))
    return Located(sample=record.sample, mask=path, location=location)


def picture_rows(found: Iterable[Located]) -> Iterator[dict[str, Any]]:
    """A row for each picture; columns as `PICTURE_COLUMNS`."""
    for one in found:
        at = one.location
        known = (str(one.sample.path), None if one.mask is None else str(one.mask), one.sample.source)
        values = (one.sample.is_fake, at.auc, at.iou, at.pointing, at.share, at.called, at.unseen)
        yield dict(zip(PICTURE_COLUMNS, (*known, *values), strict=True))


def table(
    found: Sequence[Located], *, model: str, threshold: float = THRESHOLD, rounds: int = 1000, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """A row for all pictures, and one for each source where there are several; columns as `TABLE_COLUMNS`.

    Args:
        found: pictures with their locations.
        model: what the detector is called.
        threshold: that was used.
        rounds: of the bootstrap over pictures, those of one group drawn together.
        seed: of the bootstrap.
    """
    sources = sorted({one.sample.source for one in found})
    for source in (ALL, *(sources if len(sources) > 1 else ())):
        mine = [one for one in found if source in (ALL, one.sample.source)]
        yield {"model": model, "source": source, **_figures(mine, rounds, seed), "threshold": threshold}


def _figures(mine: Sequence[Located], rounds: int, seed: int) -> dict[str, Any]:
    locations = [one.location for one in mine]
    untouched = [one.called for one in locations if not one.inside.any()]
    called = float(np.mean(untouched)) if untouched else None
    estimates: dict[str, Any] = {f"{name}{end}": None for name in FIGURES for end in ("", "_low", "_high")}
    counts = {"n": 0, "n_empty": len(untouched), "n_full": len(locations) - len(untouched)}
    partial = [one for one in mine if one.location.partial]
    if partial:
        groups = np.array([one.sample.group for one in mine])
        whole = localisation(locations, groups=groups, rounds=rounds, seed=seed)
        counts = {"n": whole.n, "n_empty": whole.n_empty, "n_full": whole.n_full}
        for name in FIGURES:
            estimate = getattr(whole, name)
            # One picture drawn again and again would give an interval of no width.
            low, high = (estimate.low, estimate.high) if len(partial) > 1 else (None, None)
            estimates |= {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
    return {**counts, **estimates, "called_in_empty": called}
