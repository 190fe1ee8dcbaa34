"""Rounds of equation 4: the generator is finetuned against a defence, the defence learns its samples, and so on.

    python recipes/arms_race.py --data PATH_TO_SHARED_DATA --work runs/arms_race
    python recipes/arms_race.py --data PATH_TO_SHARED_DATA --work runs/arms_race --quick    (no result written)

Photographs, generator, training and finetuning are those of `recipes/equation4.py`, with shorter trainings. A defence
of round r has learned the samples of round r, and the generator of round r + 1 begins from the one of round r:

- single: one xception_block2;
- ensemble: xception_block1, 2 and 3, fooled together and judging by their mean score;
- augmented: one xception_block2 that learns with blur, noise, JPEG and scaling;
- replay: one xception_block2 that learns the samples of all rounds so far.

For every round: what the defence of the round before calls fake of the new samples (fooled or not), and what the new
defence calls fake of the current samples, of those of all earlier rounds, and of a generator it never saw
(gan_nearest-0); accuracy is the mean of that share and of the share of test photographs called real.

The summary adds an outside check: what the networks of results/table_generators.csv, which learned StyleGAN2, make of
`stylegan2_vs_npr`, the same generator finetuned against a detector that is none of ours.

Every (defence, seed) is one file in results/arms_race/; a rerun computes only what is missing and goes on inside a
training or finetuning that was interrupted. Several processes of the same command share the work: start it as often as
there are cores. Cost: five to fifteen minutes a defence and seed on one core of a 2021 server CPU. `--summarise` writes
results/arms_race.csv, .json and .md from the cells there are, and says which are missing.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparisons import over_seeds
from equation4_contest import (
    GENERATOR,
    Contest,
    asked_for,
    classifier,
    finetuned,
    fixed,
    hasty,
    measured,
    pixels,
    scores,
)
from result_files import keep, write_facts, write_page, write_table
from sharing import unclaimed
from telltale.data.sample import Sample
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

ROOT = Path(__file__).resolve().parent.parent
UNSEEN = "gan_nearest-0"
# In the shared data: a generator, and the same finetuned against another's detector.
PLAIN, ADAPTED = "stylegan2", "stylegan2_vs_npr"
ROUNDS, SEEDS = 3, 3
AUGMENTED = {"blur": 0.3, "blur_range": (0.1, 1.0), "noise": 0.3, "jpeg": 0.3, "resize": 0.3}
DEFENCES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "single": (("xception_block2",), {}),
    "replay": (("xception_block2",), {}),
    "augmented": (("xception_block2",), AUGMENTED),
    "ensemble": (("xception_block1", "xception_block2", "xception_block3"), {}),
}


def defended(bench: Contest, defence: str, seed: int, round_: int, fakes: Sequence[Sample]) -> list[Path]:
    """The weights of a defence after it has learned some samples."""
    architectures, more = DEFENCES[defence]
    shorter = {} if bench.quick else {"epochs": 3}
    return [
        classifier(bench, f"{defence}-{seed}-{round_}-{one}", one, seed + 10 * round_, fakes, **shorter, **more)
        for one in architectures
    ]


def judged(weights: Sequence[Path], shown: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The defence's score: the mean of its members'."""
    return np.asarray(np.mean([scores(path, shown) for path in weights], axis=0))


def cell(bench: Contest, unseen: Path, defence: str, seed: int, rounds: int) -> dict[str, Any]:
    """All rounds of one defence."""
    begin = time.perf_counter()
    generators = [bench.generator]
    defences = [defended(bench, defence, seed, 0, bench.drawn(bench.generator))]
    found = [row(bench, unseen, defences, generators, measured(bench, bench.generator), 0)]
    for round_ in range(1, rounds + 1):
        name = f"{defence}-{seed}-{round_}"
        judges = [fixed(path) for path in defences[-1]]
        made, past = finetuned(bench, name, generators[-1], judges, hasty(bench, seed + 10 * round_))
        generators.append(made)
        learned = generators if defence == "replay" else generators[-1:]
        fakes = [one for path in learned for one in bench.drawn(path)]
        defences.append(defended(bench, defence, seed, round_, fakes))
        found.append(row(bench, unseen, defences, generators, measured(bench, made), past[-1].step))
        print(name, found[-1], flush=True)
    return {
        "defence": defence,
        "seed": seed,
        "rounds": found,
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "command": invocation(),
        "machine": machine(),
    }


