"""Tables per source against counting by hand."""

import csv
from io import StringIO

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from telltale.evaluate.tables import Scored, SourceRow, flat, per_source
from telltale.spec import Thresholds

THRESHOLDS = Thresholds(
    real_below=0.3, fake_above=0.7, false_alarm_rate=0.1, miss_rate=0.1, chosen_on="", fingerprint=""
)


def scored() -> Scored:
    draw = np.random.default_rng(0)
    source = np.array(["camera b", "camera a", "gan", "diffusion"])[np.arange(120) % 4]
    is_fake = np.isin(source, ("gan", "diffusion"))
    return Scored(is_fake=is_fake, source=source, probability=np.clip(draw.normal(0.4 + 0.2 * is_fake, 0.2), 0, 1))


@pytest.fixture(scope="module")
def rows() -> list[SourceRow]:
    return list(per_source(scored(), THRESHOLDS))


def test_reals_come_first_and_every_source_once(rows: list[SourceRow]) -> None:
    assert [row.source for row in rows] == ["camera a", "camera b", "diffusion", "gan"]
    assert [row.is_fake for row in rows] == [False, False, True, True]
    assert all((row.n, row.n_other) == (30, 60) for row in rows)


def test_each_source_is_measured_against_the_other_label(rows: list[SourceRow]) -> None:
    data = scored()
    for row in rows:
        kept = (data.source == row.source) | (data.is_fake != row.is_fake)
        assert row.auc.value == pytest.approx(roc_auc_score(data.is_fake[kept], data.probability[kept]))
        assert row.ap.value == pytest.approx(average_precision_score(data.is_fake[kept], data.probability[kept]))
        own = data.probability[data.source == row.source]
        assert row.called_fake.value == pytest.approx((own >= 0.7).mean())
        assert row.called_real.value == pytest.approx((own <= 0.3).mean())
        assert row.correct.value == pytest.approx(((own >= 0.5) == row.is_fake).mean())
        for estimate in (row.auc, row.ap, row.called_fake, row.called_real, row.correct):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_choosing_sources_leaves_the_pools_as_they_are(rows: list[SourceRow]) -> None:
    assert list(per_source(scored(), THRESHOLDS, sources=["gan"])) == [row for row in rows if row.source == "gan"]


def test_one_source_name_under_both_labels_gives_two_rows() -> None:
    data = Scored(
        is_fake=np.array([True, False, True, False]),
        source=np.array(["faces"] * 4),
        probability=np.array([0.9, 0.1, 0.8, 0.2]),
    )
    found = list(per_source(data, THRESHOLDS))
    assert [(row.source, row.is_fake, row.n, row.correct.value) for row in found] == [
        ("faces", False, 2, 1.0),
        ("faces", True, 2, 1.0),
    ]


def test_equal_thresholds_call_a_picture_one_thing() -> None:
    meeting = Thresholds(
        real_below=0.5, fake_above=0.5, false_alarm_rate=0.1, miss_rate=0.1, chosen_on="", fingerprint=""
    )
    data = Scored(is_fake=np.array([True, False]), source=np.array(["gan", "camera"]), probability=np.array([0.5, 0.5]))
    for row in per_source(data, meeting):
        assert (row.called_fake.value, row.called_real.value) == (1.0, 0.0)


def test_flat_rows_make_one_csv(rows: list[SourceRow]) -> None:
    stream = StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(flat(rows[0])))
    for row in rows:
        writer.writerow(flat(row))
    real, fake = flat(rows[0]), flat(rows[-1])
    assert list(real) == list(fake)
    assert (real["label"], fake["label"]) == ("real", "fake")
    assert real["accuracy_fake"] is fake["accuracy_real"] is fake["accuracy_real_low"] is None
    assert real["accuracy_real"] == round(rows[0].correct.value, 4)
    assert fake["auc_high"] == round(rows[-1].auc.high, 4)
