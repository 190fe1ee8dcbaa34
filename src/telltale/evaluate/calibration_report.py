"""What a calibration is worth on images it has not seen, beside what the detector said before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from hashlib import sha256
from math import ceil
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.calibration import METHODS
from telltale.evaluate.metrics import Estimate, expected_calibration_error, share
from telltale.evaluate.recalibration import fit_shift, held_thresholds, thresholds_from_reals
from telltale.spec import Calibration, DetectorSpec, Thresholds

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationImages:
    """Images with their scores; arrays of the same length n.

    Attributes:
        is_fake: labels.
        source: the generator or camera of each.
        group: images of one group (identity, twins) are judged together, never by a calibration that saw one of them.
        score: pooled, in [0, 1].
        weight: of each image within its label.
    """

    is_fake: Bool[np.ndarray, "n"]
    source: Shaped[np.ndarray, "n"]
    group: Shaped[np.ndarray, "n"]
    score: Float[np.ndarray, "n"]
    weight: Float[np.ndarray, "n"]

    def only(self, chosen: Bool[np.ndarray, "n"]) -> "CalibrationImages":
        """The images where `chosen` is True."""
        return CalibrationImages(
            is_fake=self.is_fake[chosen],
            source=self.source[chosen],
            group=self.group[chosen],
            score=self.score[chosen],
            weight=self.weight[chosen],
        )

    @property
    def one_class(self) -> bool:
        """Whether reals or fakes are missing."""
        return bool(self.is_fake.all() or not self.is_fake.any())


# Calibration and thresholds fitted on some images: what cross-validation repeats.
Refit: TypeAlias = Callable[[CalibrationImages], tuple[Calibration, Thresholds]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a calibration is to keep, and what its spec will say of its data.

    Attributes:
        false_alarm_rate: share of reals that may be called "likely generated".
        miss_rate: share of fakes that may be called "likely real".
        data: the images in words.
        fingerprint: hash of the images.
    """

    false_alarm_rate: float
    miss_rate: float
    data: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good probabilities and verdicts are; None where a class, a probability or a verdict is missing.

    Attributes:
        what: "before" or "after".
        ece, brier, log_loss: of the probabilities, reals and fakes weighing the same.
        false_alarms: share of reals called "likely generated", with its interval, Wilson's, groups taken into account.
        misses: share of fakes called "likely real".
        inconclusive: share of all images.
    """

    what: str
    ece: float | None
    brier: float | None
    log_loss: float | None
    false_alarms: Estimate | None
    misses: Estimate | None
    inconclusive: Estimate | None

    def plain(self) -> dict[str, object]:
        """By name, without NaN."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: one.plain() if isinstance(one, Estimate) else one for name, one in values.items()}


def refit(method: str, aim: Aim) -> Refit:
    """A new calibration by one of `METHODS`, with thresholds that keep the aim for the next image."""

    def fit(images: CalibrationImages) -> tuple[Calibration, Thresholds]:
        calibration = METHODS[method](
            images.is_fake, images.score, weights=images.weight, fitted_on=aim.data, fingerprint=aim.fingerprint
        )
        return calibration, _thresholds(calibration, images, aim)

    return fit


def reshift(spec: DetectorSpec, calibration: Calibration, images: CalibrationImages, aim: Aim) -> Refit:
    """The present calibration with one number moved: its intercept, or with reals alone the upper threshold.

    Thresholds are chosen anew where the images can support the rates (`images_needed`); with fewer they stay at their
    probabilities, `unused_rates` says so, and the spec states the rates that these images give.

    Raises:
        InvalidConfig: the detector orders these images worse than chance, which no shift mends.
    """
    if not images.one_class and (order := bootstrap_auc(images.is_fake, images.score)).high < 0.5:
        raise InvalidConfig(
            expected="a detector that does not order these images worse than chance",
            found=f"AUC {order.value:.2f} ({order.low:.2f} to {order.high:.2f})",
            do="Look whether the labels are the wrong way round; if they are not, take another detector.",
        )
    kept = spec.thresholds if lacking(images, aim) else None

    def fit(images: CalibrationImages) -> tuple[Calibration, Thresholds]:
        if not images.is_fake.any():
            return calibration, thresholds_from_reals(
                probabilities(calibration, images.score),
                false_alarm_rate=aim.false_alarm_rate,
                chosen_on=f"{aim.data}; without fakes nothing is called likely real: a miss rate of 0 says nothing",
                fingerprint=aim.fingerprint,
            )
        moved = fit_shift(
            calibration,
            images.is_fake,
            images.score,
            weights=images.weight,
            fitted_on=aim.data,
            fingerprint=aim.fingerprint,
        )
        if kept is None:
            return moved, _thresholds(moved, images, aim)
        return moved, _measured(kept, moved, images, aim)

    return fit


def _thresholds(calibration: Calibration, images: CalibrationImages, aim: Aim) -> Thresholds:
    return held_thresholds(
        images.is_fake,
        probabilities(calibration, images.score),
        false_alarm_rate=aim.false_alarm_rate,
        miss_rate=aim.miss_rate,
        chosen_on=aim.data,
        fingerprint=aim.fingerprint,
    )


def _measured(kept: Thresholds, calibration: Calibration, images: CalibrationImages, aim: Aim) -> Thresholds:
    """The same thresholds with the rates that these images give; low ones may be many verdicts that were not given."""
    said = verdicts(kept, probabilities(calibration, images.score))
    return Thresholds(
        real_below=kept.real_below,
        fake_above=kept.fake_above,
        false_alarm_rate=float((said[~images.is_fake] == "likely generated").mean()),
        miss_rate=float((said[images.is_fake] == "likely real").mean()),
        chosen_on=f"{kept.chosen_on}; rates as measured on {aim.data}, "
        f"with {100 * (said == 'inconclusive').mean():.3g} % inconclusive",
        fingerprint=aim.fingerprint,
    )


