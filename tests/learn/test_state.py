"""A training's state as a file: it comes back as it was, is readable like any other, and leaves nothing half done."""

from pathlib import Path

import pytest
import torch
from torch import nn

from telltale.learn.state import STATE_FILE, State, read_state, save_state

STATE = State(config={"seed": 1}, fingerprint="f", world=1, threads=1, bf16=False, channels_last=True, step=7, best=0.5)


def test_a_state_comes_back_and_is_as_readable_as_any_other_file(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    save_state(tmp_path, STATE, model, torch.optim.Adam(model.parameters()))
    assert read_state(tmp_path) == STATE
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    (tmp_path / "usual").touch()
    assert (tmp_path / STATE_FILE).stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_state_that_cannot_be_written_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    (tmp_path / STATE_FILE).mkdir()
    with pytest.raises(OSError, match=STATE_FILE):
        save_state(tmp_path, STATE, model, torch.optim.Adam(model.parameters()))
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
