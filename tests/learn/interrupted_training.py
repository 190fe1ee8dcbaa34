"""Trains in a process of its own and says each step, so that a test can kill it at a known one.

Arguments: folder with samples, folder for the run.
"""

import sys
from pathlib import Path

from training_samples import TINY, samples_in

from telltale.learn.train import train


def say(step: int, _loss: float) -> None:
    print("step", step, flush=True)


if __name__ == "__main__":
    for _ in train(TINY, Path(sys.argv[2]), samples=samples_in(Path(sys.argv[1])), on_step=say):
        pass
