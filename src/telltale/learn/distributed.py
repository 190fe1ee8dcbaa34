"""Several processes that train one model: gradients averaged, validation shared out."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from telltale.errors import InvalidConfig

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class World:
    """This process among those that train together; alone unless said otherwise.

    Attributes:
        rank: this process, counted from 0; process 0 writes the files.
        size: number of processes.
        local_rank: this process among those of its machine.
        local_size: number of processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def check(self, batch: int) -> None:
        """Refuse a batch that does not part into equal shares, each half real and half fake.

        Raises:
            InvalidConfig: naming the batch.
        """
        if batch % (2 * self.size):
            raise InvalidConfig(
                expected=f"a batch that {2 * self.size} divides, for {self.size} processes",
                found=str(batch),
                do="Change --batch or the number of processes.",
            )


ALONE = World()


def world_of(environment: Mapping[str, str]) -> World:
    """What torchrun put into the environment; alone without it.

    Raises:
        InvalidConfig: a variable that is missing or not a number.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ALONE
    try:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        return World(*(int(environment[name]) for name in names))
    except (KeyError, ValueError) as error:
        raise InvalidConfig(
            expected="RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE as torchrun sets them",
            found=f"{type(error).__name__}: {error}",
            do="Start with: torchrun --nproc-per-node N -m telltale train ...",
        ) from error


@contextmanager
def joined(world: World, *, cuda: bool) -> Iterator[World]:
    """Meet the other processes, and part from them at the end; nothing to do for one alone."""
    if world.size == 1:
        yield world
        return
    # It keeps the group of the moment it is first imported in as a default argument, and an optimiser's first step
    # imports it. Were that group ours, its threads would outlive `destroy_process_group`, and one that lets go of a
    # tensor while the interpreter ends aborts the process after all its work is done.
    importlib.import_module("torch.distributed.nn")
    distributed.init_process_group("nccl" if cuda else "gloo", rank=world.rank, world_size=world.size)
    try:
        yield world
    finally:
        distributed.destroy_process_group()


def average_gradients(model: nn.Module, world: World) -> None:
    """Replace every gradient by its mean over the processes, in one message.

    Equal shares of a batch have equal weight, so the mean of the shares' gradients is the batch's gradient.
    """
    if world.size > 1:
        _average([parameter.grad for parameter in model.parameters() if parameter.grad is not None], world)


def average_statistics(model: nn.Module, world: World) -> None:
    """Replace batch normalisation's running statistics by their mean over the processes."""
    if world.size > 1:
        _average([buffer for buffer in model.buffers() if buffer.is_floating_point()], world)


def _average(tensors: list[Tensor], world: World) -> None:
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= world.size
    for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.detach().copy_(mean.view(tensor.shape))


def mean_of(value: float, world: World, device: torch.device) -> float:
    """The mean of a number over the processes, the same in each of them."""
    if world.size == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return float(total.item()) / world.size


def gathered(value: Made, world: World) -> list[Made]:
    """The values of all processes, in the order of their ranks."""
    if world.size == 1:
        return [value]
    found: list[Any] = [None] * world.size
    distributed.all_gather_object(found, value)
    return found


def in_turn(work: Callable[[], None], world: World) -> None:
    """Let process 0 do something while the others wait."""
    if world.leads:
        work()
    if world.size > 1:
        distributed.barrier()
