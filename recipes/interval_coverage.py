"""How often do the 95 % intervals of an evaluation hold the truth? Simulated, since only there the truth is known.

    python recipes/interval_coverage.py          (about two minutes of one core)
    python recipes/interval_coverage.py --quick  (a few seconds; no result written)

Reals and fakes are drawn from two normal distributions one (or 2.5) deviations apart; their scores are the true
probability of a fake where both are equally many, so that the detector is calibrated. The truth is the figure of
200,000 images. Every test draws images anew and gives each figure the interval of plain percentiles and the
bias-corrected one, which `telltale evaluate` takes where it helps (`evaluation_table.BIASED`). For ECE it says instead
how often the value itself lay where right probabilities put it (`metrics.ece_if_calibrated`). Writes
results/interval_coverage.csv.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from result_files import write_table
from telltale.evaluate.metrics import bias_corrected, ece_if_calibrated
from telltale.evaluate.resampling import FIGURES, prepared

RESULT = Path(__file__).resolve().parent.parent / "results" / "interval_coverage.csv"
# Reals, fakes, how many standard deviations apart.
SETTINGS = ((50, 50, 1.0), (200, 200, 1.0), (200, 20, 1.0), (50, 50, 2.5), (200, 200, 2.5))
COLUMNS = (
    *("n_real", "n_fake", "apart", "figure", "truth", "tests"),
    *("plain_covers", "plain_too_high", "plain_too_low", "corrected_covers", "corrected_too_high", "corrected_too_low"),
)


def images(n_real: int, n_fake: int, apart: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """True probabilities of a fake: fakes first."""
    place = np.concatenate([draw.normal(apart / 2, 1, n_fake), draw.normal(-apart / 2, 1, n_real)])
    return np.asarray(1 / (1 + np.exp(-apart * place)))


def figures(is_fake: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    """Of the images themselves."""
    return {name: float(one[0]) for name, one in prepared(is_fake, scores).figures(np.ones((1, is_fake.size))).items()}


def covered(n_real: int, n_fake: int, apart: float, tests: int, rounds: int) -> Iterator[dict[str, object]]:
    """A row for each figure of one setting."""
    draw = np.random.default_rng([n_real, n_fake, int(10 * apart)])
    many = 200_000 // (n_real + n_fake)
    truth = figures(
        np.arange((n_real + n_fake) * many) < n_fake * many, images(n_real * many, n_fake * many, apart, draw)
    )
    is_fake = np.arange(n_real + n_fake) < n_fake
    # By figure: plain and corrected; covers, lies too high, lies too low.
    counts = {name: np.zeros((2, 3)) for name in FIGURES}
    for number in range(tests):
        scores = images(n_real, n_fake, apart, draw)
        own = figures(is_fake, scores)
        times = [draw.multinomial(n, np.full(n, 1 / n), size=rounds) for n in (n_fake, n_real)]
        drawn = prepared(is_fake, scores).figures(np.hstack(times).astype(np.float64))
        for name in FIGURES:
            if name == "ece":
                right = ece_if_calibrated(is_fake, scores, rounds=rounds, seed=number)
                ends, value = (
                    (np.quantile(drawn[name], [0.025, 0.975]), (right.low, right.high)),
                    (truth[name], own[name]),
                )
            else:
                found = bias_corrected(own[name], drawn[name])
                ends, value = (np.quantile(drawn[name], [0.025, 0.975]), (found.low, found.high)), (truth[name],) * 2
            for kind in (0, 1):
                low, high = ends[kind]
                counts[name][kind] += (low <= value[kind] <= high, low > value[kind], high < value[kind])
    for name, (plain, corrected) in counts.items():
        shares = [round(float(one) / tests, 3) for one in (*plain, *corrected)]
        yield dict(zip(COLUMNS, (n_real, n_fake, apart, name, round(truth[name], 4), tests, *shares), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few tests of one setting; no result written")
    quick: bool = parser.parse_args().quick
    begin = time.perf_counter()
    rows = [
        row
        for setting in (SETTINGS[:1] if quick else SETTINGS)
        for row in covered(*setting, tests=20 if quick else 600, rounds=100 if quick else 500)
    ]
    if quick:
        writer = csv.DictWriter(sys.stdout, fieldnames=COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    write_table(RESULT, rows, COLUMNS)
    print(f"written: {RESULT}, {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
