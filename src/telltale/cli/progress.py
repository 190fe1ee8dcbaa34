"""What a person sees of a command at work: one line for each thing, and a bar where a terminal shows it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Yields a function to call once for each thing done; draws nothing unless standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    # Results go to standard output: the bar may take it over only where both are the same terminal.
    console, both = Console(stderr=True), sys.stdout.isatty()
    shown = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*shown, console=console, transient=True, redirect_stdout=both) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Whoever stops the work with Ctrl-C reads that --resume goes on with it; the exit code stays 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(one_line(f"telltale: stopped; {out} keeps the scores: --resume goes on with them"), file=sys.stderr)
        raise


def one_line(text: str) -> str:
    """The text with line ends, terminal codes and bytes that are no text spelled out: file names may hold them all."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
