"""What a detector is, besides its weights: stored as JSON in the weights file's own header.

Both the safetensors file that training writes and the ONNX file that serving reads carry it under the key `telltale`.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

import numpy as np

from telltale.errors import InvalidConfig, InvalidDetector
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.pooling import POOLINGS, Pooling, logit, sigmoid

Verdict = Literal["likely real", "inconclusive", "likely generated"]
METADATA_KEY = "telltale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Score to probability by logistic regression on the score's log-odds (Platt, 1999).

    `probability = sigmoid(slope * logit(score) + intercept)`, for equally many reals and fakes.

    Attributes:
        slope: above 0, so that the order of images is kept.
        intercept: log-odds at score 0.5.
        fitted_on: which data, in words.
        fingerprint: hash of those data.
    """

    slope: float
    intercept: float
    fitted_on: str
    fingerprint: str

    def __post_init__(self) -> None:
        """Refuse a slope that would turn the order of images round.

        Raises:
            InvalidConfig: slope not above 0, or a number that is not finite.
        """
        if not (self.slope > 0 and np.isfinite(self.slope) and np.isfinite(self.intercept)):
            raise InvalidConfig(
                expected="a finite slope above 0 and a finite intercept",
                found=f"slope {self.slope}, intercept {self.intercept}",
                do="Calibrate on data the detector orders better than chance.",
            )

    def __call__(self, score: float) -> float:
        """Calibrated probability, in [0, 1], that an image with this pooled score is fake."""
        return float(sigmoid(np.asarray(self.slope * logit(score) + self.intercept)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the three verdicts meet, as calibrated probabilities.

    Attributes:
        real_below: at or below it, "likely real".
        fake_above: at or above it, "likely generated"; between the two, "inconclusive". Where the two are equal, a
            probability equal to both is "likely generated".
        false_alarm_rate: share of reals of the threshold data called "likely generated".
        miss_rate: share of fakes of the threshold data called "likely real".
        chosen_on: which data, in words.
        fingerprint: hash of those data.
    """

    real_below: float
    fake_above: float
    false_alarm_rate: float
    miss_rate: float
    chosen_on: str
    fingerprint: str

    def __post_init__(self) -> None:
        """Refuse thresholds in the wrong order.

        Raises:
            InvalidConfig: not 0 <= real_below <= fake_above <= 1, or a rate outside [0, 1].
        """
        if not 0.0 <= self.real_below <= self.fake_above <= 1.0:
            raise InvalidConfig(
                expected="0 <= real_below <= fake_above <= 1",
                found=f"real_below {self.real_below}, fake_above {self.fake_above}",
                do="Choose the thresholds again.",
            )
        if not (0.0 <= self.false_alarm_rate <= 1.0 and 0.0 <= self.miss_rate <= 1.0):
            raise InvalidConfig(
                expected="a false alarm rate and a miss rate in [0, 1]",
                found=f"{self.false_alarm_rate} and {self.miss_rate}",
                do="Give shares, not percent.",
            )

    def __call__(self, probability: float) -> Verdict:
        """The verdict for one calibrated probability."""
        if probability >= self.fake_above:
            return "likely generated"
        return "likely real" if probability <= self.real_below else "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec:
    """Everything about a detector that its pixels-to-log-odds function does not say.

    Attributes:
        name: what results call it.
        architecture: a key of `telltale.learn.ARCHITECTURES`, such as "xception_block2".
        preparation: how pixels are brought to the form it was trained on.
        grid: where its patches lie; None for a whole-image baseline, which gives one prediction per image.
        pooling: how patch log-odds become one score.
        calibration: score to probability; None where nobody has calibrated it, and then there is no probability.
        thresholds: probability to verdict; None likewise.
        trained_on: sources and fingerprints of the training data.
        made_with: version, command, configuration, commit.
    """

    name: str
    architecture: str
    preparation: Preparation
    grid: PatchGrid | None
    pooling: Pooling = "mean_probability"
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    trained_on: dict[str, Any] = field(default_factory=dict)
    made_with: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a pooling nobody knows, an impossible grid, and thresholds without a probability to compare.

        Raises:
            InvalidConfig: any of the three.
        """
        if self.pooling not in POOLINGS:
            raise InvalidConfig(
                expected=f"a pooling out of {', '.join(POOLINGS)}", found=self.pooling, do="Choose one."
            )
        if self.grid is not None and min(self.grid.size, self.grid.stride) < 1:
            raise InvalidConfig(
                expected="a grid of size and stride 1 or more", found=str(self.grid), do="Derive it from the layers."
            )
        if self.thresholds is not None and self.calibration is None:
            raise InvalidConfig(
                expected="thresholds on a calibrated probability",
                found="thresholds without a calibration",
                do="Store the calibration they were chosen with.",
            )

    def to_json(self) -> str:
        """One JSON object; `from_json` gives the same spec back."""
        return json.dumps({"format": 1, **asdict(self)}, sort_keys=True, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "DetectorSpec":
        """Read what `to_json` wrote.

        Raises:
            InvalidDetector: not JSON, another format, or a field that is missing or wrong.
        """
        try:
            found = json.loads(text)
            if found.pop("format") != 1:
                raise ValueError("format is not 1")
            for key, kind in _PARTS.items():
                found[key] = None if found.get(key) is None else _typed(kind(**found[key]))
            return _typed(DetectorSpec(**found))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidConfig) as error:
            raise InvalidDetector(
                expected="a telltale detector spec, format 1",
                found=f"something else ({type(error).__name__}: {error})",
                do="Export the detector again with `telltale export`, or update telltale if the file is newer.",
            ) from error


_PARTS = {"preparation": Preparation, "grid": PatchGrid, "calibration": Calibration, "thresholds": Thresholds}
_Part = TypeVar("_Part", Preparation, PatchGrid, Calibration, Thresholds, DetectorSpec)


def _typed(part: _Part) -> _Part:
    """The same record, or a TypeError naming a field of another type than declared: a file is a border."""
    for name, hint in get_type_hints(type(part)).items():
        if get_origin(hint) is Literal:
            continue  # the record itself refuses what is not in the list
        kind = {float: int | float, dict[str, Any]: dict}.get(hint, hint)
        if not isinstance(getattr(part, name), kind):
            raise TypeError(f"{name} is {getattr(part, name)!r}")
    return part
