"""The rows of an evaluation as arrays: the images once, and what each detector says of them by each pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from telltale.data.copies import copies, together
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.evaluation import Contender
from telltale.evaluate.resampling import Resampled, Resampling, prepared, resampling
from telltale.evaluate.results import Row
from telltale.pooling import POOLINGS

OWN = "own"

Chosen: TypeAlias = Bool[np.ndarray, "n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images of an evaluation; arrays of the same length n.

    Attributes:
        path: of each.
        is_fake: labels.
        source: the generator or camera.
        group: "" for an image that stands alone; images with equal bytes share one.
        copies: how many images are copies of others, by their bytes.
    """

    path: Shaped[np.ndarray, "n"]
    is_fake: Chosen
    source: Shaped[np.ndarray, "n"]
    group: Shaped[np.ndarray, "n"]
    copies: int = 0

    @property
    def grouped(self) -> bool:
        """Whether any group holds two images or more: a test that takes images for independent is then too sure."""
        named = [name for name in self.group if name]
        return len(set(named)) < len(named)

    def resampling(self) -> Resampling:
        """How these images are drawn again."""
        return resampling(self.is_fake, self.source, self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One detector with one pooling.

    Attributes:
        detector, weights_sha256: which.
        pooling: of its patches.
        own: whether that is the pooling it was trained and calibrated with.
        judged_by: what accuracies, ECE, Brier and log loss are of: "probability" (calibrated), or "score".
        verdict_by: "thresholds" of its spec (three verdicts), or "0.5" (two).
    """

    detector: str
    weights_sha256: str
    pooling: str
    own: bool
    judged_by: str
    verdict_by: str

    @property
    def title(self) -> str:
        """Its name where only detectors with their own pooling are shown; else with the pooling."""
        return self.detector if self.own else f"{self.detector} ({self.pooling})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one judge says of every image; arrays of the images' length n.

    Attributes:
        judge: who.
        score: in [0, 1]; NaN for an image without one.
        judged: the probability, or the score where none was calibrated for this pooling.
        verdict: "likely real", "inconclusive" or "likely generated"; "" without a score.
        whole: whether the detector scores images in one, so that there is nothing to pool.
    """

    judge: Judge
    score: Float[np.ndarray, "n"]
    judged: Float[np.ndarray, "n"]
    verdict: Shaped[np.ndarray, "n"]
    whole: bool = False

    @property
    def scored(self) -> Chosen:
        """Which images have a score."""
        return np.asarray(np.isfinite(self.score))

    def prepared(self, images: Images, places: Int[np.ndarray, "m"]) -> Resampled:
        """The images at these places, ready for resampling."""
        return prepared(images.is_fake[places], self.score[places], probabilities=self.judged[places])


def check_poolings(names: Sequence[str]) -> None:
    """Refuse what is no pooling, before anything is scored.

    Raises:
        InvalidConfig: an unknown name, or none at all.
    """
    unknown = sorted(set(names) - {OWN, *POOLINGS})
    if unknown or not names:
        raise InvalidConfig(
            expected=f"poolings out of {OWN}, {', '.join(POOLINGS)}",
            found=", ".join(unknown) or "none",
            do="Correct --pooling.",
        )


def collect(
    rows: Sequence[Row], entrants: Sequence[Contender], poolings: Sequence[str] = (OWN,)
) -> tuple[Images, list[Entry]]:
    """The rows of `evaluate` as arrays: images once, and an entry for each detector and pooling.

    A detector of whole images has one entry, its own score, whatever poolings there are.

    Args:
        rows: for each detector every image, in the same order.
        entrants: the detectors, in the order of the rows.
        poolings: names of poolings; "own" for the one of the detector's spec.

    Raises:
        InvalidConfig: an unknown pooling, or none.
        InvalidDataset: every image has failed.
    """
    check_poolings(poolings)
    count = len(rows) // len(entrants)
    first = rows[:count]
    # Files that nobody could read may be equal, empty ones for instance, and are no pictures.
    scored = [any(row["error"] is None for row in rows[place::count]) for place in range(count)]
    if not any(scored):
        raise InvalidDataset(
            expected="at least one image with a score",
            found=f"{count} images and as many failures, the first: {first[0]['error']}",
            do="Check the data and the detector; the reasons are in scores.parquet, column error.",
        )
    hashes = [row["image_sha256"] if is_there else None for row, is_there in zip(first, scored, strict=True)]
    images = Images(
        path=np.array([row["path"] for row in first], object),
        is_fake=np.array([row["is_fake"] for row in first], np.bool_),
        source=np.array([row["source"] or "(unnamed)" for row in first], object),
        group=np.array(together([row["group"] for row in first], hashes), object),
        copies=sum(len(same) - 1 for same in copies(hashes)),
    )
    found = []
    for number, entrant in enumerate(entrants):
        spec, mine = entrant.detector.spec, rows[number * count : (number + 1) * count]
        # A detector of whole images has nothing to pool, and is to be compared all the same.
        asked = [OWN] if spec.grid is None else poolings
        names = dict.fromkeys(spec.pooling if name == OWN else name for name in asked)
        found += [_entry(entrant, pooling, mine) for pooling in names]
    return images, found


def _entry(entrant: Contender, pooling: str, rows: Sequence[Row]) -> Entry:
    spec = entrant.detector.spec
    own = pooling == spec.pooling
    calibrated, thresholds = own and spec.calibration is not None, own and spec.thresholds is not None
    score = _numbers(rows, f"score_{pooling}")
    judged = _numbers(rows, "probability") if calibrated else score
    halves = np.where(judged >= 0.5, "likely generated", "likely real").astype(object)
    verdict = np.array([row["verdict"] for row in rows], object) if thresholds else halves
    return Entry(
        judge=Judge(
            detector=entrant.name,
            weights_sha256=entrant.detector.sha256,
            pooling=pooling,
            own=own,
            judged_by="probability" if calibrated else "score",
            verdict_by="thresholds" if thresholds else "0.5",
        ),
        score=score,
        judged=judged,
        verdict=np.where(np.isfinite(score), verdict, ""),
        whole=spec.grid is None,
    )


def _numbers(rows: Sequence[Row], name: str) -> Float[np.ndarray, "n"]:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)
