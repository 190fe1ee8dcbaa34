"""What the runs of equation 4 come to: tables, the transfer matrix, words, a figure.

No script: `equation4.py --summarise` writes them.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

import numpy as np

from equation4_contest import (
    ARCHITECTURES,
    GENERATOR,
    OTHERS,
    SEEDS,
    Contest,
    asked,
    settings,
    wanted,
)
from equation4_figure import figure
from result_files import write_facts, write_image, write_page, write_table
from telltale.provenance import commit, invocation


def figures(found: dict[str, Any]) -> dict[str, float]:
    """The numbers of a cell that the table shows; accuracies of photographs and samples together."""
    judged = {
        role: {kind: np.array(values) for kind, values in by_kind.items()} for role, by_kind in found["scores"].items()
    }

    def accuracy(role: str, kind: str) -> float:
        right = np.concatenate([judged[role]["photographs"] < 0.5, judged[role][kind] >= 0.5])
        return round(float(right.mean()), 4)

    return {
        "accuracy_before": accuracy("first", "before"),
        "accuracy_after": accuracy("first", "after"),
        "called_fake_before": round(float((judged["first"]["before"] >= 0.5).mean()), 4),
        "called_fake_after": round(float((judged["first"]["after"] >= 0.5).mean()), 4),
        "quality_before": found["quality_before"][0],
        "quality_after": found["quality_after"][0],
        "second_classifier_accuracy": accuracy("second", "after"),
        "second_classifier_called_fake": round(float((judged["second"]["after"] >= 0.5).mean()), 4),
        "second_classifier_accuracy_on_unfinetuned": accuracy("second", "before"),
    }


def complete(bench: Contest) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells there are, and the names of those that are missing."""
    paths = [bench.cells / f"{name}-{seed}.json" for name, seed in wanted(bench, 1 if bench.quick else SEEDS)]
    found, now = [], asked(bench)
    for path in (one for one in paths if one.exists()):
        cell = json.loads(path.read_text())
        if different := sorted(name for name, value in now.items() if cell.get(name) != value):
            sys.exit(f"{path} was made with another {', '.join(different)}: delete it and run again")
        found.append(cell)
    return found, [path.stem for path in paths if not path.exists()]


def spread(cells: Sequence[dict[str, Any]], rounds: int) -> dict[str, list[float]]:
    """Means over runs of the accuracies, with 95 % bootstrap intervals over runs and pictures."""
    random = np.random.default_rng(0)
    wanted_kinds = {
        "accuracy_before": ("first", "before"),
        "accuracy_after": ("first", "after"),
        "second_classifier_accuracy": ("second", "after"),
    }
    found = {}
    for name, (role, kind) in wanted_kinds.items():
        right = [
            (np.array(one["scores"][role]["photographs"]) < 0.5, np.array(one["scores"][role][kind]) >= 0.5)
            for one in cells
        ]
        draws = []
        for _ in range(rounds):
            runs = random.integers(len(right), size=len(right))
            hits = [random.choice(part, len(part)).mean() for run in runs for part in right[run]]
            draws.append(np.mean(hits))
        value = np.mean([part.mean() for pair in right for part in pair])
        found[name] = [round(float(x), 4) for x in (value, *np.quantile(draws, (0.025, 0.975)))]
    return found


def relation(generator: str, judge: str) -> str:
    """What a generator and the classifier that judges it have in common."""
    role, other, other_seed = judge.rsplit("-", 2)
    if generator == GENERATOR:
        return f"{role}, samples before finetuning"
    if not generator.startswith("finetuned-"):
        return f"{role}, another generator"
    _, fooled, seed = generator.rsplit("-", 2)
    if role == "second":
        return "second, these samples" if (fooled, seed) == (other, other_seed) else "second, another's samples"
    if fooled == other:
        return "first, the one fooled" if seed == other_seed else "first, other seed"
    return "first, other depth" if fooled.split("_")[0] == other.split("_")[0] else "first, other architecture"


