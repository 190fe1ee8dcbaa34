"""Work in other processes that goes away with the process that started it."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, NoReturn, TypeVar

from telltale.data.memory import keep_freed_memory
from telltale.errors import InvalidConfig

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks that travel to a process together: fewer trips, and still many turns for every worker.
CHUNK = 4
# The function of a worker process, set once when it starts.
_work: list[Callable[[Any], Any]] = []


def in_processes(
    start: Callable[[], Callable[[Task], Result]], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Do tasks in `workers` processes and yield what they return, in any order; in this process where it is one.

    Args:
        start: makes the function that does a task; called once in each process. Must be picklable.
        tasks: read as they are needed.
        workers: processes.

    Raises:
        InvalidConfig: a process died, as one does that runs out of memory.
        Exception: what `start` or a task raised.
    """
    if workers == 1:
        yield from map(start(), tasks)
        return
    # Fresh processes instead of copies of this one: a copy of a process with threads may hang.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(start,))
    try:
        yield from _as_done(pool, _chunks(iter(tasks)), ahead=4 * workers)
    except BrokenProcessPool as error:
        raise InvalidConfig(
            expected=f"{workers} worker processes that stay alive",
            found="one that died",
            do="Use fewer --workers if memory is short; the same command goes on where it stopped.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _as_done(pool: ProcessPoolExecutor, chunks: Iterator[list[Any]], ahead: int) -> Iterator[Any]:
    """Keep `ahead` chunks under way, and hand on each as soon as it is done: what a kill loses is little."""
    under_way = {pool.submit(_do, chunk) for chunk in islice(chunks, ahead)}
    while under_way:
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        under_way |= {pool.submit(_do, chunk) for chunk in islice(chunks, len(done))}
        for future in done:
            yield from future.result()


def _chunks(tasks: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(tasks, CHUNK)):
        yield chunk


def _begin(start: Callable[[], Callable[[Any], Any]]) -> None:
    """Ctrl-C is for the first process to handle; when that one is gone, this one goes too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    try:
        _work.append(start())
    # An error in an initialiser would count as a process that died, and its reason would be lost.
    except Exception as error:
        _work.append(partial(_fail, error))


def _fail(error: Exception, _task: object) -> NoReturn:
    raise error


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(chunk: list[Task]) -> list[Any]:
    return [_work[0](task) for task in chunk]
