"""What the outside checks say: intervals over films, chance of pointing, correction, and tables from kept cells."""

import csv
import json
import sys
from itertools import permutations
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from telltale.evaluate.metrics import auc

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import outside_checks
from contrasts import LASTING
from manipulation_cells import named
from outside_faces import COMPOSITES, PORTRAITS, REPLACED, VIDEOS, Face, fingerprint, uneven
from outside_figures import dealt, films_of, judged, over_films, two_sided
from outside_summary import COLUMNS, corrected

PARTS = tuple(REPLACED)


def face(name: str, source: str, *, group: str = "", pair: str = "", replaced: tuple[str, ...] = ()) -> Face:
    is_fake = source == COMPOSITES or name.endswith("swapped")
    return Face(name=name, source=source, is_fake=is_fake, group=group or name, pair=pair or name, replaced=replaced)


def filmed(frames: list[int]) -> list[Face]:
    """Films of so many frames, both halves of each."""
    return [
        face(f"{film}-{frame}-{half}", VIDEOS, group=f"film {film}", pair=f"{film}-{frame}")
        for film, count in enumerate(frames)
        for frame in range(count)
        for half in ("original", "swapped")
    ]


def everything() -> list[Face]:
    """Composites of each mixture of parts, portraits and six films."""
    draw = np.random.default_rng(0)
    chosen = [tuple(part for part in PARTS if draw.random() < 0.5) for _ in range(40)]
    still = [face(f"c{i}", COMPOSITES, replaced=parts) for i, parts in enumerate(chosen)]
    return [*still, *(face(f"p{i}", PORTRAITS) for i in range(20)), *filmed([2, 3, 4, 2, 3, 5])]


def said(found: list[Face], seed: int) -> dict[str, object]:
    """A detector that guesses."""
    draw = np.random.default_rng(seed)
    still = sum(one.source != VIDEOS for one in found)
    return {"scores": draw.random(len(found)).tolist(), "parts": draw.random((still, 3)).tolist()}


def test_an_auc_over_films_is_that_of_all_frames_and_splits_into_within_and_between() -> None:
    found = filmed([1, 3, 2])
    scores = np.random.default_rng(1).integers(0, 5, len(found)) / 4
    films, every = films_of(found, scores), np.arange(3)
    is_fake = np.array([one.is_fake for one in found])
    assert films.auc(every) == pytest.approx(auc(is_fake, scores))
    own = sum(films.frames**2)
    both = films.within(every) * own + films.between(every) * (films.frames.sum() ** 2 - own)
    assert both / films.frames.sum() ** 2 == pytest.approx(films.auc(every))
    mine = [i for i, one in enumerate(found) if one.group == "film 1"]
    assert films.within(np.array([1])) == pytest.approx(auc(is_fake[mine], scores[mine]))


def drawn_again(found: list[Face], scores: NDArray[np.float64], draw: np.random.Generator) -> tuple[float, float]:
    """Percentiles of films drawn again, each of them as often against itself as against the others."""
    films = films_of(found, scores)
    again = [films.auc(draw.integers(len(films.names), size=len(films.names))) for _ in range(200)]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(low), float(high)


def test_intervals_over_films_hold_the_truth_and_do_not_lie_high_as_films_drawn_again_do() -> None:
    frames, draw = [3, 4, 7, 11, 5, 7, 8, 8, 2, 6], np.random.default_rng(2)
    found = filmed(frames)
    film, swapped = (np.array([value(one) for one in found]) for value in (lambda one: int(one.group[5:]), is_swapped))
    every, tests = np.arange(len(frames)), 150
    values, spans, before, paired = [], [], [], []
    for _ in range(tests):
        # Films differ much more than a swap changes, and every film keeps the same gap in all its frames.
        shift = draw.normal(0.2, 0.1, len(frames))[film] * swapped
        scores = draw.normal(0, 1, len(frames))[film] + shift + draw.normal(0, 0.1, len(found))
        films = films_of(found, scores)
        values.append(films.auc(every))
        spans.append(over_films(films.auc, len(frames)))
        paired.append(over_films(films.pairs, len(frames)))
        before.append(drawn_again(found, scores, draw))
    truth = np.mean(values)
    too_high = np.mean([one.low > truth for one in spans])
    assert np.mean([one.low <= truth <= one.high for one in spans]) > 0.9
    assert too_high < 0.05
    assert np.mean([low > truth for low, _ in before]) > 0.08
    # The gap over its deviation, film and both frames together: sqrt(0.1**2 + 2 * 0.1**2).
    share = 0.8759
    assert np.mean([one.low <= share <= one.high for one in paired]) > 0.9