RELATIONS = (
    *("first, the one fooled", "first, other seed", "first, other depth", "first, other architecture"),
    *("second, these samples", "second, another's samples"),
    *("first, samples before finetuning", "second, samples before finetuning"),
    *("first, another generator", "second, another generator"),
)


def summarise(bench: Contest) -> None:
    """The table, the matrix, the words people read, the figure."""
    cells, missing = complete(bench)
    if not cells:
        sys.exit(f"no cells in {bench.cells}: run without --summarise first")
    results = bench.cells.parent
    if not (bench.cells / "transfer.json").exists():  # written after the last cell
        sys.exit(f"no transfer.json in {bench.cells}: run once more without --summarise")
    transfer = json.loads((bench.cells / "transfer.json").read_text())
    pairs = [{**one, "relation": relation(one["generator"], one["classifier"])} for one in transfer["pairs"]]
    about = {
        "command": invocation(),
        "commit": commit(),
        "commits_of_cells": sorted({one["commit"] or "" for one in cells}),
        **asked(bench),
        "settings": asdict(settings(bench, 0)),
        "machine": cells[0]["machine"],
        "date": time.strftime("%Y-%m-%d"),
        "cells": len(cells),
        "missing": missing,
        "seconds_of_all_cells": sum(one["seconds"] for one in cells),
        "n_test": {"photographs": len(cells[0]["scores"]["first"]["photographs"]), "samples": transfer["n"]},
        "all": spread(cells, 20 if bench.quick else 1000),
        "by_classifier": {
            name: spread(own, 20 if bench.quick else 1000)
            for name in ARCHITECTURES
            if (own := [one for one in cells if one["classifier"] == name])
        },
        "transfer": {
            kind: summary([one for one in pairs if one["relation"] == kind])
            for kind in RELATIONS
            if any(one["relation"] == kind for one in pairs)
        },
        "other_generators": {
            name: {
                role: summary([one for one in pairs if one["generator"] == name and one["classifier"].startswith(role)])
                for role in ("first", "second")
            }
            for name in OTHERS
            if any(one["generator"] == name for one in pairs)
        },
    }
    rows = [{**described(one), **figures(one)} for one in cells]
    write_table(results / "equation4.csv", rows)
    write_table(results / "transfer_matrix.csv", pairs)
    write_facts(results / "equation4.json", about)
    write_page(results / "equation4.md", markdown(about, rows))
    write_image(results / "equation4.png", figure(bench, cells))
    print(f"written: {results / 'equation4.md'}, {len(missing)} cells missing")


def described(found: dict[str, Any]) -> dict[str, Any]:
    names = ("generator", "classifier", "seed", "lambda", "steps", "stopped_at_target", "distance")
    return {**{name: found[name] for name in names}, "quality_error": found["quality_after"][1]}


def summary(pairs: Sequence[dict[str, Any]]) -> dict[str, float]:
    called = [one["called_fake"] for one in pairs]
    return {
        "pairs": len(pairs),
        "mean": round(float(np.mean(called)), 4),
        "least": min(called),
        "most": max(called),
        "auc": round(float(np.mean([one["auc"] for one in pairs])), 4),
    }


