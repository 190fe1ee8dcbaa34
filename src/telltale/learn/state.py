"""Where a run stands, in one file, so that it can go on as if nothing had happened.

`state.safetensors` holds the weights, Adam's two moments and, as JSON in its header, everything else. It is written
under a temporary name and renamed, so that a kill at any moment leaves either the old state or the new one. No random
state is stored: every random number of a run is a function of (seed, step).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor, nn

from telltale.data.index import write_whole
from telltale.errors import TrainingStopped
from telltale.learn.config import FREE_ON_RESUME, TrainConfig

STATE_FILE = "state.safetensors"
_MODEL, _ADAM = "model.", "adam."

# The figures of one epoch, flat, as `epochs.csv` has them.
Row: TypeAlias = dict[str, int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything about a run but its tensors.

    Attributes:
        config: `TrainConfig.to_dict()`.
        fingerprint: of the data set.
        world: number of processes.
        threads: of torch, per process.
        bf16: whether it trains in bfloat16.
        channels_last: whether activations are in NHWC order.
        step: steps done.
        epoch: epochs done.
        best: the best validation figure so far, larger is better; None before the first epoch.
        best_epoch: when that was, counted from 1.
        history: one row per epoch, as in `epochs.csv`.
    """

    config: dict[str, Any]
    fingerprint: str
    world: int
    threads: int
    bf16: bool
    channels_last: bool
    step: int = 0
    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    history: list[Row] = field(default_factory=list)

    def check_same_run(self, other: "State") -> None:
        """Refuse to go on with other settings, data or numerics than the run began with.

        Raises:
            TrainingStopped: naming every field that differs.
        """
        # A run begun before a setting existed had what is now its default.
        mine, others = (TrainConfig.from_dict(config).to_dict() for config in (self.config, other.config))
        # A falling learning rate depends on where the end is.
        free = FREE_ON_RESUME - {"epochs"} if mine["schedule"] == "cosine" else FREE_ON_RESUME
        changed = [
            f"{name} was {mine[name]!r} and is {others[name]!r}"
            for name in sorted(set(mine) - free)
            if mine[name] != others[name]
        ]
        for name in ("fingerprint", "world", "threads", "bf16", "channels_last"):
            if getattr(self, name) != getattr(other, name):
                what = "the data's fingerprint" if name == "fingerprint" else name
                changed.append(f"{what} was {getattr(self, name)!r} and is {getattr(other, name)!r}")
        if changed:
            raise TrainingStopped(
                expected="the settings and data the run began with",
                found="; ".join(changed),
                do="Resume with the first settings, or begin a new run in another folder.",
            )


def save_state(folder: Path, state: State, model: nn.Module, optimiser: torch.optim.Adam) -> None:
    """Write `state.safetensors`, all or nothing.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    tensors = {_MODEL + name: tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"{_ADAM}{index}.{name}": tensor for name, tensor in moments.items()}
    fields = {name: getattr(state, name) for name in State.__dataclass_fields__}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # safetensors' own writer makes files that only their owner may read, and a full disk is no OSError there.
    write_whole(folder / STATE_FILE, serialised(plain, {"state": json.dumps(fields)}), durable=True)


def read_state(folder: Path) -> State | None:
    """The state a run left; None where there is none.

    Raises:
        TrainingStopped: the file is damaged.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stream:
            return State(**json.loads(stream.metadata()["state"]))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingStopped(
            expected=f"a training state in {path}", found=f"{type(error).__name__}: {error}", do="Begin a new run."
        ) from error


def restore_tensors(folder: Path, model: nn.Module, optimiser: torch.optim.Adam) -> None:
    """Put the stored weights and moments into a model and its optimiser, in the memory order of the weights.

    The order matters: kernels for another order may round differently, and a resumed run must equal an uninterrupted
    one bit for bit.
    """
    weights: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    parameters = list(model.parameters())
    with safe_open(folder / STATE_FILE, "pt") as stream:
        for name in stream.keys():  # noqa: SIM118 (not a mapping)
            tensor = stream.get_tensor(name)
            if name.startswith(_MODEL):
                weights[name.removeprefix(_MODEL)] = tensor
            else:
                index, kind = name.removeprefix(_ADAM).split(".")
                like = parameters[int(index)]
                fitting = tensor if tensor.shape != like.shape else torch.empty_like(like.detach()).copy_(tensor)
                moments.setdefault(int(index), {})[kind] = fitting
    model.load_state_dict(weights)
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