def is_swapped(one: Face) -> bool:
    return one.is_fake


def test_where_all_films_agree_the_interval_is_no_point_and_few_films_have_none() -> None:
    estimate = over_films(lambda chosen: 1.0, 10)
    assert 0.6 < estimate.low < 0.8
    assert estimate.high == 1
    assert isnan(over_films(lambda chosen: 0.5, 4).low)


def test_deals_of_truths_are_counted_as_by_hand() -> None:
    draw = np.random.default_rng(3)
    for _ in range(5):
        truth, pointed = draw.random((6, 3)) < 0.5, draw.integers(3, size=6)
        hits = [int(truth[list(order), pointed].sum()) for order in permutations(range(6))]
        assert dealt(truth, pointed) == pytest.approx(np.bincount(hits, minlength=7) / len(hits))


def test_p_of_pointing_is_uniform_under_chance_as_far_as_counts_can_be() -> None:
    draw = np.random.default_rng(4)
    truth, pointed = draw.random((58, 3)) < 0.6, draw.integers(3, size=58)
    chances = dealt(truth, pointed)
    p = np.array([two_sided(chances, hits) for hits in range(chances.size)])
    for level in (0.01, 0.05, 0.2, 0.5):
        # Never more often than it says, and not much less.
        assert level / 3 < chances[p <= level].sum() <= level
    found = [two_sided(chances, int(draw.permutation(truth)[np.arange(58), pointed].sum())) for _ in range(400)]
    assert np.mean(np.array(found) <= 0.2) < 0.27


def cells_of(folder: Path, found: list[Face], mark: str, *, apart: bool = False) -> None:
    """Cells of two detectors with patches and one without; where apart, one finds every part that was replaced."""
    for seed, name in enumerate(("telltale-faces", "xception_block1, trained on swap", "resnet18, trained on part")):
        told = said(found, seed)
        if apart and seed == 1:
            told["parts"] = [
                [float(part in one.replaced) + i / 1000 for part in PARTS]
                for i, one in enumerate(found)
                if one.source != VIDEOS
            ]
        if seed == 2:
            told["parts"] = []
        about = {"command": "python", "commit": "none", "machine": "CPU", "weights_sha256": name, "seconds": 1}
        path = folder / f"{named(name)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"model": name, "data_fingerprint": mark, **about, **told}))


