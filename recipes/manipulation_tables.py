"""The tables of manipulations as people read them: transfer, differences, what each network learned, where heat lies.

No script: `manipulation_summary.py` writes its page with it.
"""

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import Any

import numpy as np

from comparisons import AREA, Estimate
from manipulation_cells import Experiment
from telltale.explain.regions import holm
from write_docs import spread

# Of a model over all that it learned, as `overall` gives it.
OVERALL = ("learned", "unseen", "minimum")
WIDE = 118

Estimates = dict[tuple[str, str], dict[str, Estimate]]
Cells = dict[tuple[str, str], list[dict[str, Any]]]


def models_of(found: Cells) -> list[str]:
    """In their order."""
    return list(dict.fromkeys(model for model, _ in found))


def seeds_of(found: Cells, model: str) -> int:
    """How many of a model, where all learned manipulations have the same."""
    return next(len(cells) for (name, _), cells in found.items() if name == model)


def markdown(
    asked: Experiment,
    about: dict[str, Any],
    auc: Estimates,
    of_whole: dict[str, Estimates],
    found: Cells,
    whole: Cells,
) -> Iterator[str]:
    """All tables but that of the face's parts: the transfer of all models, AUC by what was learned, localisation."""
    yield f"{about['cells']} runs, {len(about['missing'])} missing; commit {about['commit']}, {about['date']}."
    if len(makes := about["cells_by_data_fingerprint"]) > 1:
        yield ""
        counts = ", ".join(
            f"{count} cells on those of {asked.makes.get(mark, 'another')}" for mark, count in makes.items()
        )
        yield fill(f"The pictures were made by several kinds of processor, whose rounding differs: {counts}.", WIDE)
        yield ""
    yield fill(
        f"Mean over seeds [95 % bootstrap over seeds and {asked.drawn}, widened by Student's t since seeds are few; of "
        f"one seed over {asked.drawn} alone]; fake positive; chance is 0.5.",
        WIDE,
    )
    if whole:
        yield ""
        yield from transfer(of_whole, whole)
        if len({is_truncated(model) for model in models_of(whole)}) == 2:
            yield ""
            yield from differences(of_whole["auc"], whole)
    for kind in asked.learned:
        mine = {model: parts for (model, learned), parts in auc.items() if learned == kind}
        if mine:
            names = [*asked.kinds, "mean of unseen", "minimum"]
            yield ""
            yield f"AUC of networks that learned **{kind}**, by what they are tested on:"
            yield ""
            yield f"| model | seeds | {' | '.join(names)} |"
            yield "|---|---|" + "---|" * len(names)
            for model, parts in mine.items():
                yield f"| {model} | {len(found[model, kind])} | {' | '.join(str(parts[name]) for name in names)} |"
    cells = [one for several in whole.values() for one in several]
    if any("localisation" in one for one in cells):
        yield ""
        yield from localised(asked, cells)


def transfer(of_whole: dict[str, Estimates], whole: Cells) -> Iterator[str]:
    """One line a model: the manipulation it learned, those it did not, and the worst pair, over all that it learned."""
    yield fill(
        "Over all manipulations learned, of seeds that have learned every one. The minimum is that of the "
        "worst pair of learned and tested; each round of the bootstrap has a worst pair of its own, so that "
        "its interval lies low; AP rises where a picture is drawn twice, so that its intervals lie high: "
        "judge by AUC.",
        WIDE,
    )
    yield ""
    yield "| model | seeds | AUC, learned | AUC, unseen | AUC, minimum | AP, learned | AP, unseen | AP, minimum |"
    yield "|---|---|---|---|---|---|---|---|"
    for model in models_of(whole):
        cells = [str(one) for figure in ("auc", "ap_fake") for one in overall(of_whole[figure], model)]
        yield f"| {model} | {seeds_of(whole, model)} | {' | '.join(cells)} |"


def overall(estimates: Estimates, model: str) -> tuple[Estimate, Estimate, Estimate]:
    """Of one model over all that it learned: the mean where tested on that, the mean elsewhere, the worst pair."""
    mine = {kind: parts for (name, kind), parts in estimates.items() if name == model}

    def over(names: Sequence[str], how: Any) -> Estimate:
        each = [parts[name] for parts, name in zip(mine.values(), names, strict=True)]
        values, draws = [one.value for one in each], np.array([one.draws for one in each])
        # Each learned manipulation has seeds of its own; a minimum rests on those of one.
        resting = each if how is np.mean else [each[int(np.argmin(values))]]
        told = tuple((part / len(resting) ** 2, freedom) for one in resting for part, freedom in one.few)
        return Estimate(float(how(values)), np.asarray(how(draws, axis=0)), told, AREA)

    count = len(mine)
    return over(list(mine), np.mean), over(["mean of unseen"] * count, np.mean), over(["minimum"] * count, np.min)


