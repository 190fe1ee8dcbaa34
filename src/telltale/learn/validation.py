"""How well a model does on the validation part, alone or shared out over processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch.nn.functional import softplus

from telltale.errors import TrainingStopped
from telltale.evaluate.metrics import auc, average_precision
from telltale.learn.batches import validation_batches
from telltale.learn.classifier import PatchClassifier
from telltale.learn.config import TrainConfig
from telltale.learn.dataset import Dataset
from telltale.learn.distributed import ALONE, World, gathered
from telltale.learn.precision import Execution
from telltale.pooling import pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Figures of one validation, all but the loss in [0, 1]; fakes are the positive class.

    Attributes:
        loss: cross-entropy per patch in nats, the mean of reals and of fakes.
        patch_accuracy: share of patches on the right side of 0, the mean of reals and of fakes.
        auc: of image scores.
        average_precision: of image scores.
        images: how many were scored.
    """

    loss: float
    patch_accuracy: float
    auc: float
    average_precision: float
    images: int


@dataclass(frozen=True, slots=True)
class _Judged:
    """One validation image: its number in the part, label, score, share of right patches, mean loss of its patches."""

    number: int
    is_fake: bool
    score: float
    accuracy: float
    loss: float


def validate(
    model: PatchClassifier, dataset: Dataset, config: TrainConfig, how: Execution, world: World = ALONE
) -> Validation:
    """Score every validation image once, over all processes together; every process gets the same figures.

    The model is left in evaluation mode.

    Raises:
        TrainingStopped: patch log-odds that are not finite.
    """
    model.eval()
    own = list(_judged(model, dataset, config, how, world))
    everyone = sorted((image for share in gathered(own, world) for image in share), key=lambda image: image.number)
    is_fake = np.array([image.is_fake for image in everyone])
    scores = np.array([image.score for image in everyone])
    if not np.isfinite([image.loss for image in everyone]).all():
        raise TrainingStopped(
            expected="finite patch log-odds in validation",
            found="NaN or infinity",
            do="The folder holds the last good state. Begin again with a lower --learning-rate.",
        )
    return Validation(
        loss=_balanced(np.array([image.loss for image in everyone]), is_fake),
        patch_accuracy=_balanced(np.array([image.accuracy for image in everyone]), is_fake),
        auc=auc(is_fake, scores),
        average_precision=average_precision(is_fake, scores),
        images=len(everyone),
    )


def _judged(
    model: PatchClassifier, dataset: Dataset, config: TrainConfig, how: Execution, world: World
) -> Iterator[_Judged]:
    batches = validation_batches(dataset, config, rank=world.rank, world=world.size, workers=how.threads)
    for numbers, batch in batches:
        with torch.inference_mode(), how.autocast():
            logits = model.from_pixels(torch.from_numpy(batch.pixels).to(how.device)).float().cpu()
        signs = 1 - 2 * torch.from_numpy(batch.is_fake).float()[:, None, None]
        losses = softplus(signs * logits).double().mean((1, 2)).tolist()
        patches = logits.numpy()
        for row, number in enumerate(numbers):
            is_fake = bool(batch.is_fake[row])
            yield _Judged(
                int(number), is_fake, pool(patches[row], config.pooling), _right(patches[row], is_fake), losses[row]
            )


def _right(patch_logits: Float32[np.ndarray, "rows columns"], is_fake: bool) -> float:
    """Share of patches that call the image what it is; a tie counts as real, as `vote` counts it."""
    return float(((patch_logits > 0) == is_fake).mean())


def _balanced(values: np.ndarray, is_fake: Bool[np.ndarray, " n"]) -> float:
    return float((values[is_fake].mean() + values[~is_fake].mean()) / 2)
