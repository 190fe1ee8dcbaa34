"""What does it cost a generator to fool a classifier, and which settings of equation 4 keep that low?

    python recipes/equation4_settings.py --data PATH_TO_SHARED_DATA --work runs/equation4
    python recipes/equation4_settings.py --data PATH_TO_SHARED_DATA --work runs/equation4 --quick    (no result written)

As `recipes/equation4.py` with its photographs, classifiers, judge, measure of quality and --work, but on seeds kept
apart from those of that table, so that the settings it uses are not chosen on what it reports. Every setting finetunes
against the same first classifiers. "As in the table" is what it uses: a critic that goes on, a tenth of lambda, an
average of the weights; below it the same without one of them. "As first published" is what the table used before, and
arms_race.py still does: a few steps beside a critic that begins anew. "Nothing to fool" has a weight of 0: what either
way costs by itself.

Every (setting, classifier, seed) is one file in results/equation4_settings/; a rerun computes only what is missing.
Several processes of the same command share the work. Cost: one to six minutes each on one core with bfloat16 products.
`--summarise` writes results/equation4_settings.csv and .md. No second classifier is trained here.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from equation4_contest import (
    ARCHITECTURES,
    GENERATOR,
    Contest,
    asked_for,
    classifier,
    finetuned,
    fixed,
    hasty,
    measured,
    named,
    need_critic,
    pixels,
    scores,
    settings,
)
from equation4_summary import worse
from result_files import keep, write_page, write_table
from sharing import unclaimed
from telltale.generate.finetuning_config import FinetuneConfig, reached
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

NAME = "equation4_settings"
SEEDS = (7,)
# Steps of the controls, which fool nobody and so meet no target: as many as fooling took.
HASTY_STEPS, PATIENT_STEPS = 60, 240
# What the table takes, and what it took at first, each without one thing.
PATIENT: dict[str, dict[str, Any]] = {
    "as in the table": {},
    "table but nothing to fool": {"weight": 0.0, "steps": PATIENT_STEPS},
    "table but weights not averaged": {"average": 0.0},
    "table but a critic begun anew": {},
}
ANEW = "table but a critic begun anew"
HASTY: dict[str, dict[str, Any]] = {
    "as first published": {},
    "nothing to fool": {"weight": 0.0, "steps": HASTY_STEPS},
    "a tenth of the rate": {"learning_rate": 1e-6},
}
SETTINGS = PATIENT | HASTY


def how(bench: Contest, setting: str, seed: int) -> FinetuneConfig:
    usual = (settings if setting in PATIENT else hasty)(bench, seed)
    return usual if bench.quick else replace(usual, **SETTINGS[setting])


def critic_of(bench: Contest, setting: str) -> Path | None:
    """What the finetuning goes on with; None begins anew."""
    return bench.critic if setting in PATIENT and setting != ANEW else None


def cell(bench: Contest, setting: str, architecture: str, seed: int) -> dict[str, Any]:
    """One classifier fooled in one way."""
    begin = time.perf_counter()
    first = classifier(bench, named("first", architecture, seed), architecture, seed, bench.drawn(bench.generator))
    name, asked = folder_of(setting, architecture, seed), how(bench, setting, seed)
    critic = critic_of(bench, setting)
    weights, past = finetuned(bench, name, bench.generator, [fixed(first)], asked, critic)
    shown = {"photographs": bench.reals, "before": bench.drawn(bench.generator), "after": bench.drawn(weights)}
    judged = {kind: scores(first, pixels(those)) for kind, those in shown.items()}
    before, after = (measured(bench, path) for path in (bench.generator, weights))

    def accuracy(kind: str) -> float:
        right = np.concatenate([judged["photographs"] < 0.5, judged[kind] >= 0.5])
        return round(float(right.mean()), 4)

    return {
        "setting": setting,
        "classifier": architecture,
        "seed": seed,
        "generator": GENERATOR,
        "lambda": asked.weight,
        "learning_rate": asked.learning_rate,
        "check_every": asked.check_every,
        "warm_up": asked.warm_up,
        "average": asked.average,
        "critic": "goes on" if critic else "begins anew",
        "steps": past[-1].step,
        "stopped_at_target": reached(asked, past[0], past[-1]),
        "accuracy_before": accuracy("before"),
        "accuracy_after": accuracy("after"),
        "distance": round(past[-1].distance, 2),
        "quality_before": [round(value, 5) for value in before],
        "quality_after": [round(value, 5) for value in after],
        "checks": [asdict(one) for one in past],
        "seconds": round(time.perf_counter() - begin),
        "commit": commit(),
        "command": invocation(),
        "machine": machine(),
    }


def wanted(bench: Contest) -> list[tuple[str, str, int]]:
    """Seeds outermost, so that an interrupted run leaves every setting compared."""
    return [
        (setting, architecture, seed)
        for seed in SEEDS[: 1 if bench.quick else None]
        for architecture in ARCHITECTURES[: 1 if bench.quick else None]
        for setting in ((ANEW, "nothing to fool") if bench.quick else SETTINGS)
    ]


def path_of(bench: Contest, setting: str, architecture: str, seed: int) -> Path:
    return bench.cells / f"{folder_of(setting, architecture, seed)}.json"


def folder_of(setting: str, architecture: str, seed: int) -> str:
    return f"{setting}-{architecture}-{seed}".replace(" ", "_")


def run(bench: Contest) -> None:
    """Every missing cell."""
    for one in unclaimed(bench.work, NAME, wanted(bench)):
        path = path_of(bench, *one)
        if not path.exists():
            found = cell(bench, *one)
            keep(path, found)
            print(
                path.stem,
                f"{found['seconds']} s, {found['steps']} steps, accuracy {found['accuracy_after']}, distance "
                f"{found['distance']}, KID {found['quality_before'][0]} to {found['quality_after'][0]}",
                flush=True,
            )


def rise(found: dict[str, Any]) -> float:
    """Of the kernel distance, as a share of its start."""
    return worse({name: found[name][0] for name in ("quality_before", "quality_after")})


def markdown(cells: Sequence[dict[str, Any]], about: str) -> Iterator[str]:
    yield "# What fooling a classifier costs, by settings of equation 4"
    yield ""
    yield about
    yield ""
    yield "KID (face-parser features) to photographs no generator learned from, its change as a share of the start;"
    yield "accuracy of the classifier on 405 photographs and as many samples; distance in grey levels, same latents."
    yield ""
    columns = (
        *("setting", "rate", "lambda", "critic", "average", "runs", "steps", "accuracy after", "to 60 %", "distance"),
        *("KID change, mean", "worst", "within 10 %"),
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for setting in SETTINGS:
        these = [one for one in cells if one["setting"] == setting]
        if not these:
            continue
        steps, accuracy, moved = (
            sorted(one[name] for one in these) for name in ("steps", "accuracy_after", "distance")
        )
        rises = [rise(one) for one in these]
        first = these[0]
        yield (
            f"| {setting} | {first['learning_rate']:g} | {first['lambda']:g} | {first['critic']} "
            f"| {first['average']:g} | {len(these)} "
            f"| {steps[0]} to {steps[-1]} | {accuracy[0]:.3f} to {accuracy[-1]:.3f} "
            f"| {sum(one <= 0.6 for one in accuracy)} | {moved[0]:.1f} to {moved[-1]:.1f} | {np.mean(rises):+.0%} "
            f"| {max(rises):+.0%} | {sum(one <= 0.1 for one in rises)} |"
        )


def summarise(bench: Contest, command: str) -> None:
    """The CSV of all cells, and the table people read."""
    paths = [path_of(bench, *one) for one in wanted(bench)]
    cells = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not cells:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    # Cells from before these columns had no average, and a critic that began anew.
    cells = [{"average": 0.0, "critic": "begins anew"} | one for one in cells]
    left_out = ("checks", "command", "quality_before", "quality_after")
    columns = [name for name in cells[0] if name not in left_out]
    results = bench.cells.parent
    qualities = ("quality_before", "quality_after")
    rows = ({**{name: one[name] for name in columns}, **{name: one[name][0] for name in qualities}} for one in cells)
    write_table(results / f"{NAME}.csv", rows)
    missing = len(paths) - len(cells)
    about = f"`{command}`; {len(cells)} runs, {missing} missing; commit {commit()}, {time.strftime('%Y-%m-%d')}."
    write_page(results / f"{NAME}.md", markdown(cells, about))
    print(f"written: {results / NAME}.md, {missing} cells missing")


def main() -> None:
    chosen, bench = asked_for(__doc__.splitlines()[0], NAME, [GENERATOR], work="runs/equation4")
    need_critic(bench)
    if not chosen.summarise:
        run(bench)
    if chosen.summarise or chosen.quick:
        summarise(bench, invocation())


if __name__ == "__main__":
    main()
