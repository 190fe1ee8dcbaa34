"""What the experiments came to, one sentence each with its figures, for the README; read from results/ alone."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from textwrap import fill
from typing import Any

from telltale.explain.regions import holm

# Of p after Holm's correction.
LEVEL = 0.05


def findings(results: Path) -> str:
    """A line for every experiment whose results are there, the paper's question first."""
    lines = []
    for needed, written in WRITTEN.items():
        if (results / needed).exists():
            lines += [
                fill(f"- {line}", 118, subsequent_indent="  ", break_on_hyphens=False) for line in written(results)
            ]
    return "\n".join(lines)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _answer(about: dict[str, Any], topic: str, asked: str) -> dict[str, Any]:
    """One question's answer; it is an error if the table no longer asks it."""
    judged = [one for one in about["answers"] if one["fewest_runs"] > 1]
    corrected = {
        (one["topic"], one["asked"]): p for one, p in zip(judged, holm(row["p"] for row in judged), strict=True)
    }
    (found,) = [one for one in about["answers"] if (one["topic"], one["asked"]) == (topic, asked)]
    return {**found, "p_holm": corrected.get((topic, asked), 1.0)}


def _shown(found: list[float]) -> str:
    """A difference with its interval, and what that shows."""
    value, low, high = found
    shown = "better" if low > 0 else "worse" if high < 0 else "not shown"
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}], {shown}"


def _said(answer: dict[str, Any]) -> str:
    """The same of a mean, and whether it outlasts the correction for all that its page asks."""
    text = _shown(answer["difference"])
    return text if text.endswith("not shown") or answer["p_holm"] < LEVEL else f"{text} before Holm's correction"


def _guessing(answer: dict[str, Any]) -> str:
    """What a lead on the worst source is worth where neither side is above guessing there."""
    first, second = answer["minimum_levels"]
    return f", but neither is above guessing there ({first:.2f} and {second:.2f})" if max(first, second) <= 0.5 else ""


def formats(results: Path) -> Iterator[str]:
    """What the file gave away."""
    rows = _rows(results / "format_ablation.csv")
    pair = rows[0]["trained_on"]

    def value(model: str, state: str) -> float:
        return mean(
            float(row["auc"])
            for row in rows
            if (row["model"], row["tested_on"]) == (model, pair)
            and row["preparation_train"] == row["preparation_test"] == state
        )

    yield (
        "**Equal formats.** A patch classifier tells photographs from StyleGAN2 faces with an AUC of "
        f"{value('xception_block2', 'raw'):.2f} as the files came, and of {value('xception_block2', 'built'):.2f} when "
        f"both were prepared alike; a probe that sees no pixel, {value('metadata probe', 'raw'):.2f} and "
        f"{value('metadata probe', 'built'):.2f} ([docs/format-ablation.md](docs/format-ablation.md))."
    )


def transfer(results: Path) -> Iterator[str]:
    """Other seeds, other generators."""
    seeds, others = _json(results / "table_seeds.json"), _json(results / "table_generators.json")
    depths = "its 5 depths together against all of it"
    one, two = (
        _answer(about, topic, depths)
        for about, topic in (
            (seeds, "Xception cut short or whole, on other seeds"),
            (others, "Xception cut short or whole"),
        )
    )
    home, reals = (
        _answer(others, f"Xception cut short or whole, on {where}", depths)
        for where in ("the generator trained on", "other sources of reals")
    )
    small = _answer(seeds, "ResNet-18 cut short or whole, on other seeds", "its 3 depths together against all of it")
    yield (
        "**Does a small field transfer?** AUC of networks cut short less that of the whole one, mean over depths, 95 % "
        f"intervals. On other seeds of the generator learned: Xception {_said(one)}; ResNet-18 "
        f"{_said(small)}. On other generators: Xception {_said(two)}; on the worst of them "
        f"{_shown(two['minimum'])}{_guessing(two)}; on the one learned {_said(home)}; against other sources of "
        f"photographs {_said(reals)} ([docs/transfer.md](docs/transfer.md))."
    )


def controlled(results: Path) -> Iterator[str]:
    """Other generators of the same pictures, and photographs sent through the generator."""
    about = _json(results / "table_generators_controlled.json")

    def said(topic: str, asked: str) -> str:
        return _said(_answer(about, f"{topic}, on other families", asked))

    xception = said("Xception cut short or whole", "its 5 depths together against all of it")
    resnet = said("ResNet-18 cut short or whole", "its 3 depths together against all of it")
    both = said(
        "Both kinds of fakes or samples alone", "both kinds of fakes against samples, xception_block2 and resnet18"
    )
    yield (
        "**Where only the generator differs**, on other families of generators of the same photographs, all files "
        f"alike: cut short less whole, Xception {xception}; ResNet-18 {resnet}. Photographs sent through the generator "
        f"as half of the training fakes, the paper's second kind, less samples alone: {both} "
        "([docs/transfer.md](docs/transfer.md))."
    )


