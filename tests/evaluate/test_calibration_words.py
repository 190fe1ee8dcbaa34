"""Doubts are said where there is something to doubt, and not elsewhere."""

from dataclasses import replace

from calibration_images import AIM, PLATT, SPEC, THRESHOLDS, images

from telltale.evaluate.calibration_report import images_needed
from telltale.evaluate.calibration_words import doubts, silences, unused_rates


def test_rates_that_a_shift_does_not_use_are_named() -> None:
    few, aim = images(42, 80), replace(AIM, false_alarm_rate=0.001)
    (said,) = unused_rates(SPEC, few, aim)
    assert "thresholds of before stand" in said
    assert "(0.1 % false alarms, 5 % misses) were not used: new thresholds take 3000 reals" in said
    assert "60 fakes" in next(unused_rates(SPEC, images(60, 59), AIM))
    assert list(unused_rates(SPEC, images(60, 60), AIM)) == []
    # Chosen anew all the same: there were none before, or only the upper one is.
    assert list(unused_rates(replace(SPEC, thresholds=None), few, aim)) == []
    assert list(unused_rates(SPEC, few.only(~few.is_fake), aim)) == []


def test_a_rate_of_0_because_no_verdict_is_given_is_no_merit() -> None:
    found = images(60, 60)
    assert list(silences(found, PLATT, THRESHOLDS)) == []
    never = replace(THRESHOLDS, real_below=0.0)
    assert list(silences(found, PLATT, never)) == [
        "no picture here is called likely real: a miss rate of 0 says only that"
    ]
    assert "every picture here is inconclusive" in next(silences(found, PLATT, replace(never, fake_above=1.0)))
    assert list(silences(found.only(~found.is_fake), PLATT, never)) == []


def test_doubts_are_said() -> None:
    assert [images_needed(rate) for rate in (0.05, 0.01, 0.1, 0.0)] == [60, 300, 30, 0]
    assert list(doubts(images(60, 60, apart=2.5), AIM)) == []
    few = list(doubts(images(30, 60, apart=2.5), AIM))
    assert len(few) == 1
    assert few[0].startswith("30 reals are too few for a false-alarm rate of 5 %: the true rate may be 10 %")
    assert any("cannot be told from guessing" in doubt for doubt in doubts(images(80, 80, apart=0.0), AIM))
    assert any("rate of 0" in doubt for doubt in doubts(images(80, 80), replace(AIM, miss_rate=0.0)))
    assert any("do not overlap" in doubt for doubt in doubts(images(80, 80, apart=20.0), AIM))
