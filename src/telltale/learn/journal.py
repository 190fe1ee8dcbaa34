"""What a run writes besides weights: `run.json`, `epochs.csv`, TensorBoard's event file."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from telltale.learn.state import Row
from telltale.provenance import commit as commit

RUN_FILE, EPOCHS_FILE, EVENTS_FOLDER = "run.json", "epochs.csv", "tensorboard"


class Journal:
    """Figures of a run, as they come.

    Args:
        folder: of the run.
        history: rows of the epochs done before a resume.
        step: steps done; TensorBoard drops what an interrupted run wrote beyond.
    """

    def __init__(self, folder: Path, history: Sequence[Row], step: int) -> None:
        self._path = folder / EPOCHS_FILE
        self._rows = [dict(row) for row in history]
        _write_csv(self._path, self._rows)
        self._events = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=step + 1)

    def add(self, row: Row, losses: Sequence[float]) -> None:
        """The figures of one epoch and the training loss of each of its steps; on the disk before this returns."""
        self._rows.append(dict(row))
        _write_csv(self._path, self._rows)
        last = int(row["step"])
        for step, loss in enumerate(losses, start=last - len(losses) + 1):
            self._events.add_scalar("train/loss_of_step", loss, step)
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._events.add_scalar(f"epoch/{name}", value, last)
        self._events.flush()

    def close(self) -> None:
        """Close the event file."""
        self._events.close()


def write_run(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `run.json`, all or nothing."""
    temporary = folder / f".{RUN_FILE}"
    temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / RUN_FILE)


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        if rows:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    temporary.replace(path)
