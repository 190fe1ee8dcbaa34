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
# Format 1 knows no curve; a spec without one is written as format 1, so that older readers go on reading it.
FORMATS = (1, 2)
MAX_KNOTS = 64
# Knots closer than this would divide by next to nothing.
_LEAST_RISE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Score to probability: `sigmoid(slope * curve(logit(score)) + intercept)`, for equally many reals and fakes.

    Without a curve this is Platt scaling (1999), and temperature scaling where the intercept is 0 as well.

    Attributes:
        slope: above 0, so that the order of images is kept.
        intercept: log-odds where the curve, or the score's own log-odds, are 0.
        fitted_on: which data, in words.
        fingerprint: hash of those data.
        curve: knots (log-odds of the score, log-odds), both strictly increasing, straight lines between them. Beyond
            an end it rises as between the two knots there, or as from the first knot to the last where that is less.
            So the order of images is kept, and no two scores fall together. Empty for the identity.
    """

    slope: float
    intercept: float
    fitted_on: str
    fingerprint: str
    curve: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would turn the order of images round, or make them equal.

        Raises:
            InvalidConfig: slope not above 0, a number that is not finite, or a curve that does not rise everywhere.
        """
        if not (self.slope > 0 and np.isfinite(self.slope) and np.isfinite(self.intercept)):
            raise InvalidConfig(
                expected="a finite slope above 0 and a finite intercept",
                found=f"slope {self.slope}, intercept {self.intercept}",
                do="Calibrate on data the detector orders better than chance.",
            )
        if self.curve and not (2 <= len(self.curve) <= MAX_KNOTS and _rises(self.curve)):
            raise InvalidConfig(
                expected=f"a curve of 2 to {MAX_KNOTS} finite knots, each above the one before in both numbers",
                found=str(self.curve)[:200],
                do="Calibrate on data the detector orders better than chance.",
            )

    def __call__(self, score: float) -> float:
        """Calibrated probability, in [0, 1], that an image with this pooled score is fake."""
        return float(sigmoid(np.asarray(self.log_odds(score))))

    def log_odds(self, score: float) -> float:
        """Log-odds of the calibrated probability."""
        return self.slope * self._curved(logit(score)) + self.intercept

    def _curved(self, place: float) -> float:
        if not self.curve:
            return place
        places, heights = np.array(self.curve).T
        inside = float(np.interp(place, places, heights))
        rises = np.diff(heights) / np.diff(places)
        most = (heights[-1] - heights[0]) / (places[-1] - places[0])
        below, above = min(place - places[0], 0.0), max(place - places[-1], 0.0)
        return inside + float(below * min(rises[0], most) + above * min(rises[-1], most))


def _rises(curve: tuple[tuple[float, float], ...]) -> bool:
    knots = np.array(curve)
    return bool(np.isfinite(knots).all() and (np.diff(knots, axis=0) > _LEAST_RISE).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the three verdicts meet, as calibrated probabilities.

    Attributes:
        real_below: at or below it, "likely real".
        fake_above: at or above it, "likely generated"; between the two, "inconclusive". Where the two are equal, a
            probability equal to both is "likely generated".
        false_alarm_rate: share of reals of the threshold data called "likely generated".
        miss_rate: share of fakes of the threshold data called "likely real"; 0 where there were none.
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
        found = asdict(self)
        curved = self.calibration is not None and bool(self.calibration.curve)
        if self.calibration is not None and not curved:
            del found["calibration"]["curve"]
        return json.dumps({"format": 2 if curved else 1, **found}, sort_keys=True, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "DetectorSpec":
        """Read what `to_json` wrote.

        Raises:
            InvalidDetector: not JSON, another format, or a field that is missing or wrong.
        """
        try:
            found = json.loads(text)
            if found.pop("format") not in FORMATS:
                raise ValueError(f"format is none of {FORMATS}")
            if found.get("calibration"):
                found["calibration"]["curve"] = _knots(found["calibration"].get("curve", []))
            for key, kind in _PARTS.items():
                found[key] = None if found.get(key) is None else _typed(kind(**found[key]))
            return _typed(DetectorSpec(**found))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidConfig) as error:
            raise InvalidDetector(
                expected="a telltale detector spec, format 1 or 2",
                found=f"something else ({type(error).__name__}: {error})",
                do="Export the detector again with `telltale export`, or update telltale if the file is newer.",
            ) from error


_PARTS = {"preparation": Preparation, "grid": PatchGrid, "calibration": Calibration, "thresholds": Thresholds}
_Part = TypeVar("_Part", Preparation, PatchGrid, Calibration, Thresholds, DetectorSpec)


def _knots(found: list[list[float]]) -> tuple[tuple[float, float], ...]:
    """Knots as JSON has them; numbers only, and exactly two each."""
    for value in (value for knot in found for value in knot):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"curve holds {value!r}")
    return tuple((float(x), float(y)) for x, y in found)


def _typed(part: _Part) -> _Part:
    """The same record, or a TypeError naming a field of another type than declared: a file is a border."""
    for name, hint in get_type_hints(type(part)).items():
        if get_origin(hint) in (Literal, tuple):
            continue  # the record itself refuses what is not in the list; knots are checked as they are read
        kind = {float: int | float, dict[str, Any]: dict}.get(hint, hint)
        if not isinstance(getattr(part, name), kind):
            raise TypeError(f"{name} is {getattr(part, name)!r}")
    return part
