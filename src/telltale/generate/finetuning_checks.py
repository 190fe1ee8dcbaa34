"""What a finetuning refuses: generators that cannot learn, samples that become alike, states without records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from telltale.errors import TrainingStopped
from telltale.generate.finetuning_config import FinetuneConfig, Step
from telltale.generate.finetuning_errors import Collapsed, NotDifferentiable, NotFinite, WrongImages
from telltale.generate.finetuning_judge import Judge
from telltale.generate.finetuning_losses import OwnLoss

# Images are in [-1, 1]; a decoder without a squashing end goes a little beyond.
_LARGEST = 2.0
# Letters of a sha256.
_HASH = 64


def check_generator(generator: nn.Module, against: Sequence[Judge], own: OwnLoss) -> None:
    """Pictures of the right size and range, through which gradients reach the parameters.

    Raises:
        WrongImages: another size or range than [-1, 1].
        NotFinite: NaN or infinity in images, or in what a classifier says of them.
        NotDifferentiable: no gradient reaches the generator.
    """
    images = generator(own.inputs(0)[:2])
    if images.ndim != 4 or images.shape[1:] != (3, own.side, own.side) or not images.is_floating_point():
        raise WrongImages(
            expected=f"images (n, 3, {own.side}, {own.side}) in floating point, as large as the photographs",
            found=f"{tuple(images.shape)}, {images.dtype}",
            do="Adapt the generator, or give photographs of its size.",
        )
    largest = float(images.detach().abs().max())
    if not np.isfinite(largest):
        raise NotFinite(expected="finite images", found="NaN or infinity before any step", do="Check the weights.")
    if largest > _LARGEST:
        raise WrongImages(expected="images in [-1, 1]", found=f"values up to {largest:.3g}", do="Scale them first.")
    moving = [parameter for parameter in generator.parameters() if parameter.requires_grad]
    reach: tuple[Tensor | None, ...] = ()
    if moving and images.requires_grad:
        losses = [judge.towards_real(images) for judge in against]
        for judge, found in zip(against, losses, strict=True):
            if not bool(found.isfinite()):
                raise NotFinite(
                    expected=f"a finite loss of the classifier {judge.name}",
                    found=f"{found.item()} of finite images, before any step",
                    do="Check its weights, or train it again.",
                )
        loss = torch.stack(losses).mean()
        reach = torch.autograd.grad(loss, moving, allow_unused=True)
    if not any(one is not None and bool(one.any()) for one in reach):
        raise NotDifferentiable(
            expected="a generator whose parameters get a gradient from its images",
            found=f"{type(generator).__name__}: {len(moving)} trainable parameters, none reached",
            do="Use one in torch without rounding or detaching, its parameters trainable.",
        )


def refuse_collapse(settings: FinetuneConfig, began: Step, now: Step, path: Path) -> None:
    """Samples that have become much alike end the run; `path` is the last good state.

    Raises:
        Collapsed: less than the settings' share of the diversity at the start.
    """
    least = settings.least_diversity * began.diversity
    if now.diversity < least:
        raise Collapsed(
            expected=f"samples that differ by {least:.1f} grey levels or more, {settings.least_diversity:.0%} of "
            "the start",
            found=f"{now.diversity:.1f} at step {now.step}",
            do=f"Lower the weight or the learning rate; the last good state is {path}.",
        )


def check_same(asked: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    """Whether a run may go on from a state: what it was begun with, and what is asked for now.

    Raises:
        TrainingStopped: they differ, or the state does not say.
    """
    settings = found.get("settings")
    if not isinstance(settings, dict):
        raise TrainingStopped(
            expected=f"settings in {path}", found=f"{type(settings).__name__}: a damaged file", do="Begin a new run."
        )
    # A state from before a setting existed was made with what is now its default.
    was = {**found, **FinetuneConfig().fixed(), **settings}
    now = {**asked, **asked["settings"]}
    different = [_turned(name, was.get(name), value) for name, value in now.items() if was.get(name) != value]
    if changed := [one for one in different if one]:
        raise TrainingStopped(
            expected=f"the run that {path} is a state of",
            found=f"other {'; '.join(changed)}",
            do="Go on with what it began with, or begin in another folder.",
        )


def _turned(name: str, was: object, now: object) -> str:
    """What changed; hashes tell nobody more, and the settings are told one by one."""
    if name == "settings":
        return ""
    plain = all(isinstance(one, int | float | None) or len(str(one)) < _HASH for one in (now, was))
    return f"{name} {now}, which was {was}" if plain else name


def records(facts: Mapping[str, Any], path: Path) -> list[Step]:
    """A state's records, of which it always has one at least.

    Raises:
        TrainingStopped: none there, or damaged ones.
    """
    try:
        past = [Step(**one) for one in facts["history"]]
    except (KeyError, TypeError) as error:
        raise _no_records(path, f"{type(error).__name__}: {error}") from error
    if not past:
        raise _no_records(path, "none")
    return past


def _no_records(path: Path, found: str) -> TrainingStopped:
    return TrainingStopped(expected=f"records of checks in {path}", found=found, do="Begin a new run.")
