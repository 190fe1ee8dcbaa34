"""Contrasts of networks over seeds, pictures and sources, and of number formats."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from telltale.evaluate.metrics import auc

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from comparisons import AREA, Estimate, Runs, areas, few, over_seeds
from contrasts import answers, conclusions, holm, table, versus
from number_formats import gap, number_format, said

FIRST, SECOND = ("first", "none"), ("second", "none")
EACH, SEEDS = 30, 5
SOURCE = np.repeat(["camera", "a", "b", "c", "d"], EACH)
IS_FAKE = SOURCE != "camera"
POOLS = {name: np.flatnonzero((name == SOURCE) | ~IS_FAKE) for name in ("a", "b", "c", "d")}


def runs(gains: tuple[float, ...], seed: int, *, seeds: int = SEEDS, rounds: int = 300) -> Runs:
    """A network whose scores part each source of fakes from the camera by so much; every seed has its own noise."""
    random = np.random.default_rng(seed)
    shift = np.repeat([0.0, *gains], EACH)
    return areas(IS_FAKE, SOURCE, random.normal(shift, 1, (seeds, SOURCE.size)), POOLS, rounds)


def asked(first: Runs, second: Runs) -> tuple[str, int, float]:
    (one,) = answers([versus("topic", "first against second", [FIRST], [SECOND])], {FIRST: first, SECOND: second})
    return one.verdict, one.better, one.here.value


def test_values_are_the_seeds_mean_auc_and_every_picture_drawn_once_gives_them() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 9, (3, SOURCE.size)) / 8
    found = areas(IS_FAKE, SOURCE, scores, POOLS, 2000)
    for place, (name, pool) in enumerate(POOLS.items()):
        expected = np.mean([auc(IS_FAKE[pool], one[pool]) for one in scores])
        assert found.on(name).value == pytest.approx(expected)
        assert found.draws[:, place].mean() == pytest.approx(expected, abs=0.01)
    assert np.array_equal(found.draws, areas(IS_FAKE, SOURCE, scores, POOLS, 2000).draws)


def test_pictures_are_drawn_alike_for_every_network() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(1, SOURCE.size))
    same = areas(IS_FAKE, SOURCE, scores, POOLS, 50)
    squeezed = areas(IS_FAKE, SOURCE, np.tanh(scores), POOLS, 50)
    assert asked(same, squeezed)[2] == 0
    assert np.allclose(same.draws, squeezed.draws), "AUC knows ranks only, and one network's draws are the other's"


def test_the_bootstrap_of_few_seeds_is_as_wide_as_seeds_differ() -> None:
    """Seeds that are all right or all wrong, whichever pictures are drawn: the textbook's error of their mean."""
    level = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    found = areas(IS_FAKE, SOURCE, np.where(IS_FAKE, level[:, None], 0.5), POOLS, 4000)
    assert found.mean.value == pytest.approx(0.6)
    assert found.mean.draws.std() == pytest.approx(level.std(ddof=1) / np.sqrt(5), rel=0.05)


def test_better_everywhere_is_better_elsewhere_and_better_on_one_source_is_open() -> None:
    equal = runs((0.5,) * 4, 0)
    verdict, better, value = asked(runs((1.5,) * 4, 1), equal)
    assert (verdict, better) == ("better, and beyond the spread between sources", 4)
    assert value > 0.1
    assert asked(equal, runs((1.5,) * 4, 1))[2] == pytest.approx(-value)
    assert asked(equal, runs((1.5,) * 4, 1))[0] == "worse, and beyond the spread between sources"
    assert asked(runs((3.5, 3.5, 0.5, 0.5), 2), equal)[0] == "better on these sources, open for others"
    assert asked(runs((1.5,) * 4, 1).of(["a"]), equal.of(["a"]))[0] == "better", "one source has no spread"
    assert asked(equal, equal)[0] == "not shown: more than 0.000 either way is unlikely"


def test_figures_without_scores_are_compared_over_seeds() -> None:
    values = np.array([[0.8, 0.6], [0.9, 0.7], [0.85, 0.65]])
    found = over_seeds(values, ("jpeg", "blur"), rounds=4000)
    assert found.on("blur").value == pytest.approx(0.65)
    assert found.mean.draws.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.1)
    assert found.worst.value == pytest.approx(0.65)


@pytest.mark.parametrize(("seeds", "networks"), [(3, 1), (5, 1), (3, 5)])
def test_intervals_that_rest_on_few_seeds_hold_the_truth_as_often_as_they_say(seeds: int, networks: int) -> None:
    random, held, unwidened, rounds = np.random.default_rng(3), 0, 0, 300
    many = [(f"cut {number}", "none") for number in range(networks)]
    for _ in range(rounds):
        found = {key: over_seeds(random.normal(0, 1, (seeds, 1)), ("a",), 300) for key in (*many, SECOND)}
        (one,) = answers([versus("depth", "many against one", many, [SECOND])], found, guessing=None)
        low, high = np.quantile(one.here.draws, (0.025, 0.975))
        held, unwidened = held + (one.here.side == 0), unwidened + (low < 0 < high)
    assert 0.92 < held / rounds < 0.98
    assert unwidened < held


def test_an_interval_is_widened_where_seeds_are_the_doubt_and_not_where_pictures_are() -> None:
    random = np.random.default_rng(4)
    pictures = Estimate(0.5, random.normal(0.5, 0.01, 4000))
    alike = replace(pictures, few=few([0.5, 0.5001, 0.4999]))
    apart = replace(pictures, few=few([0.48, 0.5, 0.5 + 0.02]))
    assert alike.interval == pytest.approx(pictures.interval, abs=1e-4)
    assert apart.freedom == pytest.approx(2, rel=0.6)
    wider, plain = (high - low for low, high in (apart.interval, pictures.interval))
    assert wider > 1.5 * plain
    assert few([0.5]) == ()
    near = Estimate(0.99, random.normal(0.99, 0.01, 500), few([0.98, 1.0, 0.99]), AREA)
    assert near.interval[1] == 1.0


