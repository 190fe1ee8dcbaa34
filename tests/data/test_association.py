import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from telltale.data.association import Bootstrap, area, group_numbers, target_encoded


def bootstrap(is_fake: NDArray[np.bool_], group: NDArray[np.str_] | None = None, **options: int) -> Bootstrap:
    return Bootstrap(is_fake, np.full(is_fake.size, "") if group is None else group, **options)


def labels(count: int, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).permutation(np.arange(2 * count) < count)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=20, max_size=60))
def test_the_area_agrees_with_scikit_learn_on_ties(rows: list[tuple[int, bool]]) -> None:
    values, is_fake = np.array([float(row[0]) for row in rows]), np.array([row[1] for row in rows])
    if min(is_fake.sum(), (~is_fake).sum()) < 10:
        assert area(is_fake, values) == 0.5
    else:
        assert area(is_fake, values) == pytest.approx(roc_auc_score(is_fake, values))


def test_files_without_a_value_are_left_out() -> None:
    is_fake = labels(30)
    values = np.where(is_fake, 2.0, 1.0)
    values[:15] = np.nan
    found = bootstrap(is_fake).association(values)
    assert found is not None
    assert (found.auc, found.real + found.fake) == (1.0, 45)
    assert bootstrap(is_fake).association(np.where(is_fake, np.nan, 1.0)) is None


def test_the_error_is_that_of_mann_whitney_where_there_is_nothing_to_find() -> None:
    is_fake = labels(150)
    found = bootstrap(is_fake).association(np.random.default_rng(1).normal(size=300))
    assert found is not None
    expected = np.sqrt(301 / (12 * 150 * 150))
    assert found.chance == pytest.approx(expected)
    assert found.error == pytest.approx(expected, rel=0.15)


def test_ties_are_counted_in_the_error_of_chance() -> None:
    is_fake = labels(100)
    flag = (np.random.default_rng(1).random(200) < 0.05).astype(float)
    found = bootstrap(is_fake).association(flag)
    assert found is not None
    share = flag.mean()
    assert found.chance == pytest.approx(0.5 * np.sqrt(share * (1 - share) * (1 / 100 + 1 / 100)), rel=0.02)


@pytest.mark.parametrize("count", [10, 40])
def test_the_interval_excludes_chance_as_rarely_as_it_says(count: int) -> None:
    is_fake = labels(count)
    draw = bootstrap(is_fake, rounds=100)
    generator = np.random.default_rng(2)
    missed = 0
    for _ in range(400):
        found = draw.association(generator.normal(size=2 * count))
        assert found is not None
        low, high = found.interval(1.96)
        missed += not low <= 0.5 <= high
    assert missed <= 0.08 * 400


def test_few_files_that_separate_perfectly_leave_doubt_and_many_leave_little() -> None:
    lows = []
    for count in (10, 1000):
        is_fake = labels(count)
        found = bootstrap(is_fake, rounds=50).association(is_fake.astype(float))
        assert found is not None
        low, high = found.interval(2.58)
        assert (found.auc, high) == (1.0, 1.0)
        lows.append(low)
    assert lows[0] < 0.85
    assert lows[1] > 0.98


def test_a_cue_that_never_varies_is_chance_and_nothing_else() -> None:
    is_fake = labels(20)
    found = bootstrap(is_fake).association(np.ones(40))
    assert found is not None
    assert (found.auc, found.varies, found.interval(3.0)) == (0.5, False, (0.5, 0.5))


def test_copies_in_one_group_are_no_further_witnesses() -> None:
    generator = np.random.default_rng(3)
    is_fake, values = labels(30), generator.normal(size=60)
    copied, copies = np.repeat(is_fake, 5), np.repeat(values, 5)
    group = np.repeat(np.array([f"g{number}" for number in range(60)]), 5)
    once = bootstrap(is_fake).association(values)
    grouped, alone = bootstrap(copied, group).association(copies), bootstrap(copied).association(copies)
    assert once is not None
    assert grouped is not None
    assert alone is not None
    assert grouped.error == pytest.approx(once.error, rel=0.2)
    assert alone.error < 0.6 * once.error


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    found = group_numbers(np.array(["a", "", "b", "a", ""]))
    assert found[0] == found[3]
    assert len(set(found.tolist())) == 4
    assert sorted(set(found.tolist())) == [0, 1, 2, 3]


def test_of_two_words_the_one_of_the_fakes_is_high() -> None:
    is_fake = labels(20)
    for real, fake in (("JPEG", "PNG"), ("PNG", "JPEG")):
        words = np.where(is_fake, fake, real)
        assert area(is_fake, target_encoded(is_fake, np.full(40, ""), words)) == 1.0


def test_words_that_say_nothing_score_chance_however_many_there_are() -> None:
    generator = np.random.default_rng(4)
    for kinds in (3, 30, 200):
        found = []
        for seed in range(60):
            is_fake = labels(100, seed)
            words = generator.integers(0, kinds, 200).astype(str)
            found.append(area(is_fake, target_encoded(is_fake, np.full(200, ""), words, seed=seed)))
        assert abs(np.mean(found) - 0.5) < 0.02


def test_several_words_that_tell_are_found_and_missing_ones_left_out() -> None:
    is_fake = labels(100)
    generator = np.random.default_rng(5)
    words = np.where(is_fake, generator.choice(["a", "b"], 200), generator.choice(["c", "d"], 200))
    words[:20] = ""
    encoded = target_encoded(is_fake, np.full(200, ""), words)
    assert np.isnan(encoded[:20]).all()
    assert area(is_fake, encoded) == 1.0
    assert 0.3 < np.isfinite(encoded).mean() < 0.6


def test_the_halves_of_words_keep_groups_whole() -> None:
    is_fake = labels(60)
    group = np.array([f"g{number // 4}" for number in range(120)])
    words = np.random.default_rng(6).choice(["a", "b", "c"], 120)
    measured = ~np.isnan(target_encoded(is_fake, group, words))
    assert all(len(set(measured[group == name].tolist())) == 1 for name in np.unique(group))
