"""Networks that recipes train once: kept in the work folder, gone on with after a stop, never mistaken for others.

No script: the recipes train through it.
"""

import json
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from result_files import write_bytes
from sharing import alone
from telltale.data.sample import Sample
from telltale.learn.config import TrainConfig
from telltale.learn.train import train
from telltale.provenance import invocation


def trained_once(work: Path, out: Path, config: TrainConfig, samples: Iterable[Sample], pictures: str) -> Path:
    """The best weights of a training: made, gone on with, or those that are there.

    A network that is done is taken only for the pictures and settings it was trained with: a cell made with it would
    say so.

    Args:
        work: where processes keep their claims.
        out: the training's own folder.
        config: the settings.
        samples: what is learned.
        pictures: what tells these pictures from others, such as a data set's fingerprint.
    """
    done = out / "done"
    with alone(work, f"train {out.name}"):
        if not done.exists():
            for _ in train(config, out, resume=out.exists(), samples=samples, command=invocation()):
                pass
            write_bytes(done, pictures.encode())
        # Empty: from before the file said which pictures.
        if done.read_text() not in ("", pictures):
            sys.exit(f"{out} was trained on other pictures: delete it and run again")
        asked = json.loads(json.dumps(config.to_dict()))
        found = json.loads((out / "run.json").read_text(encoding="utf-8"))["config"]
        different = sorted(name for name in {*asked, *found} if asked.get(name) != found.get(name))
        if different:
            sys.exit(f"{out} was trained with another {', '.join(different)}: delete it and run again")
    return out / "best.safetensors"


def told_apart(samples: Iterable[Sample]) -> str:
    """A mark of pictures whose folders' names tell one making from another: of their sources, splits and file names."""
    names = (f"{one.source}/{one.split}/{one.path.parent.name}/{one.path.name}" for one in samples)
    return sha256("\n".join(names).encode()).hexdigest()