def row(
    bench: Contest,
    unseen: Path,
    defences: Sequence[Sequence[Path]],
    generators: Sequence[Path],
    worth: tuple[float, float],
    steps: int,
) -> dict[str, Any]:
    """Shares called fake after a round."""
    now, current = defences[-1], pixels(bench.drawn(generators[-1]))

    def called(weights: Sequence[Path], shown: NDArray[np.uint8]) -> float:
        return round(float((judged(weights, shown) >= 0.5).mean()), 4)

    earlier = [called(now, pixels(bench.drawn(path))) for path in generators[:-1]]
    return {
        "steps": steps,
        "quality": round(worth[0], 5),
        "quality_error": round(worth[1], 5),
        "photographs_called_real": round(1 - called(now, pixels(bench.reals)), 4),
        "before_learning": called(defences[-2], current) if len(defences) > 1 else None,
        "current": called(now, current),
        "earlier": round(float(np.mean(earlier)), 4) if earlier else None,
        "earliest": earlier[0] if earlier else None,
        "unseen": called(now, pixels(bench.drawn(unseen, ("test",)))),
    }


def wanted(bench: Contest, seeds: int) -> list[tuple[str, int]]:
    """Seeds outermost, so that an interrupted run leaves whole seeds."""
    return [(name, seed) for seed in range(seeds) for name in list(DEFENCES)[: 2 if bench.quick else None]]


def run(bench: Contest, unseen: Path, seeds: int, rounds: int) -> None:
    """Every missing cell."""
    for defence, seed in unclaimed(bench.work, "arms_race", wanted(bench, seeds)):
        path = bench.cells / f"{defence}-{seed}.json"
        if not path.exists():
            keep(path, cell(bench, unseen, defence, seed, rounds))


