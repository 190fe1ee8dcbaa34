import subprocess
import sys
from typing import Any

import pytest

from telltale.data.settings import PRESETS, BuildSettings, preset
from telltale.errors import InvalidConfig


def test_presets_are_what_they_are_called() -> None:
    paper, native, web = (PRESETS[name] for name in ("paper", "native", "web"))
    assert (paper.side, paper.codec, paper.resample) == (128, "png", "lanczos")
    assert (native.codec, native.resample) == ("png", None)
    assert (web.codec, web.quality, web.resample) == ("jpeg", (70, 95), "lanczos")


def test_a_flag_outranks_the_preset_and_what_is_not_given_does_not() -> None:
    assert preset("web", side=224, crop=None) == BuildSettings(side=224, codec="jpeg")
    assert preset("native", resample="bicubic").resample == "bicubic"


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": (95, 70)},
        {"quality": (0, 70)},
        {"quality": (70, 101)},
        {"side": 7},
        {"face_scale": 0.0},
        {"face_scale": float("nan")},
        {"resample": None, "crop": "whole"},
        {"resample": None, "crop": "uncut"},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        preset("paper", **wrong) if wrong.get("resample", 1) else BuildSettings(**wrong)


@pytest.mark.parametrize(
    "wrong", [["crop", "left"], ["codec", "gif"], ["resample", "nearest"], ["subsampling", "4:1:1"]]
)
def test_words_that_mean_nothing_are_refused(wrong: list[str]) -> None:
    """In a process whose types are not checked, as a user's are not."""
    script = "import sys; from telltale.data.settings import preset; preset('paper', **{sys.argv[1]: sys.argv[2]})"
    done = subprocess.run([sys.executable, "-c", script, *wrong], capture_output=True, text=True, check=False)
    assert f"found {wrong[1]}" in done.stderr


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(InvalidConfig, match="paper, native, web"):
        preset("papers")
