"""What figures are called, and how numbers and rows are written, the same in every table and on the page."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isnan
from typing import Any

from telltale.evaluate.comparison import Difference
from telltale.evaluate.evaluation_table import ALL, MEAN, WORST, EvaluationRow
from telltale.evaluate.measures import resolves
from telltale.evaluate.metrics import Estimate

# Short title of each figure of `Measures`, in the order of the tables, and what it says.
TITLES: Mapping[str, tuple[str, str]] = {
    "auc": ("AUC", "how often a fake scores above a real; chance 0.5"),
    "ap_fake": ("AP", "average precision, fake positive; chance is the share of fakes"),
    "ap_real": ("AP (real positive)", "as the paper's released code counts; chance is the share of reals"),
    "balanced_accuracy": ("bal. acc.", "mean of the two accuracies; chance 0.5"),
    "accuracy": ("acc.", "share of images on the right side of 0.5; depends on how many are fake"),
    "accuracy_real": ("acc. real", "share of reals below 0.5"),
    "accuracy_fake": ("acc. fake", "share of fakes at 0.5 or above"),
    "tpr_at_1_fpr": ("TPR @ 1 % FPR", "fakes found where at most 1 % of these reals are called fake"),
    "tpr_at_5_fpr": ("TPR @ 5 % FPR", "fakes found where at most 5 % of these reals are called fake"),
    "eer": ("EER", "error where false alarms and misses are equal; less is better"),
    "ece": (
        "ECE",
        "gap between probability and share of fakes, 10 bins; less is better; beside it what right probabilities would "
        "show on as many images",
    ),
    "brier": ("Brier", "mean squared error of the probability; 0.25 says nothing, less is better"),
    "log_loss": ("log loss", "in nats; 0.693 says nothing, less is better"),
}
_LIMITS = {"tpr_at_1_fpr": 0.01, "tpr_at_5_fpr": 0.05}
FEW_GROUPS = "too few groups"
UNRESOLVED = "*"
RESOLUTION = (
    f"{UNRESOLVED} fewer reals than this rate can be seen with (100 for 1 %, 20 for 5 %): the share of fakes found "
    "without a single false alarm"
)
FLATTERED = (
    "It was calibrated on exactly these images, which flatters its probabilities and verdicts: only other images show "
    "what they are worth"
)
NAMES = {
    (ALL, "all"): "all images",
    (MEAN, "fake"): "mean over sources of fakes",
    (WORST, "fake"): "worst source of fakes",
    (MEAN, "real"): "mean over sources of reals",
    (WORST, "real"): "worst source of reals",
}


def of_both(kinds: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The sources that have reals as well as fakes, out of (source, label) of every row."""
    each = set(kinds)
    return frozenset(source for source, label in each if label == "real" and (source, "fake") in each)


def named(source: str, label: str, both: Collection[str] = ()) -> str:
    """A row's name as a person reads it; a source in `both`, as `of_both` gives them, is named with its label."""
    return NAMES.get((source, label)) or (f"{source}, {label}s" if source in both else source)


def is_unresolved(row: EvaluationRow, figure: str) -> bool:
    """Whether there are too few reals, here or in one of the sources, for the false-alarm rate of this figure."""
    return figure in _LIMITS and not resolves(row.fewest_real, _LIMITS[figure])


def ends(found: Estimate, places: str = ".2f") -> str:
    """As 0.79 to 0.83; in words where images of a few groups give no interval."""
    return FEW_GROUPS if isnan(found.low) else f"{found.low:{places}} to {found.high:{places}}"


def worst_sources(row: EvaluationRow, figures: Sequence[str], both: Collection[str] = ()) -> str:
    """Which source is the worst by these figures; each figure with its own where they differ. `both` as for `named`."""
    where = row.worst_source
    found = {figure: named(where[figure], row.label, both) for figure in figures if figure in where}
    if len(set(found.values())) < 2:
        return "".join(set(found.values()))
    return ", ".join(f"{TITLES[figure][0]}: {source}" for figure, source in found.items())


def with_interval(found: Estimate | None) -> str:
    """As 0.812 (0.79 to 0.83); empty for None."""
    return "" if found is None else f"{found.value:.3f} ({ends(found)})"


def plain(row: EvaluationRow, figure: str) -> str:
    """Three places, and a mark where the rate is not resolved."""
    found = row.figures.get(figure)
    return "" if found is None else f"{found.value:.3f}{UNRESOLVED if is_unresolved(row, figure) else ''}"


def calibrated(row: EvaluationRow) -> str:
    """What right probabilities would show as ECE, as 0.02 to 0.05 if calibrated; empty where that is not known."""
    found = row.ece_if_calibrated
    return "" if found is None else f"{found.low:.2f} to {found.high:.2f} if calibrated"


def percent(found: Estimate | None) -> str:
    """As 4.2 % (2 to 7); empty for None."""
    return "" if found is None else f"{100 * found.value:.1f} % ({percent_ends(found)})"


def percent_ends(found: Estimate, places: str = ".0f") -> str:
    """As 2 to 7; in words where images of a few groups give no interval."""
    return ends(Estimate(*(100 * one for one in (found.value, found.low, found.high))), places)


def p_value(found: Difference) -> str:
    """As 0.012, <0.001, or what its absence means."""
    if found.p is None:
        return FEW_GROUPS if isnan(found.difference.low) else "no variance"
    return "<0.001" if found.p < 0.001 else f"{found.p:.3f}"


def by_judge(rows: Sequence[EvaluationRow]) -> dict[str, list[EvaluationRow]]:
    """Rows under the title of their detector and pooling, in their order."""
    found: dict[str, list[EvaluationRow]] = {}
    for row in rows:
        found.setdefault(row.judge.title, []).append(row)
    return found


def flattered(values: Mapping[str, Any]) -> frozenset[str]:
    """The detectors that were calibrated on exactly the images of this evaluation, by `summary`'s values."""
    return frozenset(one["name"] for one in values["detectors"] if one["calibrated_on_these_images"])


def is_flattered(rows: Sequence[EvaluationRow], here: Collection[str]) -> bool:
    """Whether that touches these rows: those of another pooling are judged by scores that nobody calibrated."""
    return rows[0].judge.own and rows[0].judge.detector in here


def about(rows: Sequence[EvaluationRow], here: Collection[str] = ()) -> str:
    """A detector and what its figures are of; `here` names the detectors calibrated on these images."""
    judge = rows[0].judge
    judged = "its calibrated probability" if judge.judged_by == "probability" else "the score, which nobody calibrated"
    verdict = "the thresholds of its spec" if judge.verdict_by == "thresholds" else f"{judge.judged_by} 0.5"
    return (
        f"sha256 {judge.weights_sha256[:12]}, pooling {judge.pooling}. Accuracies, ECE, Brier and log loss are of "
        f"{judged}; verdicts by {verdict}." + (f" {FLATTERED}." if is_flattered(rows, here) else "")
    )
