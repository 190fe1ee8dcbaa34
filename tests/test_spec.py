"""The spec inside a weights file: it comes back as it went in, and a wrong one is refused at the border."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import InvalidConfig, InvalidDetector
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.pooling import POOLINGS
from telltale.spec import Calibration, DetectorSpec, Thresholds

# The shape checker looks at one knot of a curve, drawn with `random`; no example depends on which.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

shares = st.floats(0, 1)
words = st.text(max_size=20)
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(words, inside, max_size=3),
    max_leaves=8,
)
levels = st.lists(st.integers(-9999, 9999), min_size=2, max_size=9, unique=True).map(
    lambda found: [value / 700 for value in sorted(found)]
)
curves = st.tuples(levels, levels).map(lambda found: tuple(zip(*found, strict=False)))
calibrations = st.builds(
    Calibration,
    slope=st.floats(1e-6, 1e6),
    intercept=st.floats(-1e6, 1e6),
    fitted_on=words,
    fingerprint=words,
    curve=st.just(()) | curves,
)


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    low, high = sorted((draw(shares), draw(shares)))
    return Thresholds(
        real_below=low,
        fake_above=high,
        false_alarm_rate=draw(shares),
        miss_rate=draw(shares),
        chosen_on=draw(words),
        fingerprint=draw(words),
    )


@st.composite
def specs(draw: st.DrawFn) -> DetectorSpec:
    calibration = draw(st.none() | calibrations)
    return DetectorSpec(
        name=draw(words),
        architecture=draw(words),
        preparation=draw(
            st.builds(
                Preparation, side=st.none() | st.integers(1, 999), resample=st.sampled_from(("lanczos", "bicubic"))
            )
            | st.builds(Preparation, side=st.integers(1, 999), fit=st.just("square"), stored_side=st.integers(1, 999))
        ),
        grid=draw(st.none() | st.builds(PatchGrid, st.integers(1, 999), st.integers(1, 64), st.integers(-500, 0))),
        pooling=draw(st.sampled_from(("mean_probability", "mean_logit", "vote"))),
        calibration=calibration,
        thresholds=None if calibration is None else draw(st.none() | thresholds()),
        trained_on=draw(st.dictionaries(words, plain, max_size=3)),
        made_with=draw(st.dictionaries(words, plain, max_size=3)),
    )


@given(specs())
def test_a_spec_comes_back_from_json_as_it_was(spec: DetectorSpec) -> None:
    text = spec.to_json()
    assert DetectorSpec.from_json(text) == spec
    assert DetectorSpec.from_json(text).to_json() == text
    assert "\n" not in text


def fields(**changes: Any) -> dict[str, Any]:
    spec = DetectorSpec(
        name="tiny",
        architecture="xception_block1",
        preparation=Preparation(side=128),
        grid=PatchGrid(8, 4, 0),
        calibration=Calibration(slope=1.0, intercept=0.0, fitted_on="", fingerprint=""),
        thresholds=Thresholds(
            real_below=0.2, fake_above=0.8, false_alarm_rate=0.1, miss_rate=0.1, chosen_on="", fingerprint=""
        ),
    )
    found: dict[str, Any] = json.loads(spec.to_json())
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = found
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return found


def test_optional_fields_may_be_missing() -> None:
    short = {key: value for key, value in fields().items() if key in ("format", "name", "architecture", "preparation")}
    spec = DetectorSpec.from_json(json.dumps(short))
    assert (spec.grid, spec.calibration, spec.thresholds, spec.pooling) == (None, None, None, "mean_probability")


WRONG: list[dict[str, Any]] = [
    {"format": 3},
    {"format": None},
    {"name": 3},
    {"architecture": None},
    {"preparation": None},
    {"preparation": 128},
    {"preparation__side": "128"},
    {"preparation__side": 128.5},
    {"preparation__side": 0},
    {"preparation__side": [128]},
    {"preparation__fit": "longer"},
    {"preparation__resample": ["lanczos"]},
    {"preparation__unknown": 1},
    {"grid": "8/4/0"},
    {"grid": [8, 4, 0]},
    {"grid__size": "8"},
    {"grid__size": 0},
    {"grid__stride": 0},
    {"grid__stride": 2.5},
    {"grid__start": None},
    {"pooling": "maximum"},
    {"pooling": ["vote"]},
    {"calibration": None},
    {"calibration__slope": 0},
    {"calibration__slope": -1.0},
    {"calibration__slope": "1"},
    {"calibration__slope": float("nan")},
    {"calibration__intercept": float("inf")},
    {"calibration__fitted_on": 7},
    {"calibration__curve": 7},
    {"calibration__curve": [[0.0, 0.0]]},
    {"calibration__curve": [[0.0, 0.0], [1.0]]},
    {"calibration__curve": [[0.0, 0.0], [1.0, "1"]]},
    {"calibration__curve": [[0.0, 0.0], [1.0, True]]},
    {"calibration__curve": [[0.0, 0.0], [1.0, 0.0]]},
    {"calibration__curve": [[1.0, 0.0], [0.0, 1.0]]},
    {"calibration__curve": [[0.0, 0.0], [1.0, float("nan")]]},
    {"calibration__curve": [[float(x), float(x)] for x in range(65)]},
    {"thresholds__real_below": 0.9},
    {"thresholds__fake_above": 1.5},
    {"thresholds__fake_above": float("nan")},
    {"thresholds__false_alarm_rate": 5.0},
    {"thresholds__miss_rate": float("nan")},
    {"thresholds__unknown": 1},
    {"trained_on": []},
    {"made_with": "a laptop"},
    {"something_new": 1},
]

READ = """
import json, sys
from telltale.errors import InvalidDetector
from telltale.spec import DetectorSpec
for text in json.load(sys.stdin):
    try:
        print("accepted", DetectorSpec.from_json(text).name)
    except InvalidDetector as error:
        print(error)
