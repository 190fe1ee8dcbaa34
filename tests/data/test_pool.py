import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from operator import add, truediv
from pathlib import Path

import pytest

from telltale.data.pool import in_processes
from telltale.errors import InvalidConfig


def adder(number: int) -> "partial[int]":
    return partial(add, number)


def divider() -> "partial[float]":
    return partial(truediv, 1)


def without_tool() -> "partial[float]":
    raise ZeroDivisionError("no tool")


def dying() -> Callable[[int], None]:
    return os._exit


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers: int) -> None:
    assert sorted(in_processes(partial(adder, 100), range(70), workers)) == list(range(100, 170))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller(workers: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_processes(divider, [1, 1, 0, 1], workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_at_the_start_reaches_the_caller(workers: int) -> None:
    with pytest.raises(ZeroDivisionError, match="no tool"):
        list(in_processes(without_tool, range(9), workers))


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(InvalidConfig, match="one that died"):
        list(in_processes(dying, [3], 2))


WAITING = """
import time
from collections.abc import Callable
from functools import partial
from telltale.data.pool import in_processes

def start():
    return time.sleep

if __name__ == "__main__":
    print("ready", flush=True)
    list(in_processes(start, [60.0] * 40, 2))
"""


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def runs(pid: int) -> bool:
    """Whether a process is there and not merely waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the way Linux shows them")
def test_workers_go_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "waiting.py"
    script.write_text(WAITING)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        # Two workers, and the process that tracks what they share.
        until = time.monotonic() + 60
        while len(workers := children(parent.pid)) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        parent.kill()
    until = time.monotonic() + 20
    while any(map(runs, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(runs, workers))