def differences(estimates: Estimates, whole: Cells) -> Iterator[str]:
    """Each truncation against each whole-image baseline, on manipulations that neither learned."""
    short = [model for model in models_of(whole) if is_truncated(model)]
    others = [model for model in models_of(whole) if not is_truncated(model)]
    pairs = {
        (model, other): overall(estimates, model)[1] - overall(estimates, other)[1]
        for model in short
        for other in others
    }
    # One seed says nothing of how seeds differ.
    sure = [pair for pair in pairs if min(seeds_of(whole, model) for model in pair) > 1]
    corrected = dict(zip(sure, holm([pairs[pair].p for pair in sure]), strict=True))
    yield fill(
        "AUC on unseen manipulations, truncation minus whole-image baseline, paired; \u2020 marks what "
        f"remains after Holm's correction over these {len(sure)} (5 %). A difference that rests on one seed has no "
        "interval. Bold: of one family; the others differ in family as well as in depth.",
        WIDE,
    )
    yield ""
    yield f"| model | seeds | {' | '.join(f'against {one} ({seeds_of(whole, one)})' for one in others)} |"
    yield "|---|---|" + "---|" * len(others)
    for model in short:
        cells = []
        for other in others:
            pair = (model, other)
            mark = "\u2020" if corrected.get(pair, 1) < 0.05 else ""
            shown = pairs[pair].signed + mark if pair in corrected else f"{pairs[pair].value:+.3f}, not judged"
            cells.append(f"**{shown}**" if family(model) == family(other) else shown)
        yield f"| {model} | {seeds_of(whole, model)} | {' | '.join(cells)} |"


def family(model: str) -> str:
    """`xception` of `xception_block2`, `resnet50` of `resnet50, blur+jpeg 0.1`."""
    return model.split(",")[0].split("_")[0]


def is_truncated(model: str) -> bool:
    """Whether it has patches: `xception_block2`, and not `xception`."""
    return "_block" in model or "_layer" in model


def localised(asked: Experiment, cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Do heatmaps find the changed pixels? By model and tested manipulation, learned and unseen apart."""
    yield fill(
        "Pixel AUC of heatmaps against the truth masks, and its gain over what the same masks give on the "
        "untouched faces: mean \u00b1 95 % (Student's t over seeds, each seed the mean over what was "
        "learned). IoU of the pixels with P(fake) >= 0.5, and in brackets that of calling every pixel fake. "
        "Whole-image baselines have no patches.",
        WIDE,
    )
    yield ""
    yield "| model | tested on | pixel AUC, learned | gain | pixel AUC, unseen | gain | IoU, learned | IoU, unseen |"
    yield "|---|---|---|---|---|---|---|---|"
    for model in dict.fromkeys(one["model"] for one in cells if "localisation" in one):
        for kind in asked.kinds:
            areas, overlaps = [], []
            for is_learned in (True, False):
                by_seed: dict[int, list[dict[str, float]]] = {}
                for one in cells:
                    if one["model"] == model and (one["trained_on"] == kind) is is_learned:
                        by_seed.setdefault(one["seed"], []).append(one["localisation"][kind])
                runs = list(by_seed.values())
                gains = [float(np.mean([one["pixel_auc"] - one["untouched_auc"] for one in run])) for run in runs]
                area, overlap, chance = (
                    [float(np.mean([one[name] for one in run])) for run in runs]
                    for name in ("pixel_auc", "iou", "chance")
                )
                areas += [f"{np.mean(area):.2f}", over_seeds(gains)] if runs else ["-", "-"]
                overlaps += [f"{over_seeds(overlap)} ({np.mean(chance):.2f})"] if runs else ["-"]
            yield f"| {model} | {kind} | {' | '.join([*areas, *overlaps])} |"


def over_seeds(values: Sequence[float]) -> str:
    """The mean, and its interval where there is more than one."""
    return str(spread(list(values))) if len(values) > 1 else f"{values[0]:.2f}"
