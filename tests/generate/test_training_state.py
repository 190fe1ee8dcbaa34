"""The state of a training as a file: readable like any other, and a disk that refuses it says so."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from telltale.errors import TrainingStopped
from telltale.generate.training_state import read_facts, restore, save


def test_a_state_may_be_read_by_whom_the_umask_lets_and_a_folder_that_refuses_it_is_an_os_error(tmp_path: Path) -> None:
    save(tmp_path / "state", {"one": nn.Linear(2, 2)}, {}, {"step": 3})
    assert read_facts(tmp_path / "state") == {"step": 3}
    (tmp_path / "usual").touch()
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(OSError, match="usual"):
        save(tmp_path / "usual" / "state", {"one": nn.Linear(2, 2)}, {}, {})


def stepped() -> tuple[dict[str, nn.Module], dict[str, torch.optim.Adam]]:
    """A network after a step, and its Adam."""
    network = nn.Linear(2, 2)
    adam = torch.optim.Adam(network.parameters())
    torch.autograd.backward(network(torch.ones(1, 2)).sum())
    adam.step()
    return {"one": network}, {"one": adam}


def spoilt(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """The state with other tensors under the header it had."""
    with safe_open(path, "pt") as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a mapping)
        about = stream.metadata()
    change(tensors)
    save_file(tensors, path, about)


def test_a_state_gives_back_adams_moments(tmp_path: Path) -> None:
    networks, optimisers = stepped()
    save(tmp_path / "state", networks, optimisers, {})
    others, fresh = stepped()
    restore(tmp_path / "state", others, fresh)
    was, now = (one["one"].state_dict()["state"] for one in (optimisers, fresh))
    assert all(torch.equal(was[index][kind], now[index][kind]) for index in was for kind in was[index])


def without_adam(held: dict[str, torch.Tensor]) -> None:
    for name in [one for one in held if one.startswith("adam.")]:
        del held[name]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (without_adam, "2 tensors of 8"),
        (lambda held: held.update({"adam.one.0.step": torch.zeros(3)}), "Adam's moments of one, parameter 0"),
        (lambda held: held.update({"adam.one.7.step": held.pop("adam.one.1.step")}), "Adam's moments of one"),
    ],
)
def test_a_state_with_spoilt_moments_is_refused_and_not_gone_on_with(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], found: str
) -> None:
    networks, optimisers = stepped()
    save(tmp_path / "state", networks, optimisers, {})
    spoilt(tmp_path / "state", change)
    with pytest.raises(TrainingStopped, match=found):
        restore(tmp_path / "state", networks, optimisers)
