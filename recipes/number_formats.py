"""Do networks trained in bfloat16 differ from those trained in float32 by more than seeds differ?

A processor or GPU that multiplies bfloat16 trains in it, another one in float32 (`telltale.learn.precision`). Tables
whose cells come from several machines hold both; this says how many of each, and whether it matters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.errors import require

FORMATS = ("fp32", "bf16")


def number_format(machine: str | None) -> str:
    """What a cell was trained in: the last word of its machine. Older cells lack it; all came from fp32 machines."""
    last = (machine or "").rpartition(", ")[2]
    return last if last in FORMATS else "fp32"


@dataclass(frozen=True, slots=True)
class Gap:
    """bf16 minus fp32 within each network, averaged over networks.

    Attributes:
        value, low, high: the difference with its 95 % interval by Student's t.
        p: share of relabellings within networks that part the two at least as far.
        detectable: the difference that this many runs would have shown four times in five.
        networks, runs: how many had both formats.
    """

    value: float
    low: float
    high: float
    p: float
    detectable: float
    networks: int
    runs: int


def gap(values: Mapping[Any, Sequence[tuple[str, float]]], *, relabellings: int = 5000) -> Gap | None:
    """Compare formats within each network.

    Args:
        values: by network, (format, figure) of every run.
        relabellings: of the permutation test.

    Returns:
        None where no network has both formats, or no network two runs in one.
    """
    strata = []
    for runs in values.values():
        is_bf16 = np.array([name == "bf16" for name, _ in runs])
        if is_bf16.any() and not is_bf16.all():
            strata.append((is_bf16, np.array([figure for _, figure in runs])))
    free = sum(is_bf16.size - 2 for is_bf16, _ in strata)
    if free < 1:
        return None
    weights = np.array([is_bf16.sum() * (~is_bf16).sum() / is_bf16.size for is_bf16, _ in strata])

    def parted(labels: Sequence[NDArray[np.bool_]]) -> float:
        each = [y[one].mean() - y[~one].mean() for one, (_, y) in zip(labels, strata, strict=True)]
        return float(np.dot(weights, each) / weights.sum())

    value = parted([is_bf16 for is_bf16, _ in strata])
    within = sum(((y[one] - y[one].mean()) ** 2).sum() for is_bf16, y in strata for one in (is_bf16, ~is_bf16))
    error = float(np.sqrt(within / free / weights.sum()))
    random = np.random.default_rng(0)
    others = [parted([random.permutation(is_bf16) for is_bf16, _ in strata]) for _ in range(relabellings)]
    reach = float(require("scipy.stats", "evaluate").t.ppf(0.975, free)) * error
    return Gap(
        value=value,
        low=value - reach,
        high=value + reach,
        p=(1 + sum(abs(one) >= abs(value) - 1e-12 for one in others)) / (1 + relabellings),
        detectable=reach + 0.84 * error,
        networks=len(strata),
        runs=sum(is_bf16.size for is_bf16, _ in strata),
    )


def said(machines: Sequence[str | None], untrained: int, gaps: Mapping[str, Gap | None]) -> str:
    """How many runs of each format there are, and for each figure whether they differ.

    Args:
        machines: of every run that trained a network.
        untrained: runs that train none.
        gaps: by figure, as `gap` gives them.
    """
    counts = {name: sum(number_format(one) == name for one in machines) for name in FORMATS}
    words = [f"Number formats: {counts['fp32']} networks were trained in fp32, {counts['bf16']} in bf16"]
    words.append(f"; {untrained} runs train no network." if untrained else ".")
    for name, found in gaps.items():
        if found is None:
            words.append(f" {name}: too few networks have runs in both to compare.")
            continue
        differ = found.low > 0 or found.high < 0
        words.append(
            f" {name}, {found.networks} networks with both ({found.runs} runs): bf16 minus fp32 {found.value:+.4f} "
            f"[{found.low:+.4f}, {found.high:+.4f}], p {found.p:.2g}: "
            + (
                "they differ by more than seeds do: networks of unlike formats cannot be compared."
                if differ and found.p < 0.05
                else f"no difference beyond that of seeds; one of {found.detectable:.3f} would probably have shown."
            )
        )
    return "".join(words)