def counted(rows: Sequence[dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> str:
    return f"{sum(map(holds, rows))} of {len(rows)}"


def span(found: Sequence[float]) -> str:
    """Mean and interval."""
    value, low, high = found
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def worse(row: dict[str, Any]) -> float:
    """How much farther from photographs, as a share of the start."""
    return float(row["quality_after"] / row["quality_before"] - 1)


def words(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held and what did not, from the numbers."""
    means, changes = about["all"], [worse(row) for row in rows]
    before, after = means["accuracy_before"], means["accuracy_after"]
    yield (
        f"- **Fooled**: mean accuracy of the first classifiers {span(before)} before, {span(after)} after (95 % "
        f"bootstrap over runs and pictures). From 99 % or more: "
        f"{counted(rows, lambda row: row['accuracy_before'] >= 0.99)}; to 60 % or less: "
        f"{counted(rows, lambda row: row['accuracy_after'] <= 0.6)}. It took {min(row['steps'] for row in rows)} to "
        f"{max(row['steps'] for row in rows)} steps of 32 pictures."
    )
    yield (
        f"- **At what cost**: KID changed by {np.mean(changes):+.0%} on average, {min(changes):+.0%} to "
        f"{max(changes):+.0%}, where one standard error of a KID is "
        f"{np.mean([row['quality_error'] / row['quality_after'] for row in rows]):.0%} of it; at most 10 % worse: "
        f"{counted(rows, lambda row: worse(row) <= 0.1)}. Samples moved by {min(row['distance'] for row in rows):.1f} "
        f"to {max(row['distance'] for row in rows):.1f} grey levels (root mean square)."
    )
    recovered = "second_classifier_accuracy"
    yield (
        f"- **Recovered**: mean accuracy of the second classifiers {span(means[recovered])}; 99 % or more: "
        f"{counted(rows, lambda row: row[recovered] >= 0.99)}. On samples of the generator before its finetuning they "
        f"reach {np.mean([row['second_classifier_accuracy_on_unfinetuned'] for row in rows]):.3f}."
    )
    said = about["transfer"]
    others = [
        f"{kind.removeprefix('first, ')} {one['mean']:.0%} ({one['least']:.0%} to {one['most']:.0%})"
        for kind in RELATIONS[:4]
        if (one := said.get(kind))
    ]
    yield f"- **Who else is fooled**: of the finetuned samples first classifiers call fake: {'; '.join(others)}."
    if fooled := said.get("first, the one fooled"):
        yield (
            f"- **At another threshold**: the finetuning stops where scores pass 0.5. Ranked by the score of the very "
            f"classifier that was fooled, finetuned samples and photographs still part with a mean AUC of "
            f"{fooled['auc']:.2f}: who knows such samples and moves the threshold finds them."
        )
    unseen = [said[f"{role}, another generator"]["auc"] for role in ("first", "second")]
    yield (
        f"- **Generators neither has seen** ({', '.join(about['other_generators'])}): mean AUC of first classifiers "
        f"{unseen[0]:.2f}, of second ones {unseen[1]:.2f}."
    )


def markdown(about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What held, the table, and the matrix's means."""
    yield from (fill(line, 118, subsequent_indent="  ") for line in words(about, rows))
    yield ""
    yield fill(
        f"{about['cells']} runs, {len(about['missing'])} missing; {about['date']}. Accuracy at a score of 0.5, on "
        f"{about['n_test']['photographs']} photographs and {about['n_test']['samples']} samples together; called fake, "
        "of the samples alone; KID (face-parser features) to photographs no generator learned from, lower is better; "
        "distance in grey levels.",
        118,
    )
    yield ""
    yield (
        "| classifier | seed | steps | accuracy before | after | called fake before | after | KID before | after | "
        "distance | second classifier |"
    )
    yield "|" + "---|" * 11
    for row in rows:
        yield (
            f"| {row['classifier']} | {row['seed']} | {row['steps']} | {row['accuracy_before']:.3f} "
            f"| {row['accuracy_after']:.3f} | {row['called_fake_before']:.3f} | {row['called_fake_after']:.3f} "
            f"| {row['quality_before']:.4f} | {row['quality_after']:.4f} | {row['distance']:.1f} "
            f"| {row['second_classifier_accuracy']:.3f} |"
        )
    yield ""
    yield "Samples by who judges them; AUC against the test photographs, mean over pairs:"
    yield ""
    yield "| judge, and whose samples | pairs | called fake | least | most | AUC |"
    yield "|---|---|---|---|---|---|"
    for kind, found in about["transfer"].items():
        yield (
            f"| {kind} | {found['pairs']} | {found['mean']:.2f} | {found['least']:.2f} | {found['most']:.2f} "
            f"| {found['auc']:.2f} |"
        )
    yield ""
    yield "| another generator | first: called fake | AUC | second: called fake | AUC |"
    yield "|---|---|---|---|---|"
    for name, by_role in about["other_generators"].items():
        shown = " | ".join(f"{by_role[role]['mean']:.2f} | {by_role[role]['auc']:.2f}" for role in ("first", "second"))
        yield f"| {name} | {shown} |"
