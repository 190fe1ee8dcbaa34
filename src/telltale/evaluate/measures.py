"""Every figure of one detector on one set of images, as one record; fake is positive.

AUC and AP are counted in `metrics`, because intervals take thousands of them; what is counted here goes through
scikit-learn where it has the function.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from telltale.errors import InvalidDataset, require
from telltale.evaluate.metrics import (
    auc,
    average_precision,
    average_precision_real,
    both_classes,
    expected_calibration_error,
)

Labels = Bool[np.ndarray, "n"]
Scores = Float[np.ndarray, "n"]
Points = Float[np.ndarray, "points"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What one set of images says of a detector. All lie in [0, 1], log_loss excepted.

    Attributes:
        n_real, n_fake: images.
        ap_fake: average precision, fake positive; chance is the share of fakes.
        ap_real: the same with real positive, as the paper's released code counts; chance is the share of reals.
        auc: area under the ROC curve; chance is 0.5.
        accuracy: share of images on the right side of 0.5; depends on how many are fake.
        accuracy_real, accuracy_fake: the same of reals and of fakes alone.
        balanced_accuracy: mean of those two; chance is 0.5.
        tpr_at_1_fpr, tpr_at_5_fpr: highest share of fakes found at a threshold that calls at most 1 % (5 %) of these
            reals fake. Nothing is interpolated: below 100 (20) reals that is at no false alarm at all; see `resolves`.
        eer: equal error rate: mean of false alarms and misses at the threshold where the two differ least.
        ece: expected calibration error, 10 bins of equal width.
        brier: mean squared error of the probability; 0.25 for one that always says 0.5.
        log_loss: in nats; 0.693 for a probability that always says 0.5, 36 for each certain mistake.
    """

    n_real: int
    n_fake: int
    ap_fake: float
    ap_real: float
    auc: float
    accuracy: float
    accuracy_real: float
    accuracy_fake: float
    balanced_accuracy: float
    tpr_at_1_fpr: float
    tpr_at_5_fpr: float
    eer: float
    ece: float
    brier: float
    log_loss: float

    def resolves(self, fpr: float) -> bool:
        """Whether there are reals enough for this false-alarm rate: at least one of them may be wrong."""
        return resolves(self.n_real, fpr)


def measures(
    is_fake: Labels, scores: Scores, *, probabilities: Scores | None = None, equal_classes: bool = True
) -> Measures:
    """Every figure of one set of images.

    Args:
        is_fake: labels.
        scores: in [0, 1], higher means more likely fake; what ranks the images.
        probabilities: calibrated, in [0, 1]: for accuracies, ECE, Brier and log loss; the scores where None.
        equal_classes: let reals and fakes weigh the same in ECE, Brier and log loss, because telltale's probabilities
            are for equally many of both; with False every image weighs the same, as scikit-learn has it by default.

    Raises:
        InvalidDataset: one class only, or a number that is not in [0, 1].
        MissingExtra: without the `[evaluate]` extra.
    """
    said = scores if probabilities is None else probabilities
    both_classes(is_fake, "the images to measure")
    for values in (scores, said):
        _in_range(values)
    learn = require("sklearn.metrics", "evaluate")
    false, found = roc(is_fake, scores)
    right = (said >= 0.5) == is_fake
    weights = np.where(is_fake, 0.5 / is_fake.mean(), 0.5 / (~is_fake).mean()) if equal_classes else None
    return Measures(
        n_real=int((~is_fake).sum()),
        n_fake=int(is_fake.sum()),
        ap_fake=average_precision(is_fake, scores),
        ap_real=average_precision_real(is_fake, scores),
        auc=auc(is_fake, scores),
        accuracy=float(right.mean()),
        accuracy_real=float(right[~is_fake].mean()),
        accuracy_fake=float(right[is_fake].mean()),
        balanced_accuracy=float(learn.balanced_accuracy_score(is_fake, said >= 0.5)),
        tpr_at_1_fpr=tpr_at(false, found, 0.01),
        tpr_at_5_fpr=tpr_at(false, found, 0.05),
        eer=equal_error_rate(false, found),
        ece=expected_calibration_error(is_fake, said, weights=weights),
        brier=float(learn.brier_score_loss(is_fake, said, sample_weight=weights)),
        log_loss=float(learn.log_loss(is_fake, said, sample_weight=weights)),
    )


def resolves(n_real: int, fpr: float) -> bool:
    """Whether so many reals can show a false-alarm rate other than 0 that is not above `fpr`."""
    return n_real > 0 and 1 / n_real <= fpr


def roc(is_fake: Labels, scores: Scores) -> tuple[Points, Points]:
    """The ROC curve's points from (0, 0) to (1, 1): false-positive and true-positive rates of falling thresholds.

    Every threshold that the scores allow has its point; equal scores share one.
    """
    false, found, _ = require("sklearn.metrics", "evaluate").roc_curve(is_fake, scores, drop_intermediate=False)
    return false.astype(np.float64), found.astype(np.float64)


def tpr_at(false: Points, found: Points, fpr: float) -> float:
    """The highest true-positive rate of the ROC points whose false-positive rate is at most `fpr`."""
    return float(found[false <= fpr].max())


def equal_error_rate(false: Points, found: Points) -> float:
    """Mean of false alarms and misses at the ROC point where the two differ least; the lower mean of two such points.

    0.5 for scores that are all the same, where (0, 0) and (1, 1) are the only points.
    """
    gaps = np.abs(false - (1 - found))
    # Two equal gaps may differ in their last digits.
    return float(((false + 1 - found) / 2)[gaps <= gaps.min() + 1e-9].min())


def _in_range(values: Scores) -> None:
    # A NaN is not between the two either.
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        raise InvalidDataset(
            expected="scores in [0, 1]",
            found=f"{wrong[0]:g} and {wrong.size - 1} more such numbers among {values.size}",
            do="Give pooled scores or probabilities, not log-odds.",
        )