def test_equal_networks_seldom_seem_to_differ() -> None:
    verdicts = [asked(runs((0.5, 0.7, 0.2, 0.9), 2 * n), runs((0.5, 0.7, 0.2, 0.9), 2 * n + 1))[0] for n in range(40)]
    assert sum(not one.startswith("not shown") for one in verdicts) <= 6


def test_conclusions_name_what_held_and_what_did_not() -> None:
    found = {FIRST: runs((1.5,) * 4, 1), SECOND: runs((0.5,) * 4, 0), ("third", "none"): runs((0.5,) * 4, 3)}
    questions = [
        versus("depth", "first against second", [FIRST], [SECOND]),
        versus("depth", "second against third", [SECOND], [("third", "none")]),
        versus("depth", "second against first", [SECOND], [FIRST]),
        versus("depth", "first against a network that is not there", [FIRST], [("fourth", "none")]),
    ]
    each = answers(questions, found)
    assert len(each) == 3
    assert {one.question.asked for one in holm(each)} == {"first against second", "second against first"}
    line, sure = conclusions(each)
    assert "first against second: +0." in line
    assert "Worse (1 of 2): second against first." in line
    assert "Not shown (1 of 2): second against third." in line
    assert "2 of 3 intervals" in sure
    assert "2 remain: depth, first against second; depth, second against first." in sure
    assert "has 5." in sure
    assert [("†" in row) for row in table(each)] == [False, False, True, False, True]
    *_, many = conclusions(each * 4)
    assert "8 remain, marked † below." in many
    assert list(conclusions([])) == ["- **How sure.** No question has all its networks yet."]


def test_one_run_of_a_network_is_not_judged_and_two_say_nothing_of_a_minimum() -> None:
    many, single, double = runs((1.5,) * 4, 1), runs((0.5,) * 4, 0, seeds=1), runs((0.5,) * 4, 0, seeds=2)
    question = versus("depth", "first against second", [FIRST], [SECOND])
    (one,) = answers([question], {FIRST: many, SECOND: single})
    assert one.verdict == "not judged: one run of a network"
    assert holm([one]) == []
    (line, sure) = conclusions([one])
    assert "too few runs to judge a minimum" in line
    assert "0 of 0 intervals" in sure
    (two,) = answers([question], {FIRST: many, SECOND: double})
    assert two.judged
    assert "too few runs to judge a minimum" in two.of_the_worst
    (three,) = answers([question], {FIRST: many, SECOND: runs((0.5,) * 4, 0, seeds=3)})
    assert three.of_the_worst.endswith("], better")


def test_a_lead_among_networks_that_guess_is_called_that() -> None:
    question = versus("depth", "first against second", [FIRST], [SECOND])
    found = {FIRST: runs((1.5, 1.5, 1.5, -0.2), 1), SECOND: runs((1.5, 1.5, 1.5, -2.0), 0)}
    (one,) = answers([question], found)
    assert one.worst.side == 1
    assert max(one.levels) < 0.5
    assert "better, though neither is above guessing there (0." in one.of_the_worst
    (other,) = answers([question], found, guessing=None)
    assert other.of_the_worst.endswith("better")
    assert one.levels == pytest.approx((found[FIRST].worst.value, found[SECOND].worst.value))


def test_cells_say_their_number_format_and_those_that_do_not_are_older() -> None:
    assert [
        number_format(one) for one in ("CPU, 2 cores, AMD EPYC, bf16", "CPU, 2 cores, X, fp32", "CPU, 4 cores, X", None)
    ] == ["bf16", "fp32", "fp32", "fp32"]


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_formats_differ_where_they_do_and_levels_of_networks_and_seeds_do_not_count(shift: float) -> None:
    """Seeds 0 and 1 were trained in one format, 3 and 4 in the other, 2 in both; seed 4 is lucky for all."""
    random = np.random.default_rng(5)
    values = {
        network: [
            (name, seed, 0.1 * network + 0.3 * (seed == 4) + shift * (name == "bf16") + random.normal(0, 0.01))
            for seed, name in enumerate(("fp32", "fp32", "bf16" if network % 2 else "fp32", "bf16", "bf16"))
        ]
        for network in range(12)
    }
    found = gap(values | {"one format only": [("fp32", 0, 0.9), ("fp32", 1, 0.9)]})
    assert found is not None
    assert (found.networks, found.runs) == (12, 62)
    assert found.low < shift < found.high
    assert found.detectable < 0.03
    assert (found.p < 0.01) == (shift > 0)
    words = said(["a, bf16"] * 15 + ["a"] * 10, 3, {"AUC": found})
    assert words.startswith("Number formats: 10 networks were trained in fp32, 15 in bf16; 3 runs train no network.")
    assert ("they differ by more than seeds do" in words) == (shift > 0)


def test_formats_are_not_compared_where_seeds_or_networks_explain_them() -> None:
    pair = (("fp32", 0, 0.5), ("fp32", 1, 0.6), ("bf16", 2, 0.7))
    assert gap({"a": pair, "b": pair}) is None, "every seed has one format"
    assert gap({"a": [("fp32", 0, 0.5), ("fp32", 1, 0.6)], "b": [("bf16", 0, 0.7), ("bf16", 1, 0.8)]}) is None
    assert gap({"a": [("fp32", 0, 0.5), ("bf16", 1, 0.6)]}) is None, "two runs have no spread of seeds"
    assert gap({}) is None
    assert "too few networks" in said(["a"], 0, {"AUC": None})
