"""The choice of a depth looks at validation alone."""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from comparisons import Runs
from depth_choice import chosen_depth, depth_words, validation_auc


def runs(value: float) -> Runs:
    figures = np.array([value, value - 0.1])
    return Runs(3, figures, np.full((5, 2), value), ("a", "b"), np.tile(figures, (3, 1)))


UNSEEN = {"shallow": runs(0.9), "deep": runs(0.7)}


def cells(*values: float | None) -> list[dict[str, float]]:
    return [{"seed": seed} | ({} if value is None else {"validation_auc": value}) for seed, value in enumerate(values)]


def test_it_takes_the_best_on_validation_though_another_is_better_elsewhere() -> None:
    found = chosen_depth({"shallow": cells(0.7, 0.8), "deep": cells(0.9, 0.8)}, UNSEEN)
    assert found is not None
    assert (found["chosen"], found["place_on_unseen"], found["seeds"]) == ("deep", 2, [0, 1])
    assert found["validation_auc"] == {"shallow": 0.75, "deep": 0.85}
    assert "chooses deep (mean AUC there 0.850, seeds 0, 1)" in depth_words(found)


def test_only_seeds_that_every_depth_kept_a_figure_of_count() -> None:
    found = chosen_depth({"shallow": cells(0.1, 0.8), "deep": cells(None, 0.7)}, UNSEEN)
    assert found is not None
    assert (found["chosen"], found["seeds"]) == ("shallow", [1])
    assert chosen_depth({"shallow": cells(0.1), "deep": cells(None)}, UNSEEN) is None
    assert "none is chosen" in depth_words(None)


def test_the_figure_is_that_of_the_epoch_kept(tmp_path: Path) -> None:
    (tmp_path / "epochs.csv").write_text("epoch,validation_auc,best\n1,0.6,1\n2,0.8,1\n3,0.7,0\n")
    assert validation_auc(tmp_path / "best.safetensors") == 0.8
