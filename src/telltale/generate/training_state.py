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
    write_whole(path, serialised(plain, {"facts": json.dumps(facts)}), durable=True)


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
        TrainingStopped: it belongs to other networks.
    """
    states: dict[str, dict[str, Tensor]] = {name: {} for name in networks}
    moments: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimisers}
    try:
        with safe_open(path, "pt") as stream:
            for name in stream.keys():  # noqa: SIM118 (not a mapping)
                kind, owner, key = name.split(".", 2)
                if kind == "network":
                    states[owner][key] = stream.get_tensor(name)
                else:
                    index, moment = key.split(".")
                    moments[owner].setdefault(int(index), {})[moment] = stream.get_tensor(name)
        for name, network in networks.items():
            network.load_state_dict(states[name])
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingStopped(
            expected=f"a training state of these networks in {path}", found=str(error), do="Begin a new run."
        ) from error
    for name, optimiser in optimisers.items():
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments[name], "param_groups": groups})
