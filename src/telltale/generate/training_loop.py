"""The loop around a training's steps: states on the disk, records, going on where an earlier run stopped."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.training_state import read_facts, restore, save

STATE_FILE = "state.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What every training here is told.

    Attributes:
        steps: updates.
        batch: pictures per update.
        learning_rate: of Adam, at its highest.
        seed: of every random number.
        save_every: steps between two states on the disk, each of which yields a record.
    """

    steps: int
    batch: int
    learning_rate: float
    seed: int = 0
    save_every: int = 250

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: a count below 1 or a learning rate that is not positive.
        """
        if min(self.steps, self.batch, self.save_every) < 1 or not self.learning_rate > 0:
            raise InvalidConfig(
                expected="steps, batch and save_every of 1 or more, and a positive learning rate",
                found=str(asdict(self)),
                do="Correct the numbers.",
            )


def saved_steps(
    folder: Path,
    settings: Schedule,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Adam],
    update: Callable[[int], Float64[np.ndarray, " figures"]],
) -> Iterator[tuple[int, Float64[np.ndarray, " figures"], float]]:
    """Run the steps that are left; after each save: steps done, mean figures since the save before, seconds.

    Args:
        folder: of the state; made where it is missing.
        settings: how; those of an earlier run must be the same.
        networks, optimisers: what the state holds.
        update: one step, by its number; its figures, of which the loss is one.

    Raises:
        TrainingStopped: a state of other settings, a damaged one, or figures that are no longer finite; the last good
            state stays on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STATE_FILE
    done = _resumed(path, settings, networks, optimisers)
    begin, kept = time.perf_counter(), list[Float64[np.ndarray, " figures"]]()
    for step in range(done, settings.steps):
        kept.append(update(step))
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            means = np.mean(kept, axis=0)
            if not np.isfinite(means).all():
                raise TrainingStopped(
                    expected="finite losses",
                    found=f"{means.tolist()} at step {step + 1}",
                    do=f"Lower the learning rate; the last good state is {path}.",
                )
            save(path, networks, optimisers, {"settings": asdict(settings), "step": step + 1})
            yield step + 1, means, time.perf_counter() - begin
            kept.clear()


def _resumed(
    path: Path, settings: Schedule, networks: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Adam]
) -> int:
    """Steps done by an earlier run, whose state the networks and optimisers then have; 0 where there is none."""
    facts = read_facts(path)
    if facts is None:
        return 0
    if facts["settings"] != asdict(settings):
        raise TrainingStopped(
            expected=f"the settings the run began with: {facts['settings']}",
            found=str(asdict(settings)),
            do="Go on with the first settings, or begin in another folder.",
        )
    restore(path, networks, optimisers)
    return int(facts["step"])


def require_pictures(count: int, batch: int) -> None:
    """Refuse fewer pictures than a batch.

    Raises:
        InvalidConfig: that.
    """
    if count < batch:
        raise InvalidConfig(
            expected=f"at least {batch} pictures", found=str(count), do="Give more, or a smaller batch."
        )
