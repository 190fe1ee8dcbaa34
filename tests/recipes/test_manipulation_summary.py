"""What cells of the manipulation tables say together: only what they hold, and no habit taken for a finding."""

import json
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from telltale.data.sample import Sample
from telltale.explain.face_parts import PARTS
from telltale.learn.checkpoint import file_hash

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import manipulation_cells
from manipulation_cells import Experiment, complete
from manipulation_regions import MOUTH, Row, draws, judged, seeds_drawn, tables
from manipulation_summary import complete as complete_seeds
from manipulation_summary import summarise
from table_generators import Bench

KINDS = ("swap", "part")
MODELS = {"xception_block1": ("xception_block1", "none"), "resnet18": ("resnet18", "none")}
FACES = 60
NOSE, SKIN = PARTS.index("nose"), PARTS.index("skin")


def png() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (128, 128)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def asked(tmp_path: Path) -> Experiment:
    """Sixty faces, untouched and manipulated in two ways."""
    picture = png()
    tested = [
        Sample(path=tmp_path / f"{source}{face}.png", is_fake=source != "untouched", source=source, group=f"{face}",
               split="test", data=picture)
        for source in ("untouched", *KINDS)
        for face in range(FACES)
    ]  # fmt: skip
    cells = tmp_path / "results" / "table"
    cells.mkdir(parents=True)
    bench = Bench(training=[], tested=tested, fingerprint="pictures", work=tmp_path, cells=cells, quick=True)
    return Experiment(
        name="table", bench=bench, real="untouched", kinds=KINDS, learned=KINDS, models=(MODELS,), seeds=3, data="none"
    )


def regions(parts: dict[str, list[int]]) -> dict[str, Any]:
    """As a cell keeps them; random patches lie on skin, nose and mouth alike."""
    counts = {source: np.bincount(each, minlength=len(PARTS)).tolist() for source, each in parts.items()}
    random = [FACES / 3 if place in (SKIN, NOSE, MOUTH) else 0 for place in range(len(PARTS))]
    return {
        source: {"n": FACES, "parts": each, "top": counts[source], "random": random, "p_holm": [1.0] * len(PARTS)}
        for source, each in parts.items()
    }


def write(asked: Experiment, model: str, kind: str, seed: int, **more: Any) -> dict[str, Any]:
    """A cell whose network finds what it learned, and little else."""
    draw = np.random.default_rng([seed, *map(ord, model + kind)])
    scores = [float(draw.normal(one.source == kind)) for one in asked.bench.tested]
    found = {
        "model": model, "trained_on": kind, "seed": seed, "command": "none", "commit": "none", "machine": "none",
        "data_fingerprint": "pictures", "weights_sha256": "none", "scores": scores, "seconds": 1, **more,
    }  # fmt: skip
    asked.path_of(model, kind, seed).write_text(json.dumps(found))
    return found


def page(asked: Experiment) -> str:
    summarise(asked, "A table", "none")
    return (asked.bench.cells.parent / "table.md").read_text()


def test_seeds_of_two_networks_are_drawn_apart() -> None:
    """Seed 1 of a network that learned the swap has nothing to do with seed 1 of one that learned the parts."""
    swap, part = (seeds_drawn(f"resnet18, {kind}", 2, 4000)[:, 0] for kind in KINDS)
    assert 0.45 < np.mean(swap == part) < 0.55
    assert seeds_drawn("resnet18, swap", 5, 10).shape == (10, 4)
    assert set(seeds_drawn("resnet18, swap", 1, 10).ravel()) == {0}


def test_a_seed_that_has_not_learned_everything_counts_in_no_mean(asked: Experiment) -> None:
    for kind, seeds in (("swap", (0, 1, 2)), ("part", (0, 2))):
        for seed in seeds:
            write(asked, "xception_block1", kind, seed)
    found = {
        ("xception_block1", kind): [{"seed": seed} for seed in (0, 1, 2)[:: 1 + (kind == "part")]] for kind in KINDS
    }
    assert {one["seed"] for cells in complete_seeds(asked, found).values() for one in cells} == {0, 2}
    text = page(asked)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| xception_block1")]
    assert [row[1] for row in rows] == ["2", "3", "2"], "over all learned; learned the swap; learned the parts"
    about = json.loads((asked.bench.cells.parent / "table.json").read_text())
    assert about["complete"]["xception_block1"]["seeds"] == 2
    assert about["auc"]["xception_block1, trained on swap"]["seeds"] == 3


def test_nothing_is_said_over_all_where_no_seed_has_learned_all(asked: Experiment) -> None:
    write(asked, "xception_block1", "swap", 0)
    text = page(asked)
    assert "Over all manipulations learned" not in text
    assert "AUC of networks that learned **swap**" in text


