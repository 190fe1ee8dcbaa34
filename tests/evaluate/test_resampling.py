"""Many resamples at once say what one set of images after another would say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale.evaluate import resampling as module
from telltale.evaluate.auc_interval import bootstrap_auc
from telltale.evaluate.measures import measures
from telltale.evaluate.resampling import FIGURES, Resampling, prepared, resampling

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


@st.composite
def drawn_again(draw: st.DrawFn) -> tuple[Labels, Scores, Scores, NDArray[np.int64]]:
    """Few images with ties, other probabilities, and how often each was drawn; both classes at least once."""
    count = draw(st.integers(2, 12))
    labels = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(lambda found: len(set(found)) == 2))
    values = st.lists(st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1.0)), min_size=count, max_size=count)
    times = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    is_fake = np.array(labels)
    for label in (True, False):
        times[np.flatnonzero(is_fake == label)[0]] += 1
    return is_fake, np.array(draw(values)), np.array(draw(values)), times


@given(drawn_again())
def test_a_count_is_a_repeated_image(data: tuple[Labels, Scores, Scores, NDArray[np.int64]]) -> None:
    is_fake, scores, probabilities, times = data
    again = np.repeat(np.arange(is_fake.size), times)
    expected = measures(is_fake[again], scores[again], probabilities=probabilities[again])
    counts = np.stack([times, np.ones(is_fake.size)]).astype(np.float64)
    found = prepared(is_fake, scores, probabilities=probabilities).figures(counts)
    assert set(found) == set(FIGURES)
    assert {name: found[name][0] for name in FIGURES} == pytest.approx(
        {name: getattr(expected, name) for name in FIGURES}, abs=1e-9
    )
    plain = measures(is_fake, scores, probabilities=probabilities)
    assert {name: found[name][1] for name in FIGURES} == pytest.approx(
        {name: getattr(plain, name) for name in FIGURES}, abs=1e-9
    )


def test_a_resample_without_one_class_has_no_figure() -> None:
    is_fake = np.array([True, True, False])
    found = prepared(is_fake, np.array([0.9, 0.8, 0.1])).figures(np.array([[1.0, 1, 0], [0, 0, 2], [1, 0, 1]]))
    for name in set(FIGURES) - {"accuracy", "accuracy_real", "accuracy_fake"}:
        assert np.isnan(found[name]).tolist() == [True, True, False], name


def arranged(*groups: str) -> tuple[Labels, NDArray[np.str_], NDArray[np.str_]]:
    """Twelve reals of two sources and six fakes."""
    is_fake = np.arange(18) >= 12
    source = np.array(["a"] * 8 + ["b"] * 4 + ["g"] * 6)
    return is_fake, source, np.array(groups or [""] * 18)


def drawn(how: Resampling, rounds: int = 60) -> NDArray[np.float64]:
    return np.concatenate(list(how.draws(rounds, seed=3)))


def test_images_that_stand_alone_keep_the_numbers_of_every_source() -> None:
    is_fake, source, group = arranged()
    counts = drawn(resampling(is_fake, source, group))
    for name, many in (("a", 8), ("b", 4), ("g", 6)):
        assert (counts[:, source == name].sum(1) == many).all()
    assert counts.mean() == pytest.approx(1)
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 8) ** 8, abs=0.1)


def test_groups_are_drawn_whole() -> None:
    is_fake, source, _ = arranged()
    group = np.array([f"person {index // 2}" if source[index] == "a" else "" for index in range(18)])
    counts = drawn(resampling(is_fake, source, group))
    assert (counts[:, 0:8:2] == counts[:, 1:8:2]).all()
    assert not (counts[:, 8] == counts[:, 9]).all()
    assert (counts[:, source == "a"].sum(1) == 8).all()


def test_twins_of_both_labels_stay_together_and_no_class_is_lost() -> None:
    is_fake, source, _ = arranged()
    group = np.array([f"pair {index % 12}" for index in range(18)])
    counts = drawn(resampling(is_fake, source, group))
    assert (counts[:, :6] == counts[:, 12:]).all()
    assert (counts[:, is_fake].sum(1) == 6).all()


def test_groups_of_rare_kinds_vary_all_the_same() -> None:
    is_fake, source, _ = arranged()
    group = np.array(["p", *[""] * 7, "q", *[""] * 3, "p", "q", *[""] * 4])
    counts = drawn(resampling(is_fake, source, group))
    assert (counts[:, 0] == counts[:, 12]).all()
    assert set(counts[:, 0]) > {0.0, 1.0}
    assert (counts[:, 0] + counts[:, 8] == 2).all()


def test_a_source_of_one_group_varies_with_those_like_it() -> None:
    is_fake = np.repeat([False, True], 24)
    source = np.repeat([f"{label}{number}" for label in "rf" for number in range(6)], 4)
    counts = drawn(resampling(is_fake, source, source), 200)
    for name in set(source.tolist()):
        mine = counts[:, source == name]
        assert (mine == mine[:, :1]).all()
        assert set(mine[:, 0]) >= {0.0, 1.0, 2.0}
    for label in (False, True):
        assert (counts[:, is_fake == label].sum(1) == 24).all()


def test_few_groups_say_little_and_single_images_are_counted_elsewhere() -> None:
    is_fake, source, alone = arranged()
    everything = np.arange(18)
    assert not resampling(is_fake, source, alone).says_little(is_fake, everything)
    people = np.array([f"person {index // 2}" for index in range(18)])
    how = resampling(is_fake, source, people)
    # Six reals' groups and three fakes'.
    assert how.says_little(is_fake, everything)
    assert not how.says_little(is_fake[:12], everything[:12])
    assert how.says_little(is_fake[:8], everything[:8])
    fakes_alone = np.where(is_fake, "", people)
    assert not resampling(is_fake, source, fakes_alone).says_little(is_fake, everything)


def test_memory_is_bounded_and_draws_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    how = resampling(*arranged())
    whole = drawn(how)
    monkeypatch.setattr(module, "_AT_ONCE", 18 * 7)
    parts = list(how.draws(60, seed=3))
    assert [len(part) for part in parts] == [7] * 8 + [4]
    assert (np.concatenate(parts) == whole).all()
    assert not (np.concatenate(list(how.draws(60, seed=4))) == whole).all()


def test_no_images_draw_nothing() -> None:
    nothing = np.zeros(0, np.bool_)
    how = resampling(nothing, np.zeros(0, "U1"), np.zeros(0, "U1"))
    assert drawn(how, 3).shape == (3, 0)


def test_intervals_agree_with_the_plain_bootstrap() -> None:
    draw = np.random.default_rng(0)
    is_fake = np.arange(300) < 120
    scores = draw.beta(2 + is_fake, 2.0)
    how = resampling(is_fake, np.where(is_fake, "g", "r"), np.full(300, ""))
    values = np.concatenate([prepared(is_fake, scores).figures(part)["auc"] for part in how.draws(2000, seed=1)])
    plain = bootstrap_auc(is_fake, scores, rounds=2000)
    assert np.quantile(values, [0.025, 0.975]) == pytest.approx([plain.low, plain.high], abs=0.008)
