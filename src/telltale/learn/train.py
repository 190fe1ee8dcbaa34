"""Training: `train(config, out)` yields one record per epoch and keeps weights, state and logs in a folder.

The folder holds `best.safetensors` (the detector of the best validation), `last.safetensors`, `state.safetensors` (to
resume), `run.json`, `epochs.csv` and `tensorboard/`.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from telltale import __version__
from telltale.data.samples import Sample
from telltale.errors import InvalidConfig
from telltale.learn import checkpoint
from telltale.learn.config import TrainConfig
from telltale.learn.distributed import ALONE, World, in_turn
from telltale.learn.journal import Journal, commit, write_run
from telltale.learn.run import Run, set_up
from telltale.learn.state import STATE_FILE, Row, State, read_state, restore_tensors, save_state
from telltale.learn.validation import Validation
from telltale.spec import DetectorSpec

BEST_FILE, LAST_FILE = "best.safetensors", "last.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch, as it ended.

    Attributes:
        epoch: counted from 1.
        step: steps done since the run began.
        loss: mean training cross-entropy per patch, in nats.
        validation: figures on the validation part.
        best: whether this is the best epoch so far.
        images_per_second: of its training steps, over all processes.
        seconds: of all of it, validation and files included.
    """

    epoch: int
    step: int
    loss: float
    validation: Validation
    best: bool
    images_per_second: float
    seconds: float

    def row(self) -> Row:
        """Flat, as `epochs.csv` has it."""
        judged = {f"validation_{name}": value for name, value in asdict(self.validation).items()}
        return {"epoch": self.epoch, "step": self.step, "loss": self.loss, **judged, "best": int(self.best)} | {
            "images_per_second": round(self.images_per_second, 2),
            "seconds": round(self.seconds, 2),
        }


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    world: World = ALONE,
    samples: Iterable[Sample] | None = None,
    command: str = "",
    on_read: Callable[[], None] | None = None,
    on_start: Callable[[Run], None] | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> Iterator[Epoch]:
    """Train a detector (paper, section 3: cross-entropy on every patch, Adam, the best validation kept).

    After every epoch the folder holds complete files. A run that was killed and is resumed ends with the weights of an
    uninterrupted one, bit for bit, on the same machine with the same number of threads.

    Args:
        config: the settings.
        out: folder for weights, state and logs; a new one unless `resume`.
        resume: go on from the state in `out`; from the start if there is none yet.
        world: this process among others.
        samples: what to train on; found by `scan(config.data)` where not given.
        command: how this was started, to be stored with the weights.
        on_read: called after each image that was read, before the first step.
        on_start: called once, with the data read and the model built.
        on_step: called after each step with the number of steps done and its loss.

    Yields:
        One record per epoch of this call.

    Raises:
        InvalidConfig: `out` holds a run and `resume` is False; or see `set_up`.
        InvalidDataset: see `load_dataset`.
        TrainingStopped: a loss that is not finite (the folder then holds the state before it), or a run that cannot be
            resumed because settings, data or numerics differ.
    """
    _check_folder(out, resume=resume)
    run = set_up(config, world=world, samples=samples, on_read=on_read)
    state = _starting_state(run, out, resume=resume)
    made_with = _made_with(run, command)
    if on_start is not None:
        on_start(run)
    in_turn(lambda: _begin(run, out, made_with), world)
    journal = Journal(out, state.history, state.step) if world.leads else None
    try:
        while not finished(state, config):
            epoch, losses = _one_epoch(run, state, on_step)
            state = _after(state, epoch, config)
            in_turn(lambda: _keep(run, out, state, made_with), world)  # noqa: B023 (called at once)
            if journal is not None:
                journal.add(epoch.row(), losses)
            yield epoch
    finally:
        if journal is not None:
            journal.close()


