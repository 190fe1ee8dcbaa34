"""What the controlled table says follows from its cells."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale.evaluate.metrics import auc

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from comparisons import Runs
from controlled_summary import Layout, ablation, answered, pools, together
from table_generators import TRUNCATED

LAYOUT = Layout(
    trained_on="gan-0",
    inverted="gan-0 inverted",
    kinds={"gan-0": ("gan-0",), "gan-0 inverted": ("gan-0 inverted",), "both": ("gan-0", "gan-0 inverted")},
    reals=("photographs", "others"),
    generators=("gan-0", "gan-1", "gan_b-0", "vae-0"),
)
SOURCES = (*LAYOUT.reals, *LAYOUT.generators, LAYOUT.inverted)


def cell(seed: int, apart: float, *, kind: str = "gan-0", n: int = 40) -> dict[str, Any]:
    """Scores that lie `apart` higher for every fake."""
    draw = np.random.default_rng(seed)
    return {
        "trained_on": kind,
        "sources": {
            name: {"scores": (draw.normal(size=n) + (0 if name in LAYOUT.reals else apart)).tolist()}
            for name in SOURCES
        },
    }


def test_generators_are_grouped_by_family_and_seed() -> None:
    groups = LAYOUT.groups
    assert groups["other seeds"] == ("gan-1",)
    assert groups["other families"] == ("gan_b-0", "vae-0")
    assert groups["other reals"] == ("others",)


@pytest.mark.parametrize(("kind", "fakes"), [("gan-0", 40), ("both", 80)])
def test_a_row_of_reals_is_measured_against_what_was_learned(kind: str, fakes: int) -> None:
    source = np.repeat(SOURCES, 40)
    found = pools(LAYOUT, kind, source)
    assert set(found) == set(SOURCES)
    assert found["others"].size == 40 + fakes
    assert set(source[found["others"]]) == {"others", *LAYOUT.kinds[kind]}
    assert set(source[found["vae-0"]]) == {"vae-0", "photographs"}


def test_areas_are_those_of_the_pictures() -> None:
    cells = [cell(seed, 1.0) for seed in (1, 2)]
    runs = together(LAYOUT, cells, 20)
    each = []
    for one in cells:
        real, fake = one["sources"]["photographs"]["scores"], one["sources"]["vae-0"]["scores"]
        each.append(auc(np.arange(80) >= 40, np.array(real + fake)))
    assert runs.on("vae-0").value == pytest.approx(np.mean(each))
    assert runs.seeds == 2


def networks(apart: dict[tuple[str, str], float]) -> dict[tuple[str, str, str], Runs]:
    """Runs of networks by model and kind of fakes."""
    return {
        (kind, model, "none"): together(
            LAYOUT, [cell(10 * place + seed, gap, kind=kind, n=100) for seed in range(3)], 200
        )
        for place, ((model, kind), gap) in enumerate(apart.items())
    }


def test_networks_cut_short_that_are_better_are_called_so_and_what_is_missing_is_not_asked() -> None:
    found = answered(LAYOUT, networks({**{(name, "gan-0"): 2.0 for name in TRUNCATED[:5]}, ("xception", "gan-0"): 0.2}))
    assert {one.question.topic.split(", on ")[0] for one in found} == {"Xception cut short or whole"}
    assert {one.question.topic.split(", on ")[1] for one in found} == {*LAYOUT.groups, "the generator trained on"}
    assert all(one.here.side == 1 for one in found)


def test_photographs_sent_through_the_generator_are_asked_about_once_for_each_model() -> None:
    assert len(list(ablation(LAYOUT, ["a"]))) == 2
    assert len(list(ablation(LAYOUT, ["a", "b"]))) == 6
    found = answered(LAYOUT, networks({("a", "gan-0"): 0.3, ("a", "gan-0 inverted"): 2.0, ("a", "both"): 0.3}))
    alone = [one for one in found if one.question.topic.startswith("Inverted photographs alone")]
    assert len(alone) == 4
    assert all(one.here.side == 1 for one in alone)
    both = [one for one in found if one.question.topic.startswith("Both kinds")]
    assert len(both) == 4
    assert not any(one.here.side == 1 and one.here.value > 0.2 for one in both)