def tables(tmp_path: Path, found: list[Face], *, apart: bool = False) -> tuple[list[dict[str, str]], str]:
    cells_of(tmp_path / "outside_checks", found, "mark", apart=apart)
    about = {"commit": "none", "date": "today", "left_out": 0}
    outside_checks.summarise(found, tmp_path / "outside_checks", "mark", about, {"film 2": "02"})
    with (tmp_path / "outside_checks.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream)), (tmp_path / "outside_checks.md").read_text(encoding="utf-8")


def test_tables_come_from_kept_cells_without_a_network(tmp_path: Path) -> None:
    found = everything()
    rows, page = tables(tmp_path, found)
    assert tuple(rows[0])[:5] == COLUMNS[:5] == ("set", "model", "auc", "pointing", "n")
    of = {(row["model"], row["set"]): row for row in rows}
    scores = np.array(said(found, 0)["scores"])
    for film in range(6):
        mine = [i for i, one in enumerate(found) if one.group == f"film {film}"]
        row = of["telltale-faces", f"{VIDEOS}, film {film}"]
        assert int(row["n"]) == len(mine)
        assert float(row["auc"]) == pytest.approx(
            auc(np.array([found[i].is_fake for i in mine]), scores[mine]), abs=1e-4
        )
        assert row["auc_low"] == row["pairs_low"] == ""
        assert f"| film {film} | {len(mine)} |" in page
        assert (of["resnet18, trained on part", f"{VIDEOS}, film {film}"]["pointing"]) == ""
    whole = of["telltale-faces", VIDEOS]
    assert float(whole["auc_low"]) < float(whole["auc"]) < float(whole["auc_high"])
    assert int(of["telltale-faces", f"{VIDEOS}, halves alike on the grid"]["films"]) == 5
    assert "02 (film 2)" in page
    still = of["telltale-faces", COMPOSITES]
    assert int(still["n_pointing"]) < 40 < int(still["n"])
    assert float(still["pointing_low"]) < float(still["pointing"]) < float(still["pointing_high"])
    facts = json.loads((tmp_path / "outside_checks.json").read_text())
    assert facts["data_fingerprints_of_cells"] == ["mark"]


def test_what_outlasts_the_correction_is_marked_and_guessing_is_not(tmp_path: Path) -> None:
    rows, page = tables(tmp_path, everything(), apart=True)
    table = [line for line in page.splitlines() if line.startswith("|")]
    marked = [line for line in table if LASTING in line]
    # Its line among detectors and its line among parts.
    assert len(marked) == 2
    assert all(line.startswith("| xception_block1, trained on swap |") for line in marked)
    assert marked[1].count(LASTING) == 3
    assert "After Holm's correction for all 6, 3 remain" in " ".join(page.split())
    for row in rows:
        if row["auc_p"]:
            assert float(row["auc_p"]) <= float(row["auc_p_holm"]) <= 1


def test_each_kind_of_p_is_corrected_for_itself() -> None:
    found = everything()
    rows = corrected([{"model": str(seed), **row} for seed in range(3) for row in judged(found, said(found, seed), [])])
    for name, count in (("auc_p", 9), ("pointing_p", 3)):
        mine = [row for row in rows if name in row]
        assert len(mine) == count
        smallest = min(mine, key=lambda row: row[name])
        assert smallest[f"{name}_holm"] == pytest.approx(min(1, count * smallest[name]))


def test_cells_of_other_pictures_are_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = everything()
    cells = tmp_path / "outside_checks"
    with pytest.raises(SystemExit, match="run without --summarise first"):
        outside_checks.kept(cells, found, "here")
    cells_of(cells, found, "there")
    with pytest.raises(SystemExit, match=r"processor is of another kind.*MAKES"):
        outside_checks.kept(cells, found, "here")
    monkeypatch.setattr(outside_checks, "MAKES", {"here": "one", "there": "another"})
    assert next(iter(outside_checks.kept(cells, found, "here"))) == "telltale-faces"
    with pytest.raises(SystemExit, match="scores for"):
        outside_checks.kept(cells, found[1:], "here")
    path = cells / "telltale-faces.json"
    path.write_text(path.read_text().replace('"there"', '"here"'))
    with pytest.raises(SystemExit, match="2 sets of pictures"):
        outside_checks.kept(cells, found, "here")


def test_a_cell_keeps_every_digit_of_a_score(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    one = 1 - 1e-9
    detector: Any = lambda pixels: SimpleNamespace(score=one)  # noqa: E731
    detector.spec = SimpleNamespace(grid=None)
    assert outside_checks.cell(detector, tmp_path, [face("a", PORTRAITS)], wide=False) == {"scores": [one], "parts": []}


def test_another_picture_is_another_fingerprint(tmp_path: Path) -> None:
    found = [face("a", PORTRAITS)]
    for ending in (".jpg", "_wide.jpg", ".png", "_wide.png"):
        (tmp_path / f"a{ending}").write_bytes(b"pixels")
    before = fingerprint(tmp_path, found)
    (tmp_path / "a.png").write_bytes(b"others")
    assert fingerprint(tmp_path, found) != before


def test_films_whose_halves_are_no_whole_blocks_are_named(tmp_path: Path) -> None:
    (tmp_path / "manipulated").mkdir()
    (tmp_path / "manipulated" / "swap_videos.csv").write_text(
        "path,half_width,target_group\nswap_videos/00.mp4,440,one\nswap_videos/03.mp4,482,two\n"
    )
    assert uneven(tmp_path) == {"two": "03"}