def probabilities(calibration: Calibration | None, scores: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Calibrated probabilities, or the scores themselves where nobody has calibrated them."""
    return scores if calibration is None else np.array([calibration(float(score)) for score in scores])


def verdicts(thresholds: Thresholds, probability: Float[np.ndarray, "n"]) -> Shaped[np.ndarray, "n"]:
    """The verdict of each."""
    return np.array([thresholds(float(one)) for one in probability])


def before(spec: DetectorSpec, images: CalibrationImages) -> Quality:
    """What the detector said of these images so far."""
    probability = probabilities(spec.calibration, images.score)
    said = None if spec.thresholds is None else verdicts(spec.thresholds, probability)
    return quality("before", images, probability, said)


def after(fit: Refit, images: CalibrationImages) -> Quality:
    """What calibrations that have not seen them say of these images: each fifth judged by the other four.

    Raises:
        InvalidDataset: one group only, or some four fifths lack a class.
        InvalidConfig: some four fifths cannot be calibrated.
    """
    place = folds(images)
    probability, said = np.empty(images.score.size), np.empty(images.score.size, "<U20")
    for fold in range(place.max() + 1):
        mine = place == fold
        if mine.all():
            raise InvalidDataset(expected="two images or groups", found="one", do="Add images.")
        calibration, thresholds = fit(images.only(~mine))
        probability[mine] = probabilities(calibration, images.score[mine])
        said[mine] = verdicts(thresholds, probability[mine])
    return quality("after", images, probability, said)


def folds(images: CalibrationImages) -> Int[np.ndarray, "n"]:
    """Which of up to five parts each image belongs to: by a hash of its group, labels and groups spread evenly."""
    fakes = set(images.group[images.is_fake])
    number: dict[str, int] = {}
    for with_fakes in (False, True):
        names = {str(group) for group in images.group if (group in fakes) is with_fakes}
        ordered = sorted(names, key=lambda name: sha256(name.encode("utf-8", "backslashreplace")).digest())
        number |= {name: index % FOLDS for index, name in enumerate(ordered)}
    place = np.array([number[str(group)] for group in images.group])
    return np.unique(place, return_inverse=True)[1].astype(np.int64)


def quality(
    what: str,
    images: CalibrationImages,
    probability: Float[np.ndarray, "n"],
    said: Shaped[np.ndarray, "n"] | None,
) -> Quality:
    """Every figure of some probabilities and verdicts."""
    weight, is_fake, group = images.weight, images.is_fake, numbered(images)
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    scored = not images.one_class
    if scored:
        for label in (False, True):
            weight = np.where(is_fake == label, weight / weight[is_fake == label].sum(), weight)
    return Quality(
        what=what,
        ece=expected_calibration_error(is_fake, probability, weights=weight) if scored else None,
        brier=float(weight @ (probability - is_fake) ** 2 / weight.sum()) if scored else None,
        log_loss=float(-weight @ np.log(np.where(is_fake, inside, 1 - inside)) / weight.sum()) if scored else None,
        false_alarms=_share(said, ~is_fake, "likely generated", group),
        misses=_share(said, is_fake, "likely real", group),
        inconclusive=_share(said, np.ones_like(is_fake), "inconclusive", group),
    )


def numbered(images: CalibrationImages) -> Int[np.ndarray, "n"]:
    """The number of each image's group."""
    return np.asarray(np.unique(images.group.astype(str), return_inverse=True)[1], np.int64)


def _share(
    said: Shaped[np.ndarray, "n"] | None, mine: Bool[np.ndarray, "n"], verdict: str, group: Int[np.ndarray, "n"]
) -> Estimate | None:
    return None if said is None or not mine.any() else share(said[mine] == verdict, group=group[mine])


def false_alarms_by_source(
    images: CalibrationImages, calibration: Calibration, thresholds: Thresholds
) -> Iterator[tuple[str, Estimate]]:
    """(source, share called "likely generated") of every source of reals, the worst first."""
    said = verdicts(thresholds, probabilities(calibration, images.score)) == "likely generated"
    each, group = [], numbered(images)
    for source in sorted(set(images.source[~images.is_fake])):
        mine = ~images.is_fake & (images.source == source)
        each.append((str(source), share(said[mine], group=group[mine])))
    yield from sorted(each, key=lambda one: -one[1].value)


def images_needed(rate: float) -> int:
    """How many images support a rate: with three over the rate, none beyond the threshold bounds it at 95 %."""
    return ceil(3 / rate - 1e-9) if rate > 0 else 0


def counts(images: CalibrationImages, aim: Aim) -> list[tuple[int, int]]:
    """(images there are, images needed) of reals and of fakes."""
    fakes = int(images.is_fake.sum())
    rates = ((images.is_fake.size - fakes, aim.false_alarm_rate), (fakes, aim.miss_rate))
    return [(count, images_needed(rate)) for count, rate in rates]


def lacking(images: CalibrationImages, aim: Aim) -> list[str]:
    """How many reals and fakes it takes, as 60 reals, where there are fewer."""
    each = zip(counts(images, aim), ("reals", "fakes"), strict=True)
    return [f"{needed} {kind}" for (count, needed), kind in each if count < needed]
