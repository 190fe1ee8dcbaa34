"""Do networks trained in bfloat16 differ from those trained in float32 by more than seeds differ?

A processor or GPU that multiplies bfloat16 trains in it, another one in float32 (`telltale.learn.precision`). Tables
whose cells come from several machines hold both; this says how many of each, and whether it matters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from telltale.errors import require

FORMATS = ("fp32", "bf16")


def number_format(machine: str | None) -> str:
    """What a cell was trained in: the last word of its machine. Older cells lack it; all came from fp32 machines."""
    last = (machine or "").rpartition(", ")[2]
    return last if last in FORMATS else "fp32"


@dataclass(frozen=True, slots=True)
class Gap:
    """bf16 minus fp32, networks and seeds apart.

    Attributes:
        value, low, high: the difference with its 95 % interval by Student's t.
        p: two-sided, of no difference.
        detectable: the difference that this many runs would have shown four times in five.
        networks, runs: how many networks had both formats; all runs.
    """

    value: float
    low: float
    high: float
    p: float
    detectable: float
    networks: int
    runs: int


def gap(values: Mapping[Any, Sequence[tuple[str, int, float]]]) -> Gap | None:
    """Compare formats by least squares with a level for each network and one for each seed.

    A seed decides the order of pictures for every network alike, so that a lucky one must not count for the format it
    happened to be trained in.

    Args:
        values: by network, (format, seed, figure) of every run.

    Returns:
        None where networks and seeds explain which run had which format, or nothing is left to judge by.
    """
    runs = [(key, *one) for key, each in values.items() for one in each]
    if not runs:
        return None
    keys, formats, seeds, figures = zip(*runs, strict=True)
    is_bf16 = np.array([name == "bf16" for name in formats], np.float64)
    levels = [np.array([one == key for one in keys], np.float64) for key in dict.fromkeys(keys)]
    levels += [np.array([one == seed for one in seeds], np.float64) for seed in sorted(set(seeds))]
    y = np.array(figures)
    base = np.stack(levels, axis=1)
    # What of format and figure networks and seeds leave open (Frisch and Waugh 1933).
    open_format, open_figure = ((one - base @ np.linalg.lstsq(base, one)[0]) for one in (is_bf16, y))
    free = y.size - int(np.linalg.matrix_rank(base)) - 1
    power = float(open_format @ open_format)
    if power < 1e-9 or free < 1:
        return None
    value = float(open_format @ open_figure) / power
    error = float(np.sqrt(((open_figure - value * open_format) ** 2).sum() / free / power))
    student = require("scipy.stats", "evaluate").t
    reach = float(student.ppf(0.975, free)) * error
    both = sum(len({name for name, *_ in each}) > 1 for each in values.values())
    return Gap(
        value=value,
        low=value - reach,
        high=value + reach,
        p=float(2 * student.sf(abs(value) / error, free)) if error else float(value == 0),
        detectable=reach + 0.84 * error,
        networks=both,
        runs=y.size,
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
            words.append(f" {name}: too few networks have runs in both, with a seed in common, to compare.")
            continue
        differ = found.low > 0 or found.high < 0
        words.append(
            f" {name}, {found.networks} networks with both ({found.runs} runs): bf16 minus fp32, seeds apart, "
            f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {found.p:.2g}: "
            + (
                "they differ by more than seeds do: compare networks that have as many runs of each."
                if differ and found.p < 0.05
                else f"no difference beyond that of seeds; one of {found.detectable:.3f} would probably have shown."
            )
        )
    return "".join(words)
