from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cue_tables import half_fake, table
from numpy.typing import NDArray

from telltale.data.cue_table import CueTable
from telltale.data.cues import BY_NAME
from telltale.data.judgement import CueReport, Verdict, judge_cues, judge_probes, worst

pytest.importorskip("sklearn")
COUNT = 120
IS_FAKE = half_fake(COUNT)
NOISE = np.random.default_rng(9).normal(size=2 * COUNT)


def with_columns(some: CueTable, **columns: NDArray[Any]) -> CueTable:
    return replace(some, columns={**some.columns, **columns})


def verdict(some: CueTable) -> Verdict:
    probes = judge_probes(some)
    return worst([*(cue.verdict for cue in judge_cues(some, probes)), *(probe.verdict for probe in probes.values())])


def first(some: CueTable) -> CueReport:
    return judge_cues(some, judge_probes(some))[0]


def two_sources(apart: float = 0.0) -> CueTable:
    """Two sources of reals that differ in one trace, and fakes that lie in between."""
    source = np.where(IS_FAKE, "generator", np.where(np.arange(2 * COUNT) % 4 == 0, "one", "two"))
    trace = np.where(source == "one", -apart / 2, np.where(source == "two", apart / 2, 0.0)) + NOISE
    return with_columns(table(IS_FAKE, source=source), nyquist=trace)


def test_nothing_is_clean_and_the_gravest_wins() -> None:
    assert worst([]) == "clean"
    assert worst(["clean", "leaking", "suspicious"]) == "leaking"
    assert verdict(table(IS_FAKE)) == "clean"


def test_a_container_cue_leaks_from_an_auc_of_six_tenths() -> None:
    all_of_them = with_columns(table(IS_FAKE), exif=(~IS_FAKE).astype(float))
    assert verdict(all_of_them) == "leaking"
    some_of_them = np.zeros(2 * COUNT)
    some_of_them[np.flatnonzero(~IS_FAKE)[:20]] = 1
    assert verdict(with_columns(table(IS_FAKE), exif=some_of_them)) == "suspicious"
    two_of_them = np.zeros(2 * COUNT)
    two_of_them[np.flatnonzero(~IS_FAKE)[:2]] = 1
    assert verdict(with_columns(table(IS_FAKE), exif=two_of_them)) == "clean"


def test_headers_that_tell_only_together_leak_too() -> None:
    width = np.random.default_rng(1).permutation(np.arange(2 * COUNT) % 2).astype(float)
    together = with_columns(table(IS_FAKE), width=width, height=np.where(IS_FAKE, width, 1 - width))
    probes = judge_probes(together)
    assert all(cue.verdict == "clean" for cue in judge_cues(together, probes) if cue.cue.family == "container")
    assert probes["container"].verdict == "leaking"


def test_names_are_suspicious_and_never_a_leak() -> None:
    assert verdict(with_columns(table(IS_FAKE), name_length=IS_FAKE.astype(float))) == "suspicious"
    probes = judge_probes(with_columns(table(IS_FAKE), name_length=IS_FAKE.astype(float)))
    assert (probes["with_names"].auc, probes["with_names"].verdict) == (1.0, "clean")
    assert probes["all"].low < 0.5


def test_without_a_floor_a_trace_is_suspicious_and_a_strong_one_a_leak() -> None:
    assert verdict(with_columns(table(IS_FAKE), nyquist=NOISE + 1.0 * IS_FAKE)) == "suspicious"
    assert verdict(with_columns(table(IS_FAKE), nyquist=NOISE + 4.0 * IS_FAKE)) == "leaking"


def test_a_trace_that_also_tells_cameras_apart_is_no_leak() -> None:
    apart = two_sources(apart=8.0)
    trace = np.asarray(apart.columns["nyquist"]) + 2.0 * IS_FAKE
    found = with_columns(apart, nyquist=trace)
    assert verdict(found) == "clean"
    cue = next(cue for cue in judge_cues(found, judge_probes(found)) if cue.cue.name == "nyquist")
    assert cue.floor is not None
    assert cue.floor.highest > 0.99


def test_a_trace_that_no_two_cameras_have_is_a_leak() -> None:
    alike = two_sources()
    assert verdict(alike) == "clean"
    stamped = with_columns(alike, nyquist=np.asarray(alike.columns["nyquist"]) + 4.0 * IS_FAKE)
    assert verdict(stamped) == "leaking"
    assert first(stamped).cue.name == "nyquist"


def test_size_follows_the_content_and_is_at_most_suspicious() -> None:
    assert verdict(with_columns(table(IS_FAKE), file_bytes=NOISE + 9.0 * IS_FAKE)) == "suspicious"


def test_what_explains_the_rest_is_named_first() -> None:
    words = np.where(IS_FAKE, "PNG", "JPEG")
    found = with_columns(
        table(IS_FAKE),
        file_bytes=IS_FAKE.astype(float),
        name_extension=words,
        encoder_marks=words,
        format=words,
        nyquist=IS_FAKE.astype(float),
    )
    named = [cue.cue.name for cue in judge_cues(found, judge_probes(found))]
    assert named[:3] == ["format", "encoder_marks", "nyquist"]
    assert named.index("file_bytes") < named.index("name_extension")


def test_numbers_count_in_either_direction_and_say_in_which() -> None:
    for sign, higher in ((1.0, "fake"), (-1.0, "real")):
        cue = first(with_columns(table(IS_FAKE), nyquist=NOISE + 3.0 * sign * IS_FAKE))
        assert cue.cue.name == "nyquist"
        assert cue.higher == higher
        assert 0.5 < cue.low < cue.auc < cue.high <= 1


def test_cues_that_too_few_files_have_are_left_out() -> None:
    quality = np.full(2 * COUNT, np.nan)
    quality[IS_FAKE] = 90.0
    found = with_columns(table(IS_FAKE), jpeg_quality=quality)
    assert "jpeg_quality" not in [cue.cue.name for cue in judge_cues(found, judge_probes(found))]


def test_intervals_widen_with_the_number_of_cues_that_vary() -> None:
    many = table(IS_FAKE)
    few = with_columns(many, **{name: np.ones(2 * COUNT) for name, cue in BY_NAME.items() if cue.family == "size"})

    def width(some: CueTable) -> float:
        cue = next(cue for cue in judge_cues(some, {}) if cue.cue.name == "nyquist")
        return cue.high - cue.low

    assert width(few) < width(many)


def test_halves_that_differ_in_nothing_are_called_clean() -> None:
    draw = np.random.default_rng(11)
    verdicts = [verdict(table(draw.permutation(IS_FAKE), seed=seed)) for seed in range(4)]
    assert verdicts == ["clean"] * 4
