"""Equation 4 of the paper: a generator learns on, beside its own loss, what a fixed patch classifier takes for real.

    loss = own loss + weight * cross-entropy of the classifier, per patch, with the label real

Which samples and which loss of its own is the caller's choice (`telltale.generate.finetuning_losses`). Normalisations
of the generator keep the statistics they have, so that step 0 is the generator as it was and a latent always means one
picture. What this is for, and what is not given away: docs/misuse.md.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.finetuning_checks import check_generator, check_same, records, refuse_collapse
from telltale.generate.finetuning_config import FinetuneConfig, Step, reached
from telltale.generate.finetuning_errors import ClassifierChanged, NotFinite
from telltale.generate.finetuning_judge import Judge, as_pixels
from telltale.generate.finetuning_losses import OwnLoss
from telltale.generate.gan_training import follow
from telltale.generate.training_state import read_facts, restore, save

STATE_FILE = "state.safetensors"
_PASS = 64
# Critic-only steps draw from a stream of their own.
_WARM_UP = 2**30

# Pictures to a distance from photographs and its standard error.
Quality: TypeAlias = Callable[[UInt8[np.ndarray, "n side side 3"]], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What stays the same over a finetuning."""

    generator: nn.Module
    # What is judged and kept: the generator itself, or the average of its weights.
    kept: nn.Module
    against: Sequence[Judge]
    own: OwnLoss
    settings: FinetuneConfig
    path: Path
    quality: Quality | None
    optimiser: torch.optim.Adam
    was: Float[Tensor, "checked 3 side side"]
    facts: dict[str, Any]
    begin: float

    def networks(self) -> dict[str, nn.Module]:
        averaged = {} if self.kept is self.generator else {"average": self.kept}
        return {"generator": self.generator, **averaged, **self.own.networks}

    def optimisers(self) -> dict[str, torch.optim.Adam]:
        return {"generator": self.optimiser, **self.own.optimisers}


def finetune(
    generator: nn.Module,
    against: Sequence[Judge],
    own: OwnLoss,
    settings: FinetuneConfig,
    out: Path,
    *,
    quality: Quality | None = None,
    same: Mapping[str, Any] | None = None,
) -> Iterator[Step]:
    """Finetune in place, saving the state to `out` at every check; goes on where an earlier run stopped.

    When it ends, `generator` holds the weights that the last check judged: averaged ones where the settings ask for it.

    Args:
        generator: inputs of `own` to images (n, 3, side, side) in [-1, 1], as it was before any finetuning; only
            parameters that require a gradient move.
        against: the fixed classifiers; with several, losses and scores are means.
        own: the generator's own loss.
        settings: how.
        out: folder of `state.safetensors`.
        quality: measured at every check where given.
        same: what else may not change when a run goes on, such as the photographs' hash; JSON values by name.

    Yields:
        A record per check, first of the untouched generator; the last one when the target is met or all steps done.
        Records of an earlier call are not repeated: `history(out)`.

    Raises:
        InvalidConfig: no classifier, or a wanted quality that nothing measures, or measured when the run began.
        NotDifferentiable: no gradient reaches the generator.
        WrongImages: another size or range than [-1, 1].
        NotFinite, Collapsed, ClassifierChanged: see `finetuning_errors`; the last good state stays on the disk.
        TrainingStopped: a state of other settings or networks, or a damaged one.
    """
    run = _set_up(generator, against, own, settings, out, quality)
    run.facts.update(same or {})
    out.mkdir(parents=True, exist_ok=True)
    past = _resumed(run)
    if not past:
        _warm_up(run)
        past = [_check(run, 0, np.full(3, np.nan))]
        _keep(run, past)
        yield past[0]
    while past[-1].step < settings.steps and not reached(settings, past[0], past[-1]):
        done = past[-1].step
        until = min(done + settings.check_every, settings.steps)
        losses = np.mean([_update(run, step) for step in range(done, until)], axis=0)
        now = _check(run, until, losses)
        refuse_collapse(settings, past[0], now, run.path)
        past.append(now)
        _keep(run, past)
        yield now
    if run.kept is not run.generator:
        generator.load_state_dict(run.kept.state_dict())


def history(out: Path) -> list[Step]:
    """Every record of the run in a folder; none where there is no run.

    Raises:
        TrainingStopped: its state is damaged.
    """
    facts = read_facts(out / STATE_FILE)
    return [] if facts is None else records(facts, out / STATE_FILE)


def seconds_per_step(generator: nn.Module, against: Sequence[Judge], own: OwnLoss, settings: FinetuneConfig) -> float:
    """What a step takes, measured on the second and third; the generator is then no longer as it was."""
    run = _set_up(generator, against, own, settings, Path(), None)
    _update(run, 0)
    begin = time.perf_counter()
    for step in (1, 2):
        _update(run, step)
    return (time.perf_counter() - begin) / 2


def fingerprint(module: nn.Module) -> str:
    """sha256 over names and values of everything a module holds."""
    held = sha256()
    for name, tensor in module.state_dict().items():
        held.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return held.hexdigest()


