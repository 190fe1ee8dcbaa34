"""Scores of reals and fakes to calibrate by, and what a detector said before; no test, but what tests share."""

import numpy as np

from telltale.evaluate.calibration_report import Aim, CalibrationImages
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.spec import Calibration, DetectorSpec, Thresholds

AIM = Aim(false_alarm_rate=0.05, miss_rate=0.05, data="the images", fingerprint="f")
PLATT = Calibration(slope=2.0, intercept=0.0, fitted_on="many", fingerprint="old")
THRESHOLDS = Thresholds(
    real_below=0.2, fake_above=0.8, false_alarm_rate=0.05, miss_rate=0.05, chosen_on="many", fingerprint="old"
)
SPEC = DetectorSpec(
    name="d", architecture="a", preparation=Preparation(), grid=PatchGrid(8, 4, 0), calibration=PLATT,
    thresholds=THRESHOLDS,
)  # fmt: skip


def images(reals: int = 200, fakes: int = 150, seed: int = 0, apart: float = 1.2) -> CalibrationImages:
    draw, count = np.random.default_rng(seed), reals + fakes
    is_fake = np.arange(count) >= reals
    return CalibrationImages(
        is_fake=is_fake,
        source=np.where(is_fake, "gan", np.where(np.arange(count) % 2, "cam", "phone")),
        group=np.array([f"g{index}" for index in range(count)]),
        score=1 / (1 + np.exp(-draw.normal(is_fake * apart - apart / 2, 1.0))),
        weight=np.ones(count),
    )
