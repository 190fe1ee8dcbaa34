"""What each of several processes runs in `test_distributed`: train, validate, say what came out.

Arguments: folder with samples, folder for the run, weights to validate. Started by torchrun.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from training_samples import TINY, samples_in

from telltale.learn import checkpoint
from telltale.learn.distributed import gathered, joined, world_of
from telltale.learn.run import set_up
from telltale.learn.train import train


def main(data: Path, out: Path, weights: Path) -> None:
    samples = samples_in(data)
    with joined(world_of(os.environ), cuda=False) as world:
        run = set_up(TINY, samples=samples, world=world)
        run.model.load_state_dict(checkpoint.restore(weights)[0].state_dict())
        validation = run.validate()
        epochs = list(train(TINY, out, samples=samples, world=world))
        trained = set_up(TINY, samples=samples, world=world)
        losses = list(trained.steps(0, 3))
        digest = [parameter.detach().double().sum().item() for parameter in trained.model.parameters()]
        alike = all(other == digest for other in gathered(digest, world))
        if world.leads:
            said = {"validation": asdict(validation), "epochs": len(epochs), "alike": alike, "losses": losses}
            (out / "said.json").write_text(json.dumps(said))
    # Where the system does not say which threads there are, this check is left out.
    tasks = Path("/proc/self/task")
    left = [name for name in map(name_of, tasks.iterdir()) if "gloo" in name] if tasks.is_dir() else []
    if left:
        raise SystemExit(f"threads that outlive the process group, and may abort the process: {left}")


def name_of(thread: Path) -> str:
    """The name that a thread of this process gave itself."""
    return (thread / "comm").read_text().strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