def _set_up(
    generator: nn.Module,
    against: Sequence[Judge],
    own: OwnLoss,
    settings: FinetuneConfig,
    out: Path,
    quality: Quality | None,
) -> _Run:
    if not against:
        raise InvalidConfig(expected="a classifier to finetune against", found="none", do="Name one.")
    if settings.quality_within is not None and quality is None:
        raise InvalidConfig(
            expected="a measure of quality, since quality_within asks for it", found="none", do="Give quality."
        )
    for judge in against:
        judge.classifier.eval().requires_grad_(False)
    check_generator(generator.eval(), against, own)
    moving = [parameter for parameter in generator.parameters() if parameter.requires_grad]
    return _Run(
        generator=generator,
        kept=deepcopy(generator).requires_grad_(False) if settings.average else generator,
        against=against,
        own=own,
        settings=settings,
        path=out / STATE_FILE,
        quality=quality,
        optimiser=torch.optim.Adam(moving, settings.learning_rate, (0.0, 0.99)),
        was=_samples(generator, own.checked),
        facts={
            "settings": settings.fixed(),
            "generator": fingerprint(generator),
            "against": [fingerprint(judge.classifier) for judge in against],
        },
        begin=time.perf_counter(),
    )


@torch.no_grad()
def _samples(generator: nn.Module, inputs: Tensor) -> Float[Tensor, "n 3 side side"]:
    return torch.cat([generator(part) for part in torch.split(inputs, _PASS)])


def _warm_up(run: _Run) -> None:
    if run.own.learn is None:
        return
    for step in range(_WARM_UP, _WARM_UP + run.settings.warm_up):
        with torch.no_grad():
            images = run.generator(run.own.inputs(step))
        loss = run.own.learn(images, step)
        if not np.isfinite(loss):
            raise NotFinite(
                expected="a finite loss of the critic",
                found=f"{loss} after {step - _WARM_UP + 1} of its steps alone, before the generator moved",
                do="Lower the critic's learning rate; nothing was written.",
            )


def _update(run: _Run, step: int) -> Float[np.ndarray, " 3"]:
    """One step of the generator, after one of what its own loss learns; own, classifier's and critic's loss."""
    images = run.generator(run.own.inputs(step))
    learned = run.own.learn(images.detach(), step) if run.own.learn is not None else 0.0
    own = run.own.loss(images, step)
    towards_real = torch.stack([judge.towards_real(images) for judge in run.against]).mean()
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(own + run.settings.weight * towards_real)
    losses = np.array([own.item(), towards_real.item(), learned])
    if not np.isfinite(losses).all():
        raise NotFinite(
            expected="finite losses",
            found=f"own {losses[0]:.3g}, classifier's {losses[1]:.3g}, critic's {losses[2]:.3g} at step {step + 1}",
            do=f"Lower the learning rate or the weight; the last good state is {run.path}.",
        )
    run.optimiser.step()
    if run.kept is not run.generator:
        follow(run.kept, run.generator, run.settings.average)
    return losses


def _check(run: _Run, step: int, losses: Float[np.ndarray, " 3"]) -> Step:
    """Judge the samples of the fixed latents."""
    images = _samples(run.kept, run.own.checked)
    if not bool(images.isfinite().all()):
        raise NotFinite(
            expected="finite images",
            found=f"NaN or infinity at step {step}",
            do=f"Lower the learning rate; the last good state is {run.path}.",
        )
    for judge, before in zip(run.against, run.facts["against"], strict=True):
        if fingerprint(judge.classifier) != before:
            raise ClassifierChanged(
                expected=f"{judge.name} as it was", found="other weights", do="Keep it out of every optimiser."
            )
    scores, patches = zip(*(judge.scores_and_patches(images) for judge in run.against), strict=True)
    pixels = as_pixels(images)
    value, error = (None, None) if run.quality is None else run.quality(pixels)
    own, towards_real, critic = (None if np.isnan(one) else float(one) for one in losses)
    return Step(
        step=step,
        own_loss=own,
        classifier_loss=towards_real,
        critic_loss=critic if run.own.learn is not None else None,
        fooled=float((np.mean(scores, axis=0) < 0.5).mean()),
        patches_fooled=float(np.mean(patches)),
        distance=float((images - run.was).square().mean((1, 2, 3)).sqrt().mean()) * 127.5,
        diversity=float(pixels.astype(np.float32).std(0).mean()),
        quality=value,
        quality_error=error,
        seconds=time.perf_counter() - run.begin,
    )


def _keep(run: _Run, past: Sequence[Step]) -> None:
    facts = {**run.facts, "history": [asdict(one) for one in past]}
    save(run.path, run.networks(), run.optimisers(), facts)


def _resumed(run: _Run) -> list[Step]:
    """The records of an earlier run, whose state the networks and optimisers then have; none where there is none."""
    facts = read_facts(run.path)
    if facts is None:
        return []
    check_same(run.facts, facts, run.path)
    past = records(facts, run.path)
    if run.settings.quality_within is not None and past[0].quality is None:
        raise InvalidConfig(
            expected="a quality at the start of the run, since quality_within asks for a share of it",
            found=f"none measured in {run.path}",
            do="Go on without quality_within, or begin in another folder with quality measured.",
        )
    restore(run.path, run.networks(), run.optimisers())
    # No check saves such numbers. A run that has nothing left to do would write them as its result.
    held = [tensor for network in run.networks().values() for tensor in network.state_dict().values()]
    if not all(bool(tensor.isfinite().all()) for tensor in held):
        raise TrainingStopped(
            expected=f"finite weights in {run.path}", found="NaN or infinity: a damaged file", do="Begin a new run."
        )
    return past
