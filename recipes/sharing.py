"""Several processes of one command share its work: each takes the next cell that no other process is at.

No script: recipes that keep a file for every cell use it. Start the same command as often as there are cores.

A claim is the operating system's lock on a file of WORK/locks, so that it is free again when its process ends, however
it ends. The files are empty and stay; what is in the folder says nothing about who is at work.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout

Cell = TypeVar("Cell", bound=tuple[str | int, ...])


@contextmanager
def claimed(work: Path, name: str) -> Iterator[bool]:
    """Whether this process may work at `name`; False at once where another process is at it.

    What was to be done may be done by now: look inside the claim.
    """
    lock = _lock(work, name)
    with suppress(Timeout):
        lock.acquire(timeout=0)
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextmanager
def alone(work: Path, name: str) -> Iterator[None]:
    """Wait until no other process is at `name`, and say so where that takes waiting.

    What was to be done may be done by now: look inside. No process can be alone twice with the same `name`.
    """
    lock = _lock(work, name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process: {name}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def unclaimed(work: Path, recipe: str, cells: Iterable[Cell]) -> Iterator[Cell]:
    """Each cell of a recipe, claimed while the caller is at it; the caller looks whether it is there already.

    Cells that other processes are at come last, since their processes may have ended. The last process of all comes to
    the end, with every cell there; another exits here, with success, when all that is left is claimed.
    """
    left = list(cells)
    while left:
        others = []
        for cell in left:
            with claimed(work, "-".join(map(str, (recipe, *cell)))) as mine:
                if mine:
                    yield cell
                else:
                    others.append(cell)
        # A process that ends here held nothing while it looked: the one that looks last finds all claims free, so that
        # no cell is left to another that leaves it too.
        if len(others) == len(left):
            count = "1 cell is" if len(left) == 1 else f"{len(left)} cells are"
            print(f"{count} being computed by another process", flush=True)
            sys.exit(0)
        left = others


def _lock(work: Path, name: str) -> FileLock:
    folder = work / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    # Percent signs make any name a file's, and two names two files'.
    return FileLock(folder / f"{quote(name, safe='')}.lock")
