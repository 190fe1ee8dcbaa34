"""Slices: every image in one of them, equal numbers together, and what is too small said so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from telltale.evaluate.evaluation_entries import Entry, Images, Judge
from telltale.evaluate.slices import BINS, FEW_VALUES, MOST_WORDS, OTHER, UNKNOWN, parted, slices

VALUES = st.lists(st.none() | st.floats(-5, 5) | st.sampled_from(("a", "b", "JPEG")) | st.just(2.0), max_size=40)


@given(VALUES)
def test_every_image_is_in_just_one_slice(values: list[float | str | None]) -> None:
    found = parted(values)
    total = np.zeros(len(values), int)
    for _, chosen in found:
        assert chosen.any()
        total += chosen
    assert (total == 1).all()
    for number in {value for value in values if isinstance(value, float)}:
        places = [index for index, value in enumerate(values) if value == number]
        assert len({name for name, chosen in found for place in places if chosen[place]}) == 1


def test_many_numbers_fall_into_bins_of_about_equal_size() -> None:
    found = parted([float(value) for value in np.random.default_rng(0).permutation(100)])
    assert [name for name, _ in found] == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    assert {int(chosen.sum()) for _, chosen in found} == {25}
    assert len(found) == BINS


def test_few_numbers_and_words_stand_alone_and_rare_words_are_joined() -> None:
    assert [name for name, _ in parted([90.0, 75.0, 90.0, None])] == ["75", "90", UNKNOWN]
    assert len(parted([float(value) for value in range(FEW_VALUES)])) == FEW_VALUES
    words = [f"camera {index}" for index in range(MOST_WORDS + 5) for _ in range(30 - index)]
    found = parted(list(words))
    assert len(found) == MOST_WORDS
    assert found[-1][0] == OTHER
    assert [name for name, _ in parted(["no JPEG", *map(float, range(8))])][-1] == "no JPEG"


def made(count: int = 120) -> tuple[Images, Entry]:
    draw = np.random.default_rng(0)
    is_fake = np.arange(count) % 2 == 0
    score = np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1)
    score[3] = np.nan
    verdict = np.where(score >= 0.5, "likely generated", "likely real").astype(object)
    source = np.where(is_fake, "g", "r").astype(object)
    path = np.array([str(index) for index in range(count)], object)
    judge = Judge(detector="one", weights_sha256="ab", pooling="vote", own=True, judged_by="score", verdict_by="0.5")
    images = Images(path=path, is_fake=is_fake, source=source, group=np.full(count, "", object))
    return images, Entry(judge=judge, score=score, judged=score, verdict=verdict)


def test_figures_of_a_slice_are_those_of_its_images() -> None:
    images, entry = made()
    size = [float(100 + index % 50) for index in range(120)]
    kind = ["camera" if index < 5 else None for index in range(120)]
    rows = list(slices(images, [entry], {"size": size, "kind": kind}, rounds=60))
    assert [row.column for row in rows] == ["size"] * 4 + ["kind"] * 2
    chosen = (np.array(size) <= 109) & np.isfinite(entry.score)
    first = rows[0]
    assert first.value == "100 to 109"
    assert first.auc is not None
    assert first.auc.value == pytest.approx(roc_auc_score(images.is_fake[chosen], entry.score[chosen]))
    assert first.auc.low <= first.auc.value <= first.auc.high
    assert (first.n_real, first.n_fake) == ((~images.is_fake[chosen]).sum(), images.is_fake[chosen].sum())
    assert first.false_alarm is not None
    assert first.false_alarm.value == (entry.score[chosen & ~images.is_fake] >= 0.5).mean()
    assert sum(row.n_real + row.n_fake for row in rows[:4]) == 119


def test_small_and_one_sided_slices_say_so() -> None:
    images, entry = made()
    value = ["few" if index < 8 else "reals" if images.is_fake[index] == 0 else "fakes" for index in range(120)]
    notes = {row.value: (row.note, row.auc) for row in slices(images, [entry], {"kind": value}, rounds=20)}
    assert notes == {"few": ("too few", None), "reals": ("no fakes", None), "fakes": ("no reals", None)}


def test_no_column_has_no_rows() -> None:
    images, entry = made()
    assert list(slices(images, [entry], {})) == []
