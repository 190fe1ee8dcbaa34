"""A model, its data and one step of training: what a run is made of."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from telltale.data.samples import Sample, scan
from telltale.errors import TrainingStopped
from telltale.learn.batches import Batch, training_batches
from telltale.learn.classifier import PatchClassifier, build, loss
from telltale.learn.config import TrainConfig
from telltale.learn.dataset import Dataset, load_dataset
from telltale.learn.distributed import ALONE, World, average_gradients, average_statistics, mean_of
from telltale.learn.precision import Execution, execution, keep_freed_memory
from telltale.learn.validation import Validation, validate

# Beside the streams of `batches`: dropout, in the architectures that have it.
_DROPOUT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything a training step needs.

    Attributes:
        config: the settings.
        how: what they came to on this machine.
        world: this process among others.
        dataset: training and validation samples.
        model: the classifier, on its device.
        optimiser: Adam on its parameters.
    """

    config: TrainConfig
    how: Execution
    world: World
    dataset: Dataset
    model: PatchClassifier
    optimiser: torch.optim.Adam

    def step(self, batch: Batch, step: int) -> float:
        """One update of the weights; returns the loss of the whole batch.

        Raises:
            TrainingStopped: the loss is not finite; the weights are left as they were.
        """
        seeds = np.random.SeedSequence([self.config.seed, _DROPOUT, step, self.world.rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        pixels = torch.from_numpy(batch.pixels).to(self.how.device, non_blocking=True)
        is_fake = torch.from_numpy(batch.is_fake).to(self.how.device, non_blocking=True)
        with self.how.autocast():
            value: Tensor = loss(self.model.from_pixels(pixels), is_fake)
        torch.autograd.backward(value)
        mean = mean_of(value.item(), self.world, self.how.device)
        if not math.isfinite(mean):
            raise TrainingStopped(
                expected="a finite loss",
                found=f"{mean} in step {step + 1}",
                do="The folder holds the last good state. Begin again with a lower --learning-rate.",
            )
        average_gradients(self.model, self.world)
        if self.config.schedule != "constant":
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.rate(step)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return mean

    def batches(self, first: int, count: int) -> Generator[Batch, None, None]:
        """This process's shares of `count` batches, beginning with number `first`, made ahead by threads."""
        return training_batches(
            self.dataset,
            self.config,
            range(first, first + count),
            rank=self.world.rank,
            world=self.world.size,
            workers=self.how.threads,
        )

    def steps(self, first: int, count: int) -> Iterator[float]:
        """The losses of `count` steps, beginning with number `first`, counted from 0."""
        self.model.train()
        batches = self.batches(first, count)
        with closing(batches):
            for step, batch in enumerate(batches, start=first):
                yield self.step(batch, step)

    def validate(self) -> Validation:
        """Figures on the validation part.

        Raises:
            TrainingStopped: scores that are not finite.
        """
        average_statistics(self.model, self.world)
        return validate(self.model, self.dataset, self.config, self.how, self.world)


def set_up(
    config: TrainConfig,
    *,
    world: World = ALONE,
    samples: Iterable[Sample] | None = None,
    on_read: Callable[[], None] | None = None,
) -> Run:
    """Read and check the data, build the model; torch's number of threads is set for this process.

    Args:
        config: the settings.
        world: this process among others.
        samples: what to train on; found by `scan(config.data)` where not given.
        on_read: called after each image that was read.

    Raises:
        InvalidConfig: settings that this machine, the architecture or the number of processes does not allow.
        InvalidDataset: see `load_dataset`.
    """
    world.check(config.batch)
    how = execution(config, local_rank=world.local_rank, local_size=world.local_size)
    torch.set_num_threads(how.threads)
    if how.device.type == "cuda":
        torch.cuda.set_device(how.device)
    keep_freed_memory()
    torch.manual_seed(config.seed)
    model = build(config.architecture).to(how.device)
    model = model.to(memory_format=how.memory_format)  # type: ignore[call-overload]
    found = scan([Path(folder) for folder in config.data]) if samples is None else samples
    field = model.input_side or 1 if model.grid is None else model.grid.size
    dataset = load_dataset(
        config,
        found,
        least=1 if config.allow_small else field,
        workers=how.threads,
        budget=config.memory_mb * 10**6 // world.local_size,
        visit=on_read,
    )
    optimiser = torch.optim.Adam(
        model.parameters(), lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True
    )
    return Run(config=config, how=how, world=world, dataset=dataset, model=model, optimiser=optimiser)
