"""The state of a generator's training in one safetensors file: networks, Adam's moments, facts in its header.

Written under a temporary name and renamed, so that a kill leaves the old state or the new one. No random state is
stored: every random number is a function of (seed, step).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor, nn

from telltale.data.index import write_whole
from telltale.errors import TrainingStopped

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save(
    path: Path,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Adam],
    facts: Mapping[str, Any],
) -> None:
    """Write everything, all or nothing; `facts` must be JSON.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"network.{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{name}.{index}.{kind}": tensor for kind, tensor in moments.items()}
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # safetensors' own writer makes files that only their owner may read, and a full disk is no OSError there.
    about = {"facts": json.dumps(facts), "tensors": str(len(plain))}
    write_whole(path, serialised(plain, about), durable=True)


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a state; None where there is none.

    Raises:
        TrainingStopped: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stream:
            facts: dict[str, Any] = dict(json.loads(stream.metadata()["facts"]))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingStopped(
            expected=f"a training state in {path}", found=f"{type(error).__name__}: {error}", do="Begin a new run."
        ) from error
    return facts


def restore(path: Path, networks: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Adam]) -> None:
    """Put a state's tensors into networks and optimisers of the same structure.

    Raises:
        TrainingStopped: it belongs to other networks, or tensors are missing.
    """
    states: dict[str, dict[str, Tensor]] = {name: {} for name in networks}
    moments: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimisers}
    try:
        with safe_open(path, "pt") as stream:
            held = stream.keys()
            # Adam takes a state without moments, and would go on as if it had just begun.
            if (count := (stream.metadata() or {}).get("tensors", str(len(held)))) != str(len(held)):
                raise ValueError(f"{len(held)} tensors of {count}")
            for name in held:
                kind, owner, key = name.split(".", 2)
                if kind == "network":
                    states[owner][key] = stream.get_tensor(name)
                else:
                    index, moment = key.split(".")
                    moments[owner].setdefault(int(index), {})[moment] = stream.get_tensor(name)
        for name, network in networks.items():
            network.load_state_dict(states[name])
        for name, optimiser in optimisers.items():
            _check_moments(name, optimiser, moments[name])
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingStopped(
            expected=f"a training state of these networks in {path}", found=str(error), do="Begin a new run."
        ) from error
    for name, optimiser in optimisers.items():
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments[name], "param_groups": groups})


def _check_moments(name: str, optimiser: torch.optim.Adam, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Whole moments of parameters that there are: torch takes any and fails, or goes wrong, at the next step.

    Raises:
        ValueError: saying which.
    """
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    for index, found in moments.items():
        shapes = {kind: tuple(tensor.shape) for kind, tensor in found.items()}
        expected = {} if index >= len(parameters) else dict.fromkeys(_MOMENTS, tuple(parameters[index].shape))
        if shapes != expected | {"step": ()}:
            raise ValueError(f"Adam's moments of {name}, parameter {index}: {shapes}")