"""


def test_a_wrong_field_is_refused_with_advice() -> None:
    # In a process of its own, because the shape checker of the tests would get ahead of the checks under test.
    texts = json.dumps([json.dumps(fields()), *(json.dumps(fields(**changes)) for changes in WRONG)])
    done = subprocess.run([sys.executable, "-c", READ], input=texts, capture_output=True, text=True, check=True)
    good, *lines = done.stdout.splitlines()
    assert good == "accepted tiny"
    for changes, line in zip(WRONG, lines, strict=True):
        assert line.startswith("expected a telltale detector spec, format 1 or 2; found something else ("), changes
        assert "Export the detector again" in line


@pytest.mark.parametrize("text", ["", "{", "null", "3", '"x"', "[]", "{}", '["format"]', "[" * 100_000, "\0"])
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(InvalidDetector):
        DetectorSpec.from_json(text)


def test_numbers_that_json_cannot_hold_are_not_written() -> None:
    spec = DetectorSpec(
        name="x", architecture="y", preparation=Preparation(), grid=None, made_with={"loss": float("nan")}
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        spec.to_json()


def test_thresholds_need_a_probability() -> None:
    one = DetectorSpec.from_json(json.dumps(fields()))
    with pytest.raises(InvalidConfig, match="thresholds without a calibration"):
        DetectorSpec(name="x", architecture="y", preparation=Preparation(), grid=None, thresholds=one.thresholds)
    assert one.pooling in POOLINGS


def test_calibration_keeps_the_order_and_the_formula() -> None:
    calibration = Calibration(slope=1.7, intercept=-0.4, fitted_on="", fingerprint="")
    scores = np.linspace(0, 1, 101)
    probabilities = np.array([calibration(float(score)) for score in scores])
    assert (np.diff(probabilities) >= 0).all()
    assert 0 < probabilities[0] < probabilities[-1] < 1
    odds = scores[1:-1] / (1 - scores[1:-1])
    assert np.allclose(probabilities[1:-1], 1 / (1 + np.exp(0.4) * odds**-1.7))
    assert Calibration(slope=1.0, intercept=0.0, fitted_on="", fingerprint="")(0.3) == pytest.approx(0.3)


@given(thresholds(), shares)
def test_every_probability_has_one_verdict(chosen: Thresholds, probability: float) -> None:
    verdict = chosen(probability)
    if verdict == "likely generated":
        assert probability >= chosen.fake_above
    elif verdict == "likely real":
        assert probability <= chosen.real_below < chosen.fake_above or probability < chosen.fake_above
    else:
        assert chosen.real_below < probability < chosen.fake_above


def test_thresholds_belong_to_the_verdict_they_name() -> None:
    chosen = Thresholds(
        real_below=0.2, fake_above=0.8, false_alarm_rate=0.1, miss_rate=0.1, chosen_on="", fingerprint=""
    )
    assert [chosen(value) for value in (0.0, 0.2, 0.2001, 0.7999, 0.8, 1.0)] == [
        "likely real", "likely real", "inconclusive", "inconclusive", "likely generated", "likely generated"
    ]  # fmt: skip


# As the first release wrote it; it must be read, and mean the same, for ever.
FORMAT_1 = (
    '{"architecture": "xception_block2", "calibration": {"fingerprint": "f4", "fitted_on": "validation", "intercept": '
    '0.25, "slope": 2.0}, "format": 1, "grid": {"size": 43, "start": -18, "stride": 8}, "made_with": {}, "name": '
    '"old", "pooling": "mean_probability", "preparation": {"fit": "shorter", "resample": "lanczos", "side": 224, '
    '"stored_side": null}, "thresholds": {"chosen_on": "validation", "fake_above": 0.75, "false_alarm_rate": 0.05, '
    '"fingerprint": "f4", "miss_rate": 0.04, "real_below": 0.125}, "trained_on": {}}'
)


def test_format_1_is_read_for_ever_and_still_written_where_it_suffices() -> None:
    spec = DetectorSpec.from_json(FORMAT_1)
    assert spec.calibration is not None
    assert spec.calibration(0.5) == pytest.approx(1 / (1 + np.exp(-0.25)))
    assert spec.calibration(0.8) == pytest.approx(1 / (1 + np.exp(-(2 * np.log(4) + 0.25))))
    assert spec.to_json() == FORMAT_1


def test_a_curve_is_format_2() -> None:
    curved = Calibration(slope=1.0, intercept=0.0, fitted_on="", fingerprint="", curve=((0.0, -1.0), (1.0, 1.0)))
    text = replace(DetectorSpec.from_json(FORMAT_1), calibration=curved).to_json()
    assert json.loads(text)["format"] == 2
    assert DetectorSpec.from_json(text).calibration == curved


@given(calibrations, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_every_calibration_keeps_the_order(calibration: Calibration, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert calibration.log_odds(low) <= calibration.log_odds(high)


def test_a_curve_goes_straight_through_its_knots_and_never_on_more_steeply_than_as_a_whole() -> None:
    curved = Calibration(
        slope=2.0, intercept=0.5, fitted_on="", fingerprint="", curve=((-1.0, -3.0), (0.0, 0.0), (1.0, 1.0))
    )
    for place, height in ((-1.0, -3.0), (-0.5, -1.5), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (-2.0, -5.0)):
        assert curved.log_odds(1 / (1 + np.exp(-place))) == pytest.approx(2 * height + 0.5)


@pytest.mark.parametrize("curve", [((0.0, 0.0),), ((0.0, 0.0), (1.0, 0.0)), ((0.0, 0.0), (1.0, np.inf))])
def test_a_curve_that_does_not_rise_is_refused(curve: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InvalidConfig, match="a curve of 2 to 64"):
        Calibration(slope=1.0, intercept=0.0, fitted_on="", fingerprint="", curve=curve)