def corruption(results: Path) -> Iterator[str]:
    """What corruption costs whom."""
    about = _json(results / "robustness_surface.json")
    depths = "its 5 depths together against all of it"
    changed, left = (
        _answer(about, f"Xception cut short or whole, {what}", depths) for what in ("change of AUC", "AUC left")
    )
    missing = about["cells"] < about["cells_of_a_full_run"]
    networks = f"{about['cells']} of {about['cells_of_a_full_run']} networks so far" if missing else "three seeds"
    yield (
        f"**Corruption.** What it changes in AUC, Xception cut short less all of it: {_said(changed)}; the AUC that is "
        f"left: {_said(left)} ({networks}; "
        "[docs/transfer.md](docs/transfer.md))."
    )


def manipulations(results: Path) -> Iterator[str]:
    """One manipulation learned, the others met."""
    about = _json(results / "table_manipulation.json")
    whole = about["complete"].values()
    learned, unseen = (mean(one["auc"][name][0] for one in whole) for name in ("learned", "unseen"))
    fewest, most = (choose(one["seeds"] for one in whole) for choose in (min, max))
    seeds = f"{fewest} seeds" if fewest == most else f"{fewest} to {most} seeds"
    yield (
        f"**Manipulated faces.** Networks that learned one of {len(about['tested'])} manipulations tell it from "
        f"untouched faces with a mean AUC of {learned:.2f}, the others with {unseen:.2f} ({len(whole)} networks, "
        f"{seeds} each; [docs/manipulation.md](docs/manipulation.md))."
    )


def fooled(results: Path) -> Iterator[str]:
    """Equation 4."""
    means = _json(results / "equation4.json")
    ranked = means["transfer"]["first, the one fooled"]["auc"]
    strangers = means["transfer"]["first, other architecture"]["mean"]
    before, after, second = (
        means["all"][name][0] for name in ("accuracy_before", "accuracy_after", "second_classifier_accuracy")
    )
    runs = _rows(results / "equation4.csv")
    steps = [int(row["steps"]) for row in runs]
    changes = [float(row["quality_after"]) / float(row["quality_before"]) - 1 for row in runs]
    yield (
        f"**A generator that learns to fool the detector** took {min(steps)} to {max(steps)} steps: accuracy "
        f"{before:.2f} before, {after:.2f} after, the distance of its pictures to photographs {mean(changes):+.0%} "
        f"({min(changes):+.0%} to {max(changes):+.0%}). A second classifier that learned the new samples: "
        f"{second:.2f}. Of them first classifiers of another architecture call {strangers:.0%} fake, and the very one "
        f"that was fooled ranks them with an AUC of {ranked:.2f} ([docs/finetune.md](docs/finetune.md))."
    )


def race(results: Path) -> Iterator[str]:
    """Which defence remembers."""
    rows = _rows(results / "arms_race.csv")
    last = max(int(row["round"]) for row in rows)

    def value(defence: str, kind: str, rounds: range) -> float:
        return mean(
            float(row["called_fake"])
            for row in rows
            if (row["defence"], row["generator"]) == (defence, kind) and int(row["round"]) in rounds
        )

    defences = list(dict.fromkeys(row["defence"] for row in rows))
    later = range(1, last + 1)
    old, new = ([value(name, kind, later) for name in defences] for kind in ("before_learning", "current"))
    kept = {name: value(name, "earlier", range(last, last + 1)) for name in defences}
    said = ", ".join(f"{name} {share:.0%}" for name, share in sorted(kept.items(), key=lambda one: -one[1]))
    yield (
        f"**Round after round**, the defence of the round before calls {min(old):.0%} to {max(old):.0%} of the new "
        f"samples fake, by defence, and once it has learned them {min(new):.0%} to {max(new):.0%}. What it still calls "
        f"fake of earlier rounds' samples after {last} rounds: {said}."
    )


WRITTEN: dict[str, Callable[[Path], Iterator[str]]] = {
    "format_ablation.csv": formats,
    "table_seeds.json": transfer,
    "table_generators_controlled.json": controlled,
    "robustness_surface.json": corruption,
    "table_manipulation.json": manipulations,
    "equation4.json": fooled,
    "arms_race.csv": race,
}
