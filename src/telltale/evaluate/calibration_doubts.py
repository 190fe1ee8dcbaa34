"""What a reader must know before relying on a calibration: doubts, each a sentence."""

from collections.abc import Iterator

from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.calibration_report import Aim, CalibrationImages, counts, lacking, probabilities, verdicts
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