def finished(state: State, config: TrainConfig) -> bool:
    """Whether all epochs are done, or `patience` epochs went by without a better one."""
    return state.epoch >= config.epochs or state.epoch - state.best_epoch >= config.patience


def figure(validation: Validation, config: TrainConfig) -> float:
    """The number that chooses the best epoch; larger is better."""
    return -validation.loss if config.choose_by == "loss" else float(getattr(validation, config.choose_by))


def _one_epoch(run: Run, state: State, on_step: Callable[[int, float], None] | None) -> tuple[Epoch, list[float]]:
    begin = time.perf_counter()
    losses: list[float] = []
    for value in run.steps(state.step, run.config.steps_per_epoch):
        losses.append(value)
        if on_step is not None:
            on_step(state.step + len(losses), value)
    trained = time.perf_counter() - begin
    validation = run.validate()
    epoch = Epoch(
        epoch=state.epoch + 1,
        step=state.step + len(losses),
        loss=math.fsum(losses) / len(losses),
        validation=validation,
        best=state.best is None or figure(validation, run.config) > state.best,
        images_per_second=len(losses) * run.config.batch / trained,
        seconds=time.perf_counter() - begin,
    )
    return epoch, losses


def _after(state: State, epoch: Epoch, config: TrainConfig) -> State:
    news: dict[str, Any] = {"best": figure(epoch.validation, config), "best_epoch": epoch.epoch} if epoch.best else {}
    return replace(state, step=epoch.step, epoch=epoch.epoch, history=[*state.history, epoch.row()], **news)


def _keep(run: Run, out: Path, state: State, made_with: dict[str, Any]) -> None:
    """Weights first, state last: a kill in between repeats the epoch and writes the same weights again."""
    spec = _spec(run, state, made_with)
    checkpoint.save(out / LAST_FILE, run.model, spec)
    if state.best_epoch == state.epoch:
        checkpoint.save(out / BEST_FILE, run.model, spec)
    save_state(out, state, run.model, run.optimiser)


def _starting_state(run: Run, out: Path, *, resume: bool) -> State:
    """The stored state, its tensors put into the run, or a fresh one.

    Raises:
        TrainingStopped: the stored state belongs to another run.
    """
    fresh = State(
        config=run.config.to_dict(),
        fingerprint=run.dataset.fingerprint,
        world=run.world.size,
        threads=run.how.threads,
        bf16=run.how.bf16,
        channels_last=run.how.channels_last,
    )
    stored = read_state(out) if resume else None
    if stored is None:
        return fresh
    stored.check_same_run(fresh)
    restore_tensors(out, run.model, run.optimiser)
    return replace(stored, config=fresh.config)


def _check_folder(out: Path, *, resume: bool) -> None:
    if not resume and any((out / name).exists() for name in (STATE_FILE, BEST_FILE, LAST_FILE)):
        raise InvalidConfig(
            expected=f"a new folder, so that no weights are lost: {out}",
            found="a run in it",
            do="Add --resume to go on with it, or choose another folder.",
        )


def _begin(run: Run, out: Path, made_with: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    facts = {"images": run.dataset.counts(), "fingerprint": run.dataset.fingerprint, "processes": run.world.size}
    write_run(out, {**made_with, "data": facts})


def _made_with(run: Run, command: str) -> dict[str, Any]:
    return {
        "telltale": __version__,
        "commit": commit(),
        "command": command,
        "config": run.config.to_dict(),
        "machine": run.how.facts(),
    }


def _spec(run: Run, state: State, made_with: dict[str, Any]) -> DetectorSpec:
    return DetectorSpec(
        name=run.config.name,
        architecture=run.config.architecture,
        preparation=run.config.preparation,
        grid=run.model.grid,
        pooling=run.config.pooling,
        trained_on={
            "images": run.dataset.counts(),
            "fingerprint": run.dataset.fingerprint,
            "epoch": state.epoch,
            "step": state.step,
            "validation": state.history[-1],
        },
        made_with=made_with,
    )
