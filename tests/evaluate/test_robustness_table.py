"""Tables and figure of a sweep, from scores written by hand so that every figure can be counted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import telltale
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.evaluate.kept_scores import KEPT_COLUMNS
from telltale.evaluate.metrics import auc
from telltale.evaluate.results import ResultFile
from telltale.evaluate.robustness_cells import CLEAN, Cell
from telltale.evaluate.robustness_figure import draw
from telltale.evaluate.robustness_folder import cell_file
from telltale.evaluate.robustness_table import ALL, RobustnessRow, as_csv, as_json_lines, as_markdown, table, worst

pytest.importorskip("pyarrow")
pytest.importorskip("scipy")

JPEG = Cell("jpeg", 50.0)
NAMES = ("cam0", "cam1", "cam2", "phone0", "phone1", "gan0", "gan1", "sd0", "sd1", "sd2")
SAMPLES = [Sample(path=Path(name), is_fake=name[0] in "gs", source=name[:-1]) for name in NAMES]
CLEAN_SCORES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9, 0.8, 0.5, 0.2)
JPEG_SCORES = (0.1, 0.6, 0.3, 0.4, 0.6, 0.3, 0.9, 0.8, 0.5, 0.2)


def write(out: Path, cell: Cell, scores: Sequence[float | None], verdicts: Sequence[str | None]) -> None:
    empty = dict.fromkeys(KEPT_COLUMNS)
    with ResultFile(cell_file(out, "m", cell), resume=True, columns=KEPT_COLUMNS) as sink:
        for name, score, verdict in zip(NAMES, scores, verdicts, strict=True):
            error = "broken" if score is None else None
            sink.add({**empty, "path": name, "score": score, "verdict": verdict, "error": error})


@pytest.fixture(scope="module")
def calibrated(tiny_detector: Path) -> Detector:
    return telltale.load(tiny_detector, threads=1)


@pytest.fixture(scope="module")
def raw(uncalibrated_detector: Path) -> Detector:
    return telltale.load(uncalibrated_detector, threads=1)


def rows(out: Path, detector: Detector, samples: Sequence[Sample] = SAMPLES) -> list[RobustnessRow]:
    return list(table({"m": detector}, samples, out, where="before", over=[CLEAN, JPEG], rounds=20))


def pick(found: list[RobustnessRow], source: str, cell: Cell = JPEG) -> RobustnessRow:
    (one,) = [row for row in found if row.source == source and row.corruption == cell.corruption]
    return one


@pytest.fixture
def plain(raw: Detector, tmp_path: Path) -> list[RobustnessRow]:
    """Of a detector without thresholds."""
    write(tmp_path, CLEAN, CLEAN_SCORES, [None] * 10)
    write(tmp_path, JPEG, JPEG_SCORES, [None] * 10)
    return rows(tmp_path, raw)


def test_there_is_a_row_for_everything(plain: list[RobustnessRow]) -> None:
    each = [(ALL, "all"), ("cam", "real"), ("phone", "real"), ("gan", "fake"), ("sd", "fake")]
    assert [(row.corruption, row.source, row.label) for row in plain] == [
        (name, *one) for name in ("none", "jpeg") for one in each
    ]
    assert {row.verdict_by for row in plain} == {"score 0.5"}


def test_a_source_of_fakes_is_measured_against_all_reals(plain: list[RobustnessRow]) -> None:
    gan, cam, whole = (pick(plain, name) for name in ("gan", "cam", ALL))
    assert (gan.n_real, gan.n_fake) == (5, 2)
    assert (cam.n_real, cam.n_fake) == (3, 5)
    assert (whole.n_real, whole.n_fake) == (5, 5)
    expected = auc(np.array([False] * 5 + [True] * 2), np.array(JPEG_SCORES[:7]))
    assert gan.auc is not None
    assert gan.auc.value == expected


def test_without_thresholds_a_verdict_is_a_side_of_one_half(plain: list[RobustnessRow]) -> None:
    shares = {name: pick(plain, name).flip for name in ("cam", "phone", "gan", "sd", ALL)}
    values = {name: found.value for name, found in shares.items() if found is not None}
    assert values == pytest.approx({"cam": 1 / 3, "phone": 0, "gan": 1 / 2, "sd": 0, ALL: 0.2})
    whole = shares[ALL]
    assert whole is not None
    assert (whole.low, whole.high) == pytest.approx((0.0567, 0.5098), abs=1e-4)  # Wilson, 2 of 10
    alarms = pick(plain, "cam").false_alarm, pick(plain, ALL).false_alarm, pick(plain, "gan").false_alarm
    assert [None if one is None else one.value for one in alarms] == pytest.approx([1 / 3, 0.4, None])
    clean = pick(plain, ALL, CLEAN).flip
    assert clean is not None
    assert clean.value == 0


def test_with_thresholds_any_of_three_verdicts_may_change(calibrated: Detector, tmp_path: Path) -> None:
    words = ["likely real", "inconclusive", "likely generated"] * 3 + ["inconclusive"]
    write(tmp_path, CLEAN, CLEAN_SCORES, words)
    write(tmp_path, JPEG, CLEAN_SCORES, ["inconclusive", *words[1:]])
    found = rows(tmp_path, calibrated)
    assert found[0].verdict_by == "thresholds"
    cam = pick(found, "cam")
    assert cam.flip is not None
    assert cam.flip.value == pytest.approx(1 / 3)
    assert cam.false_alarm is not None
    assert cam.false_alarm.value == pytest.approx(1 / 3)


def test_an_image_without_a_score_counts_nowhere(raw: Detector, tmp_path: Path) -> None:
    write(tmp_path, CLEAN, (None, *CLEAN_SCORES[1:]), [None] * 10)
    write(tmp_path, JPEG, (*JPEG_SCORES[:9], None), [None] * 10)
    found = rows(tmp_path, raw)
    assert [(pick(found, name).n_real, pick(found, name).n_fake) for name in (ALL, "cam", "sd")] == [
        (4, 4),
        (2, 4),
        (4, 2),
    ]
    assert [pick(found, name).failed for name in (ALL, "cam", "sd", "gan")] == [2, 1, 1, 0]


def test_one_class_has_verdicts_and_no_auc(raw: Detector, tmp_path: Path) -> None:
    write(tmp_path, CLEAN, CLEAN_SCORES, [None] * 10)
    write(tmp_path, JPEG, JPEG_SCORES, [None] * 10)
    found = rows(tmp_path, raw, SAMPLES[:5])
    assert {row.auc for row in found} == {None}
    assert [row.source for row in found] == [ALL, "cam", "phone"] * 2
    assert worst(found, "auc") is None
    assert "| jpeg | 50 |  |  | 20 % (4 to 62) |" in as_markdown(found)
    draw(found, tmp_path / "figure.png")
    fakes = rows(tmp_path, raw, SAMPLES[5:])
    assert {row.false_alarm for row in fakes} == {None}
    draw(fakes, tmp_path / "figure.png")


def test_equal_scores_are_chance(raw: Detector, tmp_path: Path) -> None:
    write(tmp_path, CLEAN, [0.5] * 10, [None] * 10)
    write(tmp_path, JPEG, [0.5] * 10, [None] * 10)
    whole = pick(rows(tmp_path, raw), ALL)
    assert whole.auc is not None
    assert (whole.auc.value, whole.auc.low, whole.auc.high) == (0.5, 0.5, 0.5)


def test_nothing_could_be_scored(raw: Detector, tmp_path: Path) -> None:
    for cell in (CLEAN, JPEG):
        write(tmp_path, cell, [None] * 10, [None] * 10)
    found = rows(tmp_path, raw)
    assert {(row.auc, row.flip, row.false_alarm) for row in found} == {(None, None, None)}
    assert pick(found, ALL).failed == 10
    as_csv(found)
    as_markdown(found)
    draw(found, tmp_path / "figure.png")


def test_files(plain: list[RobustnessRow], tmp_path: Path) -> None:
    head, first, *_ = as_csv(plain).splitlines()
    assert head.startswith("model,weights_sha256,where,corruption,strength,source,label,n_real,n_fake,auc,auc_low,auc_")
    assert {"flip_share", "flip_low", "flip_high", "false_alarm_rate", "failed", "verdict_by"} <= set(head.split(","))
    assert len(first.split(",")) == len(head.split(","))
    assert as_json_lines(plain).count("\n") == len(plain)
    text = as_markdown(plain)
    assert "It has no thresholds" in text
    assert "| jpeg | 50 |" in text
    assert "50 % (9 to 91) gan" in text
    others = [replace(row, model="another") for row in plain]
    draw([*plain, *others], tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.width > 400
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_groups_widen_intervals_and_are_said(raw: Detector, tmp_path: Path) -> None:
    """Forty pictures of eight people: each person's are alike, so that eight count, not forty."""
    names = [f"{'gan' if place % 2 else 'cam'}{place}-{turn}" for place in range(8) for turn in range(5)]
    people = [Sample(path=Path(name), is_fake=name[0] == "g", source=name[:3], group=name[3]) for name in names]
    scores = [(0.4 if place % 4 < 2 else 0.3) + 0.15 * (place % 2) + 0.01 * (place % 3) for place in range(8)]
    for cell in (CLEAN, JPEG):
        with ResultFile(cell_file(tmp_path, "m", cell), resume=True, columns=KEPT_COLUMNS) as sink:
            for name in names:
                score = scores[int(name[3])] + (0.2 if cell == JPEG and name[3] in "14" else 0)
                sink.add({**dict.fromkeys(KEPT_COLUMNS), "path": name, "score": score})
    alone = [replace(one, group="") for one in people]
    grouped, single = (pick(rows(tmp_path, raw, these), ALL) for these in (people, alone))
    assert (grouped.grouped, single.grouped) == (True, False)
    for name in ("auc", "flip", "false_alarm"):
        wide, narrow = getattr(grouped, name), getattr(single, name)
        assert wide.value == narrow.value
        assert wide.high - wide.low > narrow.high - narrow.low or np.isnan(wide.low)
    assert "of groups of images drawn together" in as_markdown([grouped])
    # Four people of each label: too few for an interval of the AUC, and for any of the four with photographs.
    cam = pick(rows(tmp_path, raw, people), "cam")
    assert cam.flip is not None
    assert np.isnan(cam.flip.low)
    assert "too few groups" in as_markdown([grouped])
    assert "nan" not in as_csv([grouped, cam])
    assert "NaN" not in as_json_lines([grouped, cam])
    draw(rows(tmp_path, raw, people), tmp_path / "figure.png")
