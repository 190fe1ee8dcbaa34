"""Rows as arrays: which detector stands in the tables with which pooling, and what is said where nothing was scored."""

from dataclasses import replace

import numpy as np
import pytest

from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.evaluation import COLUMNS, Contender
from telltale.evaluate.evaluation_entries import collect
from telltale.evaluate.results import Row
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.spec import DetectorSpec

PATCHES = DetectorSpec(
    name="patches", architecture="x", preparation=Preparation(), grid=PatchGrid(size=8, stride=8, start=0)
)
WHOLE = replace(PATCHES, name="whole", grid=None)


def contender(spec: DetectorSpec) -> Contender:
    detector = Detector(spec=spec, predict=lambda images: np.zeros((1, 1, 1), np.float32), sha256="ab" * 32)
    return Contender(name=spec.name, detector=detector, engine="onnxruntime")


def rows(error: str | None = None) -> list[Row]:
    known = dict.fromkeys(("score_mean_probability", "score_mean_logit", "score_vote"), None if error else 0.25)
    about = {"source": "a", "group": "", "error": error}
    return [
        {**dict.fromkeys(COLUMNS), **about, **known, "path": str(place), "is_fake": place > 1} for place in range(4)
    ]


def test_a_detector_without_patches_has_one_entry_whatever_the_poolings() -> None:
    entrants = [contender(PATCHES), contender(WHOLE)]
    for poolings, expected in (
        (["own"], ["mean_probability", "mean_probability"]),
        (["vote", "mean_logit"], ["vote", "mean_logit", "mean_probability"]),
    ):
        _, found = collect([*rows(), *rows()], entrants, poolings)
        assert [one.judge.pooling for one in found] == expected
        assert (found[-1].judge.title, found[-1].judge.own) == ("whole", True)


def test_failures_are_said_only_where_every_image_failed() -> None:
    with pytest.raises(InvalidDataset, match="found 4 images and as many failures, the first: broken"):
        collect(rows("broken"), [contender(WHOLE)])
    with pytest.raises(InvalidConfig, match=r"expected poolings out of own, .*; found none"):
        collect(rows(), [contender(WHOLE)], ())
    # A score that a row lacks is no failure.
    unscored = [{**row, "score_vote": None} for row in rows()]
    _, (entry,) = collect(unscored, [contender(PATCHES)], ["vote"])
    assert not entry.scored.any()