def rows(cells: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each kind of samples that a defence was asked about after a round."""
    for found in cells:
        for number, one in enumerate(found["rounds"]):
            for kind in ("before_learning", "current", "earlier", "unseen"):
                if one[kind] is not None:
                    yield {
                        "defence": found["defence"],
                        "seed": found["seed"],
                        "round": number,
                        "generator": kind,
                        "called_fake": one[kind],
                        "accuracy": round((one[kind] + one["photographs_called_real"]) / 2, 4),
                        "quality": one["quality"],
                        "quality_error": one["quality_error"],
                        "steps": one["steps"],
                    }


def summarise(bench: Contest) -> None:
    """The table of all rows, and what people read."""
    paths = [bench.cells / f"{name}-{seed}.json" for name, seed in wanted(bench, 1 if bench.quick else SEEDS)]
    cells = [json.loads(path.read_text()) for path in sorted(paths) if path.exists()]
    missing = [path.stem for path in paths if not path.exists()]
    if not cells:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    results = bench.cells.parent
    found = list(rows(cells))
    write_table(results / "arms_race.csv", found)
    about = {
        "command": invocation(),
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] or "" for one in cells}),
        "machine": cells[0]["machine"],
        "date": time.strftime("%Y-%m-%d"),
        "cells": [f"{one['defence']}-{one['seed']}" for one in cells],
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
    }
    write_facts(results / "arms_race.json", about)
    lines = [*(fill(line, 118, subsequent_indent="  ") for line in words(found)), "", *markdown(found), "", *outside()]
    write_page(results / "arms_race.md", lines)
    print(f"written: {results / 'arms_race.md'}, {len(cells)} cells, {len(missing)} missing")


def markdown(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Means over seeds, by defence and round."""
    kinds = {
        "before_learning": "fooled: new samples, old defence",
        "current": "new samples",
        "earlier": "samples of earlier rounds",
        "unseen": "a generator never seen",
    }
    yield "Share of samples called fake after each round, mean over seeds (least to most)."
    yield ""
    yield f"| defence | seeds | round | {' | '.join(kinds.values())} | KID | steps |"
    yield "|---|---|---|" + "---|" * (len(kinds) + 2)
    for defence in dict.fromkeys(row["defence"] for row in found):
        mine = [row for row in found if row["defence"] == defence]
        for number in sorted({row["round"] for row in mine}):
            here = [row for row in mine if row["round"] == number]
            shown = [spread([row["called_fake"] for row in here if row["generator"] == kind]) for kind in kinds]
            seeds, steps = {row["seed"] for row in here}, [row["steps"] for row in here]
            worth = np.mean([row["quality"] for row in here])
            yield f"| {defence} | {len(seeds)} | {number} | {' | '.join(shown)} | {worth:.4f} | {np.mean(steps):.0f} |"


def words(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Which defence held, from the numbers: after the last round, means over seeds."""
    last = max(row["round"] for row in found)

    def mean_of(defence: str, kind: str, value: str = "called_fake", *, rounds: Sequence[int] = (last,)) -> float:
        chosen = [
            row[value]
            for row in found
            if row["defence"] == defence and row["generator"] == kind and row["round"] in rounds
        ]
        return float(np.mean(chosen))

    def listed(kind: str, **how: Any) -> str:
        values = {name: mean_of(name, kind, **how) for name in dict.fromkeys(row["defence"] for row in found)}
        return ", ".join(f"{name} {value:.0%}" for name, value in sorted(values.items(), key=lambda one: -one[1]))

    later = range(1, last + 1)
    yield (
        f"- **Fooled every round?** New samples that the defence of the round before calls fake: "
        f"{listed('before_learning', rounds=later)}."
    )
    yield f"- **Recovers every round?** New samples that the new defence calls fake: {listed('current', rounds=later)}."
    yield f"- **Remembers?** After round {last}, samples of earlier rounds called fake: {listed('earlier')}."
    yield f"- **Learns something general?** After round {last}, samples of {UNSEEN} called fake: {listed('unseen')}."


def outside() -> Iterator[str]:
    """What networks of `table_generators.py` make of a StyleGAN2 that somebody finetuned against another detector."""
    table = ROOT / "results" / "table_generators.csv"
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] in (PLAIN, ADAPTED)]
    auc = {(row["model"], row["augmentation"], row["seed"], row["source"]): float(row["auc"]) for row in rows}
    networks = sorted({key[:3] for key in auc if "probe" not in key[0] and "regression" not in key[0]})
    loss = np.array([auc[*one, ADAPTED] - auc[*one, PLAIN] for one in networks])
    seeds = np.array([one[2] for one in networks])
    by_seed = np.array([[loss[seeds == seed].mean()] for seed in sorted(set(seeds))])
    changed = over_seeds(by_seed, ("all networks",), 2000).mean
    count = {row["source"]: int(row["n_fake"]) for row in rows}
    plain, adapted = (np.mean([auc[*one, source] for one in networks]) for source in (PLAIN, ADAPTED))
    yield fill(
        f"**Outside check**: {ADAPTED} in the shared data is StyleGAN2 finetuned against somebody else's detector, and "
        f"nothing here learned it. The {len(networks)} networks of results/table_generators.csv, which learned "
        f"StyleGAN2 itself, have a mean AUC of {plain:.3f} on its test pictures ({count[PLAIN]}, some of them resized "
        f"by a web site) and of {adapted:.3f} on the finetuned one's ({count[ADAPTED]}, native pixels): "
        f"{changed.signed} (95 % bootstrap over seeds, widened by Student's t; all networks see the same "
        f"{count[ADAPTED]} pictures, whose own chance is not in it). Lower for {int((loss < 0).sum())} of "
        f"{len(networks)}.",
        118,
    )


def spread(values: Sequence[float]) -> str:
    """Mean, and the ends where there are several."""
    if not values:
        return ""
    ends = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{ends}"


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], "arms_race", [GENERATOR, UNSEEN])
    unseen = chosen.generators / f"{UNSEEN}.safetensors"
    if not chosen.summarise:
        run(bench, unseen, 1 if chosen.quick else SEEDS, 2 if chosen.quick else ROUNDS)
    if chosen.summarise or chosen.quick:
        summarise(bench)


if __name__ == "__main__":
    main()
