"""Tables per source: what a detector is worth on each generator and on each camera.

A source of fakes is measured against the pooled reals, a source of reals against the pooled fakes. In a pool every
source weighs as many images as it has; the tables give the numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from telltale.evaluate.metrics import Estimate, auc, average_precision, bootstrap, share
from telltale.spec import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Images of one split with their labels, sources and calibrated probabilities; arrays of the same length n."""

    is_fake: Bool[np.ndarray, "n"]
    source: Shaped[np.ndarray, "n"]
    probability: Float[np.ndarray, "n"]

    def only(self, chosen: Bool[np.ndarray, "n"]) -> "Scored":
        """The images where `chosen` is True."""
        return Scored(is_fake=self.is_fake[chosen], source=self.source[chosen], probability=self.probability[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One source of a table.

    Attributes:
        source: the generator or camera dataset.
        is_fake: whether its images are fakes.
        n: its images.
        n_other: images of the other label it is measured against.
        ap, auc: fake positive, with intervals; the chance level of AP is the share of fakes.
        called_fake: share of its images called "likely generated".
        called_real: share of its images called "likely real".
        correct: share on the right side of probability 0.5: its accuracy, of reals or of fakes.
    """

    source: str
    is_fake: bool
    n: int
    n_other: int
    ap: Estimate
    auc: Estimate
    called_fake: Estimate
    called_real: Estimate
    correct: Estimate


def per_source(
    scored: Scored, thresholds: Thresholds, *, sources: Sequence[str] | None = None, seed: int = 0
) -> Iterator[SourceRow]:
    """A row for each source, reals first, in alphabetical order.

    Args:
        scored: images of every source.
        thresholds: probability to verdict.
        sources: rows for these only; the pools stay the same.
        seed: of the bootstrap.
    """
    for label in (False, True):
        for source in sorted(set(scored.source[scored.is_fake == label])):
            if sources is None or source in sources:
                yield _row(scored, str(source), label, thresholds, seed)


def _row(scored: Scored, source: str, label: bool, thresholds: Thresholds, seed: int) -> SourceRow:
    mine = (scored.source == source) & (scored.is_fake == label)
    against = scored.only(mine | (scored.is_fake != label))
    own = scored.probability[mine]
    return SourceRow(
        source=source,
        is_fake=label,
        n=int(mine.sum()),
        n_other=int((scored.is_fake != label).sum()),
        ap=bootstrap(average_precision, against.is_fake, against.probability, seed=seed, corrected=True),
        auc=bootstrap(auc, against.is_fake, against.probability, seed=seed),
        called_fake=share(own >= thresholds.fake_above),
        called_real=share((own <= thresholds.real_below) & (own < thresholds.fake_above)),
        correct=share((own >= 0.5) == label),
    )


def flat(row: SourceRow) -> dict[str, object]:
    """One record for a CSV file: accuracy_real or accuracy_fake is empty for a source of the other label."""
    correct = {"accuracy_fake" if row.is_fake else "accuracy_real": row.correct}
    columns: dict[str, object] = {
        "source": row.source,
        "label": "fake" if row.is_fake else "real",
        "n": row.n,
        "n_other": row.n_other,
    }
    for name in ("ap", "auc", "accuracy_real", "accuracy_fake", "called_fake", "called_real"):
        estimate: Estimate | None = correct.get(name) if name.startswith("accuracy") else getattr(row, name)
        columns[name] = None if estimate is None else round(estimate.value, 4)
        columns[f"{name}_low"] = None if estimate is None else round(estimate.low, 4)
        columns[f"{name}_high"] = None if estimate is None else round(estimate.high, 4)
    return columns