def test_a_difference_of_one_seed_is_not_judged(asked: Experiment) -> None:
    for kind in KINDS:
        for seed in (0, 1):
            write(asked, "xception_block1", kind, seed)
        write(asked, "resnet18", kind, 0)
    (line,) = [line for line in page(asked).splitlines() if "not judged" in line]
    assert line.startswith("| xception_block1 | 2 | ")
    assert "[" not in line
    for kind in KINDS:
        write(asked, "resnet18", kind, 1)
    assert "not judged" not in page(asked)


def test_a_habit_of_the_network_is_no_gain(asked: Experiment) -> None:
    """The mouth comes first whatever was done to the face: it leads, and gains nothing."""
    mouths = [MOUTH] * 40 + [NOSE] * 20
    cells = [
        write(asked, "xception_block1", kind, seed, regions=regions(dict.fromkeys(("untouched", *KINDS), mouths)))
        for kind in KINDS
        for seed in (0, 1)
    ]
    row = Row(asked, "swap", [one for one in cells if one["trained_on"] == "swap"])
    assert row.first == MOUTH
    assert row.mouth == row.untouched == pytest.approx(2 / 3)
    assert row.gain.value == 0
    assert set(row.gain.draws) == {0.0}
    assert row.lead.value == pytest.approx(1 / 3)
    text = " ".join(tables(asked, cells, []))
    assert "leads in 2 of 2 rows of what was learned and in 2 of 2 of what was not" in text
    assert "more often than on the untouched face in 0 of 2 and 0 of 2" in text


def test_what_a_manipulation_does_is_a_gain_and_need_not_lead(asked: Experiment) -> None:
    """From 10 to 30 of 60 faces the mouth gains; the nose, with as many, leaves it no lead."""
    before, after = [MOUTH] * 10 + [SKIN] * 50, [MOUTH] * 30 + [NOSE] * 30
    parts = {"untouched": before, "swap": after, "part": before}
    cells = [write(asked, "xception_block1", "swap", seed, regions=regions(parts)) for seed in (0, 1)]
    row = Row(asked, "swap", cells)
    assert row.gain.value == pytest.approx(1 / 3)
    assert row.gain.side == 1
    assert row.lead.value == pytest.approx(0)
    assert row.lead.side != 1


def test_weights_of_runs_and_faces_add_up_to_one(asked: Experiment) -> None:
    cells = [{"model": "xception_block1", "trained_on": kind} for kind in KINDS for _ in range(3)]
    runs, faces = draws(cells, FACES, 20)
    np.testing.assert_allclose(runs.sum(1), 1)
    np.testing.assert_allclose(runs[:, :3].sum(1), 0.5)
    np.testing.assert_allclose(faces.sum(1), 1)
    assert (runs[:, :3] != runs[:, 3:]).any()


def test_a_patch_larger_than_half_the_picture_belongs_to_no_part(asked: Experiment) -> None:
    parts = regions(dict.fromkeys(("untouched", *KINDS), [MOUTH] * FACES))
    wide = replace(asked, models=({**MODELS, "xception_block3": ("xception_block3", "none")},))
    cells = [{"model": model, "regions": parts} for model in ("xception_block1", "xception_block3")]
    assert [one["model"] for one in judged(wide, cells)] == ["xception_block1"]
    del parts["untouched"]
    assert judged(wide, cells) == [], "no untouched faces to compare with"


def test_manipulated_faces_that_are_not_those_of_the_untouched_are_refused(asked: Experiment) -> None:
    parts = regions(dict.fromkeys(("untouched", *KINDS), [MOUTH] * FACES))
    swapped = asked.bench.tested[:FACES][::-1] + asked.bench.tested[FACES:]
    other = replace(asked, bench=replace(asked.bench, tested=swapped))
    with pytest.raises(SystemExit, match="in their order"):
        judged(other, [{"model": "xception_block1", "regions": parts}])


def test_an_old_cell_gets_its_untouched_faces_and_keeps_the_rest(
    asked: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(b"weights")
    mouths = [MOUTH] * FACES
    old = regions(dict.fromkeys(KINDS, mouths))
    new = regions(dict.fromkeys(("untouched", *KINDS), mouths))
    monkeypatch.setattr(manipulation_cells, "load", lambda path: path)
    monkeypatch.setattr(manipulation_cells, "surest", lambda *_: new)
    able = replace(asked, parse=lambda sample, pixels: None)
    path = asked.path_of("xception_block1", "swap", 0)

    def completed(**more: Any) -> dict[str, Any]:
        write(asked, "xception_block1", "swap", 0, **more)
        complete(able, path, weights)
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    mine = file_hash(weights)
    assert completed(regions=old, weights_sha256="of another network")["regions"] == old
    assert completed(regions=old, weights_sha256=mine, data_fingerprint="of others")["regions"] == old
    assert "regions" not in completed(weights_sha256=mine), "a whole-image baseline has none"
    before = write(asked, "xception_block1", "swap", 0, regions=old, weights_sha256=mine)
    after = completed(regions=old, weights_sha256=mine)
    assert after["regions"] == new
    assert {**after, "regions": old} == {**before, "commit_of_regions": after["commit_of_regions"]}
