from dataclasses import replace

import numpy as np
import pytest
from cue_tables import half_fake, table

from telltale.data import probe as probes
from telltale.data.association import group_numbers
from telltale.data.cues import CUES
from telltale.data.probe import Floor, floors, probe, real_pairs

pytest.importorskip("sklearn")
PIXELS = [cue.name for cue in CUES if cue.family == "pixels"]


def test_two_numbers_that_tell_only_together_are_found() -> None:
    is_fake = half_fake(150)
    some = table(is_fake)
    side = some.columns["nyquist"] > 0
    some.columns["detail"] = np.where(side == is_fake, 1.0, -1.0) + np.random.default_rng(1).normal(0, 0.3, 300)
    found = probe(some, PIXELS)
    assert found is not None
    assert found.auc > 0.95


def test_words_are_read_too_however_many() -> None:
    is_fake = half_fake(150)
    some = table(is_fake)
    words = np.random.default_rng(1).integers(0, 150, 300)
    # Of two neighbouring numbers the even one is real: no order of the words tells.
    some.columns["format"] = np.array(
        [f"w{2 * (word // 30) + fake}" for word, fake in zip(words, is_fake, strict=True)]
    )
    some.columns["encoder_marks"] = np.array([f"w{number}" for number in range(300)])
    found = probe(some, ["format", "encoder_marks", *PIXELS])
    assert found is not None
    assert found.auc > 0.95


def test_cues_that_say_nothing_give_chance() -> None:
    found = [probe(table(half_fake(100), seed=seed), PIXELS, seed=seed) for seed in range(4)]
    assert all(one is not None and one.interval(2.58)[0] < 0.5 < one.interval(2.58)[1] for one in found)
    same = probe(table(half_fake(100)), ["format", "exif", "width"])
    assert same is not None
    assert (same.auc, same.varies) == (0.5, False)


def test_knowing_a_group_again_is_no_merit() -> None:
    """Frames of one video look alike and share a label; the probe must not be judged on videos it has seen."""
    draw = np.random.default_rng(2)
    group = np.repeat(np.arange(24), 20)
    is_fake = np.isin(group, draw.permutation(24)[:12])
    some = table(is_fake)
    for name in PIXELS:
        some.columns[name] = draw.normal(size=24)[group] + draw.normal(0, 0.01, group.size)
    named = replace(some, group=np.array([f"video {number}" for number in group]))
    free, held = probe(some, PIXELS), probe(named, PIXELS)
    assert free is not None
    assert held is not None
    assert free.auc > 0.95
    assert held.auc < 0.85
    assert held.error > 3 * free.error


def test_a_few_large_groups_do_not_break_the_folds() -> None:
    is_fake = np.repeat([False, True], 40)
    some = replace(table(is_fake), group=np.repeat(["a", "b"], 40))
    found = probe(some, PIXELS)
    assert found is None or found.auc == 0.5


def test_too_few_files_are_no_probe() -> None:
    assert probe(table(half_fake(19)), PIXELS) is None
    assert probe(table(half_fake(20)), PIXELS) is not None


def test_files_are_drawn_evenly_from_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST", 60)
    is_fake = half_fake(200)
    source = np.where(is_fake, "generator", np.where(np.arange(400) < 40, "few", "many"))
    some = table(is_fake, source=source)
    drawn = probes._drawn(some, seed=0)
    assert {name: int((source[drawn] == name).sum()) for name in ("few", "many", "generator")} == {
        "few": 20,
        "many": 40,
        "generator": 60,
    }


def test_the_floor_tells_sources_of_reals_apart_and_never_looks_at_fakes() -> None:
    is_fake = half_fake(120)
    source = np.where(is_fake, "generator", np.array(["a", "a", "b", "b", "c", "c"] * 40))
    some = table(is_fake, source=source)
    some.columns["nyquist"] = np.where(source == "c", 5.0, 0.0) + np.random.default_rng(3).normal(size=240)
    some.columns["detail"] = np.where(is_fake, np.nan, 1.0)
    found = floors(some, {"pixels": PIXELS, "container": ["format"]})
    assert list(found) == ["pixels", "container"]
    assert set(found["pixels"].pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert found["pixels"].pairs["a", "b"] < 0.7
    assert found["pixels"].pairs["a", "c"] > 0.95
    assert found["container"].highest == 0.5


@pytest.mark.slow
def test_the_floor_is_the_same_in_several_processes() -> None:
    is_fake = half_fake(80)
    some = table(
        is_fake, source=np.where(is_fake, "generator", np.array(["a", "a", "b", "b", "c", "c", "d", "d"] * 20))
    )
    sets = {"pixels": PIXELS, "more": [*PIXELS, "file_bytes"]}
    assert floors(some, sets, workers=2) == floors(some, sets)


def test_one_source_of_reals_has_no_floor() -> None:
    assert floors(table(half_fake(50)), {"pixels": PIXELS}) == {}
    is_fake = half_fake(50)
    few = np.where(is_fake, "x", np.where(np.arange(100) < 30, "few", "many"))
    assert real_pairs(table(is_fake, source=few)) == []


def test_a_floor_has_a_mean_and_a_highest_pair() -> None:
    floor = Floor(pairs={("a", "b"): 0.6, ("a", "c"): 0.9})
    assert floor.mean == pytest.approx(0.75)
    assert floor.highest == 0.9


def test_group_numbers_begin_at_zero() -> None:
    assert group_numbers(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]
