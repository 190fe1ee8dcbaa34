"""Which part of a manipulated face holds its surest patch: more often than chance, and than in the untouched face?

No script: `manipulation_summary.py` writes its tables with it. The figures come from the cells of
`manipulation_cells.py`, which keep the part of every test picture's most fake-looking patch.

Three things make a part come first: what was done to it, where the patches of a face lie, and a habit of the network.
Patches drawn at random in the same picture stand for the second, the same network on the untouched face for the third.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from comparisons import Estimate, Few, few
from manipulation_cells import Experiment
from result_files import write_figure, write_table
from telltale.errors import require
from telltale.explain.face_parts import PARTS
from telltale.explain.regions import holm
from telltale.learn.classifier import build

Cell = dict[str, Any]
ROUNDS = 500
MOUTH = PARTS.index("mouth")
LEVEL = 0.05
WIDE = 118


def judged(asked: Experiment, cells: Sequence[Cell]) -> list[Cell]:
    """The cells that know the untouched faces, too, of networks whose patches are no larger than half the picture.

    A larger patch holds several parts whole, and which of these it is assigned to is then the order of a list.
    """
    known = [one for one in cells if asked.real in one.get("regions", {})]
    if not known:
        return []
    orders = {
        tuple(asked.twin_of(one) for one in asked.bench.tested if one.source == source)
        for source in (asked.real, *asked.kinds)
    }
    if len(orders) > 1:
        sys.exit("the manipulated test pictures are not those of the untouched ones, in their order")
    side = max(asked.bench.tested[0].pixels().shape[:2])
    architectures = {name: architecture for models in asked.models for name, (architecture, _) in models.items()}
    fields = {name: field_of(architectures[name]) for name in {one["model"] for one in known}}
    return [one for one in known if fields[one["model"]] <= side / 2]


@cache
def field_of(architecture: str) -> int:
    """The side of a patch, in pixels."""
    grid = build(architecture).grid
    assert grid is not None, "whole-image baselines have no parts in their cells"
    return grid.size


def tables(asked: Experiment, cells: Sequence[Cell], left_out: Sequence[str]) -> Iterator[str]:
    """By model and tested manipulation, learned and unseen apart: where the surest patches lie, and what that shows."""
    rows = [
        (model, kind, learned, mine)
        for model in dict.fromkeys(one["model"] for one in cells)
        for kind in asked.kinds
        for learned in (True, False)
        if (mine := [one for one in cells if one["model"] == model and (one["trained_on"] == kind) is learned])
    ]
    found = [Row(asked, kind, mine) for _, kind, _, mine in rows]
    corrected = holm([one.p for row in found for one in (row.gain, row.lead)])
    yield fill(
        "Parts of the face that hold the surest patch of a test picture. *Random*: the share of random patches of the "
        "same pictures; *untouched*: the mouth's share on the same faces before anything was done to them, by the same "
        "networks. *Gain*: the mouth's share less that. *First*: the part that exceeds its random share most. *Lead*: "
        "the mouth's excess over its random share less that of the best other part, above 0 where the mouth comes "
        "first. 95 % bootstrap over seeds and faces, of one seed over faces alone; \u2020 marks what remains after "
        f"Holm's correction over all {len(corrected)} gains and leads (5 %).",
        WIDE,
    )
    yield ""
    yield "| model | tested on | runs | first | mouth | random | untouched | gain | lead |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for number, ((model, kind, learned, mine), row) in enumerate(zip(rows, found, strict=True)):
        marks = ["\u2020" if p < LEVEL else "" for p in corrected[2 * number : 2 * number + 2]]
        yield (
            f"| {model} | {kind}, {'learned' if learned else 'unseen'} | {len(mine)} | {PARTS[row.first]} | "
            f"{row.mouth:.0%} | {row.random:.0%} | {row.untouched:.0%} | {row.gain.signed}{marks[0]} | "
            f"{row.lead.signed}{marks[1]} |"
        )
    yield ""
    yield fill(words(rows, found, corrected), WIDE)
    if left_out:
        yield ""
        yield fill(
            f"Not shown: {', '.join(left_out)}, whose patches are larger than half the picture: they hold several "
            "parts whole, and which of these they are assigned to is then the order of a list.",
            WIDE,
        )


def words(rows: Sequence[tuple[str, str, bool, Any]], found: Sequence["Row"], corrected: Sequence[float]) -> str:
    """Does the mouth come first, and is that the manipulation's doing?"""

    def count(place: int, learned: bool, side: int) -> str:
        mine = [number for number, row in enumerate(rows) if row[2] is learned]
        sure = sum(
            corrected[2 * n + place] < LEVEL and np.sign((found[n].gain, found[n].lead)[place].value) == side
            for n in mine
        )
        return f"{sure} of {len(mine)}"

    return (
        f"After that correction the mouth leads in {count(1, True, 1)} rows of what was learned and in "
        f"{count(1, False, 1)} of what was not, and another part leads in {count(1, True, -1)} and "
        f"{count(1, False, -1)}. It holds the surest patch more often than on the untouched face in "
        f"{count(0, True, 1)} and {count(0, False, 1)}, less often in {count(0, True, -1)} and {count(0, False, -1)}."
    )


