"""The state of a training as a file: readable like any other, and a disk that refuses it says so."""

from pathlib import Path

import pytest
from torch import nn

from telltale.generate.training_state import read_facts, save


def test_a_state_may_be_read_by_whom_the_umask_lets_and_a_folder_that_refuses_it_is_an_os_error(tmp_path: Path) -> None:
    save(tmp_path / "state", {"one": nn.Linear(2, 2)}, {}, {"step": 3})
    assert read_facts(tmp_path / "state") == {"step": 3}
    (tmp_path / "usual").touch()
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(OSError, match="usual"):
        save(tmp_path / "usual" / "state", {"one": nn.Linear(2, 2)}, {}, {})
