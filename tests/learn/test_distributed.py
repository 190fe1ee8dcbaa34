import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from training_samples import TINY, samples_in, write_samples

from telltale.errors import InvalidConfig
from telltale.learn import checkpoint
from telltale.learn.distributed import (
    ALONE,
    World,
    average_gradients,
    average_statistics,
    gathered,
    in_turn,
    joined,
    mean_of,
    world_of,
)
from telltale.learn.run import set_up
from telltale.learn.train import train

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def test_the_world_is_what_torchrun_says() -> None:
    assert world_of(TORCHRUN) == World(rank=3, size=4, local_rank=1, local_size=2)
    assert world_of({}) == ALONE
    assert ALONE.leads
    assert not world_of(TORCHRUN).leads


@pytest.mark.parametrize("missing", [{"LOCAL_RANK": "x"}, {"LOCAL_WORLD_SIZE": ""}])
def test_a_broken_environment_is_named(missing: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="torchrun"):
        world_of(TORCHRUN | missing)


@pytest.mark.parametrize(("batch", "size", "fits"), [(32, 1, True), (32, 2, True), (6, 2, False), (32, 3, False)])
def test_a_batch_parts_into_balanced_shares(batch: int, size: int, fits: bool) -> None:
    world = World(0, size, 0, size)
    if fits:
        world.check(batch)
    else:
        with pytest.raises(InvalidConfig, match=str(batch)):
            world.check(batch)


def test_one_process_alone_talks_to_nobody() -> None:
    model = torch.nn.BatchNorm2d(2)
    model(torch.randn(2, 2, 3, 3)).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(gradients) == 2
    before = [tensor.clone() for tensor in (*model.buffers(), *gradients)]
    done: list[int] = []
    with joined(ALONE, cuda=False) as world:
        average_gradients(model, world)
        average_statistics(model, world)
        in_turn(lambda: done.append(1), world)
        assert gathered("x", world) == ["x"]
        assert mean_of(0.25, world, torch.device("cpu")) == 0.25
    assert done == [1]
    after = (*model.buffers(), *gradients)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of samples, and weights trained on them by one process."""
    folder = tmp_path_factory.mktemp("shared")
    # An odd number of validation images does not part evenly.
    samples = write_samples(folder / "data")
    samples[-1].path.unlink()
    list(train(TINY, folder / "alone", samples=samples_in(folder / "data")))
    return folder / "data", folder / "alone"


def torchrun(script: str, *words: str) -> None:
    """Two processes on this machine that speak over the loopback interface only."""
    here = ["--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *here, str(Path(__file__).with_name(script)), *words],
        check=True,
        timeout=300,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
    )


@pytest.mark.slow
def test_two_processes_train_and_judge_as_one(both: tuple[Path, Path], tmp_path: Path) -> None:
    data, alone = both
    torchrun("shared_training.py", str(data), str(tmp_path), str(alone / "best.safetensors"))
    said = json.loads((tmp_path / "said.json").read_text())

    run = set_up(TINY, samples=samples_in(data))
    run.model.load_state_dict(checkpoint.restore(alone / "best.safetensors")[0].state_dict())
    expected = asdict(run.validate())
    assert said["validation"] == pytest.approx(expected, abs=1e-6)
    assert said["validation"]["images"] == len(run.dataset.part("validation")) == 15

    assert said["epochs"] == 3
    assert said["alike"]
    # Batch statistics of half batches differ, so losses agree roughly; the first batches are the same pictures.
    fresh = set_up(TINY, samples=samples_in(data))
    assert said["losses"] == pytest.approx(list(fresh.steps(0, 3)), rel=0.5)
    assert checkpoint.restore(tmp_path / "best.safetensors")[1].trained_on["step"] > 0
    assert json.loads((tmp_path / "run.json").read_text())["data"]["processes"] == 2