class Row:
    """One line: the networks of a model on one manipulation, faces and seeds drawn again.

    Attributes:
        first: the part that exceeds its random share most, a place in PARTS.
        mouth, random, untouched: shares.
        gain: of the mouth, over the untouched faces.
        lead: the mouth's excess over random less that of the best other part.
    """

    def __init__(self, asked: Experiment, kind: str, cells: Sequence[Cell]) -> None:
        made, plain = (one_hot([cell["regions"][source]["parts"] for cell in cells]) for source in (kind, asked.real))
        random = np.mean([np.array(one["regions"][kind]["random"]) / one["regions"][kind]["n"] for one in cells], 0)
        runs, faces = draws(cells, made.shape[1], 50 if asked.bench.quick else ROUNDS)
        top, before = made.mean((0, 1)), plain.mean((0, 1))
        self.first = int(np.argmax(top - random))
        self.mouth, self.random, self.untouched = float(top[MOUTH]), float(random[MOUTH]), float(before[MOUTH])
        again, again_before = (np.einsum("rk,rf,kfp->rp", runs, faces, held, optimize=True) for held in (made, plain))
        gains, leads = made.mean(1)[:, MOUTH] - plain.mean(1)[:, MOUTH], _lead(made.mean(1) - random)
        told = [few_by_kind(cells, values) for values in (gains, leads)]
        rise = np.asarray(again[:, MOUTH] - again_before[:, MOUTH])
        self.gain = Estimate(float(top[MOUTH] - before[MOUTH]), rise, told[0])
        self.lead = Estimate(float(_lead(top - random)), np.asarray(_lead(again - random)), told[1])


def few_by_kind(cells: Sequence[Cell], values: NDArray[np.float64]) -> Few:
    """What the seeds tell of, each learned manipulation's apart, which weigh the same.

    Args:
        cells: of a model.
        values: of each.
    """
    kinds = np.array([one["trained_on"] for one in cells])
    names = dict.fromkeys(kinds.tolist())
    return tuple(part for kind in names for part in few(values[kinds == kind], 1 / len(names)))


def _lead(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mouth's less the largest of the others'."""
    others = np.delete(excess, MOUTH, axis=-1)
    return np.asarray(excess[..., MOUTH] - others.max(-1))


def one_hot(parts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """(runs, faces, parts): 1 where the surest patch lies."""
    return np.asarray(np.eye(len(PARTS))[np.array(parts)])


def draws(cells: Sequence[Cell], faces: int, rounds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of runs (rounds, runs) and of faces (rounds, faces), each round's adding up to 1.

    Seeds are drawn for each learned manipulation apart, n - 1 of n (see `comparisons.py`); faces are the same ones
    whatever the model.
    """
    drawn = np.random.default_rng(0).multinomial(faces, np.full(faces, 1 / faces), size=rounds) / faces
    runs = np.zeros((rounds, len(cells)))
    kinds = list(dict.fromkeys(one["trained_on"] for one in cells))
    for kind in kinds:
        places = [place for place, one in enumerate(cells) if one["trained_on"] == kind]
        mine = seeds_drawn(f"{cells[0]['model']}, {kind}", len(places), rounds)
        for column in range(mine.shape[1]):
            np.add.at(runs, (np.arange(rounds), np.array(places)[mine[:, column]]), 1 / mine.shape[1] / len(kinds))
    return runs, drawn


def seeds_drawn(network: str, count: int, rounds: int) -> NDArray[np.intp]:
    """(rounds, count - 1) places of seeds of one network and manipulation, drawn with replacement; of one, that one.

    Two networks' draws are independent: seed 3 of one has nothing to do with seed 3 of another.
    """
    return np.random.default_rng(crc32(network.encode())).integers(count, size=(rounds, max(1, count - 1)))


def write_regions(cells: Sequence[Cell], path: Path) -> None:
    """The counts of every part, run by run, the untouched faces' among them."""
    table = (
        {
            **{name: one[name] for name in ("model", "seed", "trained_on")},
            "tested_on": kind,
            "part": part,
            "n": said["n"],
            "top_count": top,
            "random_count": random,
            "p_holm": p_holm,
        }
        for one in cells
        for kind, said in one.get("regions", {}).items()
        for part, top, random, p_holm in zip(PARTS, said["top"], said["random"], said["p_holm"], strict=True)
    )
    write_table(path, table)


def draw_regions(asked: Experiment, cells: Sequence[Cell], path: Path) -> None:
    """Bars of the share of surest patches in each part, by model; a dash for random patches, a dot for untouched."""
    models = list(dict.fromkeys(one["model"] for one in cells))
    drawing = require("matplotlib.figure", "evaluate").Figure(
        figsize=(11, 2.4 * len(asked.kinds)), layout="constrained"
    )
    panels = drawing.subplots(len(asked.kinds), 1, squeeze=False, sharex=True)[:, 0]
    width = 0.8 / len(models)
    for panel, kind in zip(panels, asked.kinds, strict=True):
        for number, model in enumerate(models):
            mine = [one["regions"] for one in cells if one["model"] == model]
            top, random = (mean_share(mine, kind, name) for name in ("top", "random"))
            places = np.arange(len(PARTS)) + width * (number + 0.5) - 0.4
            panel.bar(places, top, 0.95 * width, label=model)
            panel.hlines(random, places - width / 2, places + width / 2, "black", linewidth=1.2)
            panel.plot(places, mean_share(mine, asked.real, "top"), "k.", markersize=4)
        panel.set_title(f"tested on {kind}; dash: random patches, dot: the untouched faces", fontsize=9)
        panel.set_ylabel("share", fontsize=8)
    panels[-1].set_xticks(range(len(PARTS)), PARTS, fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=min(5, len(models)), frameon=False, fontsize=8)
    write_figure(path, drawing, 80)


def mean_share(regions: Sequence[Mapping[str, Any]], source: str, name: str) -> NDArray[np.float64]:
    """Over runs, of the pictures of a source."""
    return np.asarray(np.mean([np.array(one[source][name]) / one[source]["n"] for one in regions], 0))
