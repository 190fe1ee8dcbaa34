"""Which depth the validation split of the sources trained on would choose, and what that choice gives elsewhere.

Nobody may choose the best depth on the sources that a table tests on; this is the choice that is open to a user.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comparisons import Runs


def validation_auc(weights: Path) -> float:
    """Of the epoch that a training kept: on the validation split, each picture whole."""
    with weights.with_name("epochs.csv").open(newline="", encoding="utf-8") as stream:
        return max(float(row["validation_auc"]) for row in csv.DictReader(stream))


def chosen_depth(cells: Mapping[str, Sequence[Mapping[str, Any]]], unseen: Mapping[str, Runs]) -> dict[str, Any] | None:
    """The choice, over the seeds whose cells keep a validation figure for every depth; None where no seed does.

    Args:
        cells: of each depth, as the table keeps them: `seed`, `validation_auc`.
        unseen: of each depth, AUC over the sources that were not trained on.
    """
    of_seed = [{one["seed"] for one in kept if "validation_auc" in one} for kept in cells.values()]
    seeds = sorted(set.intersection(*of_seed))
    if not seeds:
        return None
    validation = {
        name: round(float(np.mean([one["validation_auc"] for one in kept if one["seed"] in seeds])), 4)
        for name, kept in cells.items()
    }
    chosen = max(validation, key=lambda name: validation[name])
    return {
        "chosen": chosen,
        "seeds": seeds,
        "validation_auc": validation,
        "unseen": unseen[chosen].mean.rounded(),
        "worst_unseen": unseen[chosen].worst.rounded(),
        "place_on_unseen": 1 + sum(one.mean.value > unseen[chosen].mean.value for one in unseen.values()),
    }


def depth_words(depth: Mapping[str, Any] | None) -> str:
    """The choice in words."""
    if depth is None:
        return "- **Which depth.** No seed keeps a validation figure for every depth yet, so none is chosen."
    mean, worst = ("{:.3f} [{:.3f}, {:.3f}]".format(*depth[name]) for name in ("unseen", "worst_unseen"))
    return (
        f"- **Which depth.** The validation split of the sources trained on chooses {depth['chosen']} (mean AUC there "
        f"{depth['validation_auc'][depth['chosen']]:.3f}, seeds {', '.join(map(str, depth['seeds']))}). On generators "
        f"never seen it has {mean}, place {depth['place_on_unseen']} of {len(depth['validation_auc'])}, and {worst} on "
        "the worst of them."
    )
