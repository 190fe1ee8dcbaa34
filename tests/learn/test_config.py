import json
from dataclasses import replace
from typing import Any, Literal

import jaxtyping
import pytest
from training_samples import TINY, tiny

from telltale.errors import InvalidConfig
from telltale.image import Preparation
from telltale.learn.config import AUGMENTATIONS, TrainConfig

SCHEDULES: tuple[Literal["constant", "cosine"], ...] = ("constant", "cosine")


def test_a_config_survives_json() -> None:
    config = tiny(side=64, include=("one",), jpeg=0.5, jpeg_range=(30.0, 95.0))
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(InvalidConfig, match="learning_speed"):
        TrainConfig.from_dict({"data": ["x"], "learning_speed": 1})


def test_a_constant_rate_does_not_move_and_a_cosine_falls_to_nothing() -> None:
    constant, falling = (tiny(learning_rate=0.5, epochs=2, steps_per_epoch=4, schedule=kind) for kind in SCHEDULES)
    assert {constant.rate(step) for step in range(8)} == {0.5}
    rates = [falling.rate(step) for step in range(9)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[4], rates[8]) == pytest.approx((0.5, 0.25, 0.0))


def test_missing_data_is_named() -> None:
    with pytest.raises(InvalidConfig, match="data"):
        TrainConfig.from_dict({"epochs": 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", ()),
        ("batch", 7),
        ("batch", 0),
        ("epochs", 0),
        ("patience", 0),
        ("steps_per_epoch", 0),
        ("crop", 0),
        ("seed", -1),
        ("threads", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("beta1", 1.0),
        ("jpeg", 1.5),
        ("flip", -0.1),
        ("jpeg_range", (90.0, 60.0)),
        ("jpeg_range", (0.0, 60.0)),
        ("blur_range", (0.0, float("nan"))),
        ("validation_share", 1.0),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfig, match=name):
        replace(TINY, **{name: value})


@pytest.mark.parametrize(
    "name", ["view", "balance", "choose_by", "pooling", "precision", "channels_last", "device", "schedule"]
)
def test_a_word_nobody_knows_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The type checker of the tests would get ahead of our own check, which users meet without it.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InvalidConfig, match=name):
        TrainConfig.from_dict({"data": ["x"], name: "sideways"})


def test_a_source_cannot_be_both_in_and_out() -> None:
    with pytest.raises(InvalidConfig, match="sd21"):
        tiny(include=("sd21", "flickr"), exclude=("sd21",))


def test_preparation_is_checked_with_the_rest() -> None:
    with pytest.raises(InvalidConfig, match="side"):
        tiny(side=0)
    assert tiny(side=64, fit="square").preparation == Preparation(side=64, fit="square")


def test_augmentations_come_in_a_fixed_order_and_only_if_used() -> None:
    used = tiny(flip=0.5, jpeg=0.2, blur=0.1).augmentations()
    assert [name for name, _, _ in used] == ["flip", "blur", "jpeg"]
    assert tiny(flip=0.0).augmentations() == []
    everything = tiny(**dict.fromkeys(AUGMENTATIONS, 1.0)).augmentations()
    assert [name for name, _, _ in everything] == list(AUGMENTATIONS)
