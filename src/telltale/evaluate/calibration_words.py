"""A calibration in words: its table, and what a reader must know before relying on it."""

from collections.abc import Iterator, Sequence

from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.calibration_report import (
    Aim,
    CalibrationImages,
    Quality,
    counts,
    lacking,
    probabilities,
    verdicts,
)
from telltale.evaluate.evaluation_words import percent_ends
from telltale.evaluate.metrics import Estimate
from telltale.spec import Calibration, DetectorSpec, Thresholds


def unused_rates(spec: DetectorSpec, images: CalibrationImages, aim: Aim) -> Iterator[str]:
    """That a shift leaves the thresholds where they are, whatever the rates asked for."""
    needed = lacking(images, aim)
    if needed and images.is_fake.any() and spec.thresholds is not None:
        yield (
            f"the thresholds of before stand, and the rates asked for ({100 * aim.false_alarm_rate:g} % false alarms, "
            f"{100 * aim.miss_rate:g} % misses) were not used: new thresholds take {' and '.join(needed)}"
        )


def silences(images: CalibrationImages, calibration: Calibration, thresholds: Thresholds) -> Iterator[str]:
    """Verdicts that no image here is given: a rate of 0 is no merit then. Reals alone need no such verdict."""
    if images.one_class:
        return
    said = set(verdicts(thresholds, probabilities(calibration, images.score)))
    if said == {"inconclusive"}:
        yield "every picture here is inconclusive: rates of 0 say only that no verdict was given"
        return
    for verdict, name in (("likely generated", "false-alarm"), ("likely real", "miss")):
        if verdict not in said:
            yield f"no picture here is called {verdict}: a {name} rate of 0 says only that"


def doubts(images: CalibrationImages, aim: Aim) -> Iterator[str]:
    """What the reader must know before relying on the result."""
    words = (("reals", "false-alarm", aim.false_alarm_rate), ("fakes", "miss", aim.miss_rate))
    for (count, needed), (kind, name, rate) in zip(counts(images, aim), words, strict=True):
        if 0 < count < needed:
            yield (
                f"{count} {kind} are too few for a {name} rate of {100 * rate:g} %: the true rate may be "
                f"{100 * min(1.0, 3 / count):.0f} % even if none of them were beyond the threshold; {needed} would do"
            )
        if rate == 0:
            yield f"no number of {kind} supports a {name} rate of 0: another picture may always lie beyond"
    if not images.one_class:
        order = bootstrap_auc(images.is_fake, images.score)
        if order.low <= 0.5:
            yield (
                f"the detector's order of these images cannot be told from guessing (AUC {order.value:.2f}, "
                f"{order.low:.2f} to {order.high:.2f}): no calibration mends that"
            )
        if order.value == 1:
            yield "reals and fakes do not overlap here: how steep the probability rises is a guess"


def as_lines(found: Sequence[Quality]) -> Iterator[str]:
    """The qualities as an aligned table."""
    yield f"{'':<24}{'ECE':>7}{'Brier':>8}{'log loss':>10}  {'false alarms':<24}{'misses':<24}inconclusive"
    for one in found:
        numbers = [
            "-" if value is None else f"{value:.{places}f}"
            for value, places in ((one.ece, 3), (one.brier, 3), (one.log_loss, 3))
        ]
        rates = [_percent(value) for value in (one.false_alarms, one.misses, one.inconclusive)]
        name = "after, cross-validated" if one.what == "after" else one.what
        line = f"{name:<24}{numbers[0]:>7}{numbers[1]:>8}{numbers[2]:>10}  {rates[0]:<24}{rates[1]:<24}{rates[2]}"
        yield line.rstrip()


def _percent(found: Estimate | None) -> str:
    return "-" if found is None else f"{100 * found.value:.1f} % ({percent_ends(found, '.1f')})"
