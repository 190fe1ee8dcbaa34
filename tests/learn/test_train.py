import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_samples import TINY, samples_in, tiny, write_samples

from telltale import __version__
from telltale.data.samples import Sample
from telltale.errors import InvalidConfig, TrainingStopped
from telltale.evaluate.metrics import auc
from telltale.learn import checkpoint
from telltale.learn.batches import Batch, training_batches
from telltale.learn.distributed import World
from telltale.learn.run import Run, set_up
from telltale.learn.state import read_state
from telltale.learn.train import Epoch, train
from telltale.learn.validation import validate

WEIGHTS = ("best.safetensors", "last.safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_samples(folder)
    return folder


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    return samples_in(data)


@pytest.fixture(scope="module")
def whole(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Epoch]]:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return out, list(train(TINY, out, samples=samples, command="telltale train ..."))


def same_weights(one: Path, other: Path) -> bool:
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns(samples: list[Sample], tmp_path: Path) -> None:
    epochs = list(train(tiny(epochs=4, steps_per_epoch=10), tmp_path / "run", samples=samples))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert max(epoch.validation.auc for epoch in epochs) > 0.95


def test_a_run_says_what_it_did(whole: tuple[Path, list[Epoch]]) -> None:
    out, epochs = whole
    assert [(epoch.epoch, epoch.step) for epoch in epochs] == [(1, 6), (2, 12), (3, 18)]
    assert all(epoch.images_per_second > 0 and epoch.validation.images == 16 for epoch in epochs)
    with (out / "epochs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in epochs]
    assert [float(row["validation_auc"]) for row in rows] == [epoch.validation.auc for epoch in epochs]
    facts = json.loads((out / "run.json").read_text())
    assert facts["config"] == TINY.to_dict()
    assert (facts["telltale"], facts["command"]) == (__version__, "telltale train ...")
    assert facts["machine"]["threads"] == 1
    assert facts["data"]["images"]["train"] == {"real": {"one": 6, "two": 6}, "fake": {"one": 6, "two": 6}}
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))
    assert {path.name for path in out.iterdir()} == {
        *WEIGHTS,
        "state.safetensors",
        "run.json",
        "epochs.csv",
        "tensorboard",
    }


def test_weights_carry_their_spec(whole: tuple[Path, list[Epoch]]) -> None:
    model, spec = checkpoint.restore(whole[0] / "best.safetensors")
    assert (spec.architecture, spec.grid, spec.preparation) == ("xception_block1", model.grid, TINY.preparation)
    assert spec.calibration is None
    assert spec.made_with["config"] == TINY.to_dict()
    assert spec.trained_on["fingerprint"] == json.loads((whole[0] / "run.json").read_text())["data"]["fingerprint"]


def test_best_is_the_epoch_it_says(whole: tuple[Path, list[Epoch]], samples: list[Sample]) -> None:
    best = next(epoch for epoch in reversed(whole[1]) if epoch.best)
    model, spec = checkpoint.restore(whole[0] / "best.safetensors")
    run = set_up(TINY, samples=samples)
    run.model.load_state_dict(model.state_dict())
    again = validate(run.model, run.dataset, TINY, run.how)
    assert spec.trained_on["epoch"] == best.epoch
    assert again.auc == best.validation.auc
    assert again.loss == pytest.approx(best.validation.loss, rel=1e-6)
    assert best.validation.patch_accuracy == max(epoch.validation.patch_accuracy for epoch in whole[1])


def test_validation_is_what_the_stored_detector_says(
    whole: tuple[Path, list[Epoch]], samples: list[Sample], tmp_path: Path
) -> None:
    """Serving the file scores whole pictures as validation did: one decode, prepare, pool for both."""
    detector = checkpoint.load(whole[0] / "last.safetensors")
    run = set_up(tiny(view="whole"), samples=samples)
    run.model.load_state_dict(checkpoint.restore(whole[0] / "last.safetensors")[0].state_dict())
    found = validate(run.model, run.dataset, tiny(view="whole"), run.how)
    chosen = [sample for sample in samples if sample.split == "validation"]
    scores = np.array([detector(sample.pixels().copy()).score for sample in chosen])
    assert found.auc == auc(np.array([bool(sample.is_fake) for sample in chosen]), scores)


def test_the_same_settings_give_the_same_weights(
    whole: tuple[Path, list[Epoch]], samples: list[Sample], tmp_path: Path
) -> None:
    list(train(TINY, tmp_path / "again", samples=samples))
    assert all(same_weights(tmp_path / "again" / name, whole[0] / name) for name in WEIGHTS)
    list(train(tiny(seed=1), tmp_path / "other", samples=samples))
    assert not same_weights(tmp_path / "other" / "last.safetensors", whole[0] / "last.safetensors")


@pytest.mark.parametrize("step", [8, pytest.param(3, marks=pytest.mark.slow), pytest.param(17, marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_same_weights(
    whole: tuple[Path, list[Epoch]], data: Path, samples: list[Sample], tmp_path: Path, step: int
) -> None:
    """SIGKILL in the first epoch (nothing stored yet), in the second, in the last."""
    out = tmp_path / "killed"
    kill_at(step, data, out)
    if step > 6:
        assert not same_weights(out / "last.safetensors", whole[0] / "last.safetensors")
    epochs = list(train(TINY, out, samples=samples, resume=True))
    assert [epoch.epoch for epoch in epochs] == list(range(1 + (step - 1) // 6, 4))
    assert all(same_weights(out / name, whole[0] / name) for name in WEIGHTS)
    with (out / "epochs.csv").open() as stream:
        assert [int(row["epoch"]) for row in csv.DictReader(stream)] == [1, 2, 3]


def kill_at(step: int, data: Path, out: Path) -> None:
    words = [sys.executable, str(Path(__file__).with_name("interrupted_training.py")), str(data), str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split() == ["step", str(step)]:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["checkpoint.save", "save_state", "Journal.add"])
def test_an_end_between_two_files_resumes_to_the_same_weights(
    whole: tuple[Path, list[Epoch]],
    samples: list[Sample],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    out = tmp_path / "run"
    run = train(TINY, out, samples=samples)
    next(run)
    with monkeypatch.context() as patched:
        patched.setattr(f"telltale.learn.train.{moment}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(run)
    list(train(TINY, out, samples=samples, resume=True))
    assert all(same_weights(out / name, whole[0] / name) for name in WEIGHTS)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_finished_run_has_nothing_to_resume(samples: list[Sample], tmp_path: Path) -> None:
    list(train(tiny(epochs=1), tmp_path / "run", samples=samples))
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    assert list(train(tiny(epochs=1), tmp_path / "run", samples=samples, resume=True)) == []
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_a_run_can_be_made_longer(whole: tuple[Path, list[Epoch]], samples: list[Sample], tmp_path: Path) -> None:
    list(train(tiny(epochs=1), tmp_path / "run", samples=samples))
    list(train(TINY, tmp_path / "run", samples=samples, resume=True))
    assert all(same_weights(tmp_path / "run" / name, whole[0] / name) for name in WEIGHTS)


def test_other_settings_or_data_are_not_resumed(samples: list[Sample], tmp_path: Path) -> None:
    out = tmp_path / "run"
    list(train(tiny(epochs=1), out, samples=samples))
    with pytest.raises(TrainingStopped, match=r"jpeg was 0\.0 and is 0\.5; seed was 0 and is 1"):
        next(train(tiny(seed=1, jpeg=0.5), out, samples=samples, resume=True))
    with pytest.raises(TrainingStopped, match="fingerprint was"):
        next(train(TINY, out, samples=samples[1:], resume=True))


def test_a_damaged_state_is_named(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"no state")
    with pytest.raises(TrainingStopped, match=r"state\.safetensors"):
        next(train(TINY, tmp_path, samples=samples, resume=True))


def test_a_run_is_never_overwritten(whole: tuple[Path, list[Epoch]], samples: list[Sample]) -> None:
    with pytest.raises(InvalidConfig, match="--resume"):
        next(train(TINY, whole[0], samples=samples))


def test_patience_ends_a_run(samples: list[Sample], tmp_path: Path) -> None:
    # The smallest learning rates change no weight that matters, so no epoch is better than the first or second.
    epochs = list(train(tiny(epochs=30, steps_per_epoch=1, patience=3, learning_rate=1e-12), tmp_path, samples=samples))
    best = max(epoch.epoch for epoch in epochs if epoch.best)
    assert len(epochs) == best + 3 < 30


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_state(samples: list[Sample], tmp_path: Path) -> None:
    running: list[Run] = []
    out = tmp_path / "run"

    def spoil(step: int, loss: float) -> None:
        if step == 8:
            torch.nn.init.constant_(running[0].model.convout.weight, float("nan"))

    epochs = train(TINY, out, samples=samples, on_start=running.append, on_step=spoil)
    next(epochs)
    before = {path.name: path.read_bytes() for path in out.glob("*.safetensors")}
    with pytest.raises(TrainingStopped, match="nan in step 9"):
        next(epochs)
    assert {path.name: path.read_bytes() for path in out.glob("*.safetensors")} == before
    assert all(tensor.isfinite().all() for tensor in load_file(out / "state.safetensors").values())


def test_weights_that_are_not_finite_are_never_stored(samples: list[Sample], tmp_path: Path) -> None:
    """The last step of an epoch can spoil the weights without a loss that shows it."""
    running: list[Run] = []

    def spoil(step: int, loss: float) -> None:
        if step == 6:
            torch.nn.init.constant_(running[0].model.convout.weight, float("inf"))

    with pytest.raises(TrainingStopped, match="finite"):
        next(train(TINY, tmp_path, samples=samples, on_start=running.append, on_step=spoil))
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    "changes",
    [
        {"channels_last": "off"},
        {"precision": "bf16", "batch": 2},
        {"architecture": "resnet18", "crop": None},
        {"choose_by": "loss", "pooling": "vote"},
        {"beta1": 0.5, "balance": "images", "view": "whole"},
    ],
)
def test_other_ways_to_train(samples: list[Sample], tmp_path: Path, changes: dict[str, Any]) -> None:
    config = tiny(epochs=1, steps_per_epoch=2, **changes)
    (epoch,) = train(config, tmp_path, samples=samples)
    assert epoch.best
    assert checkpoint.restore(tmp_path / "best.safetensors")[1].pooling == config.pooling


def test_dropout_is_drawn_anew_and_repeatably(tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "data", train=2, validation=2, side=256)
    config = tiny(architecture="mesoinception4", crop=256, batch=2, epochs=1, steps_per_epoch=2)
    first, second = (next(train(config, tmp_path / name, samples=samples)).loss for name in "ab")
    assert first == second
    run = set_up(config, samples=samples)
    run.model.train()
    batch = next(iter_batches(run))
    # Same batch, same weights (no update happens at learning rate 0), other step: other dropout.
    for group in run.optimiser.param_groups:
        group["lr"] = 0.0
    assert run.step(batch, 0) != run.step(batch, 1)


def test_a_cosine_run_resumes_to_the_same_weights_and_its_end_stays_where_it_was(
    samples: list[Sample], tmp_path: Path
) -> None:
    config = tiny(schedule="cosine", epochs=2, steps_per_epoch=2)
    list(train(config, tmp_path / "whole", samples=samples))
    next(train(config, tmp_path / "parts", samples=samples))
    with pytest.raises(TrainingStopped, match="epochs was 2 and is 3"):
        next(train(replace(config, epochs=3), tmp_path / "parts", samples=samples, resume=True))
    list(train(config, tmp_path / "parts", samples=samples, resume=True))
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    constant = list(train(replace(config, schedule="constant"), tmp_path / "constant", samples=samples))
    assert len(constant) == 2
    other = load_file(tmp_path / "constant" / "last.safetensors")
    assert any(not torch.equal(whole[name], other[name]) for name in whole)


def test_a_state_from_before_a_setting_existed_has_its_default(samples: list[Sample], tmp_path: Path) -> None:
    next(train(TINY, tmp_path, samples=samples))
    state = read_state(tmp_path)
    assert state is not None
    older = replace(state, config={name: value for name, value in state.config.items() if name != "schedule"})
    older.check_same_run(state)
    with pytest.raises(TrainingStopped, match="seed was 0 and is 1"):
        older.check_same_run(replace(state, config=state.config | {"seed": 1}))


def iter_batches(run: Run) -> Iterator[Batch]:
    return training_batches(run.dataset, run.config, [0])


def test_one_step_is_adam_on_the_mean_patch_loss(samples: list[Sample]) -> None:
    run = set_up(tiny(learning_rate=0.01, beta1=0.8, beta2=0.9, precision="fp32"), samples=samples)
    run.model.train()
    batch: Batch = next(iter_batches(run))
    head = run.model.convout.bias
    assert head is not None
    before = head.detach().clone()
    features = run.model.pair(run.model.scaled(torch.from_numpy(batch.pixels)))
    target = torch.from_numpy(~batch.is_fake).long()[:, None, None].expand_as(features[:, 0])
    expected = torch.nn.functional.cross_entropy(features, target)
    (gradient,) = torch.autograd.grad(expected, [head])
    assert run.step(batch, 0) == pytest.approx(expected.item(), rel=1e-5)
    # Adam's first step moves by the learning rate against the gradient's sign (Kingma & Ba 2015, algorithm 1).
    torch.testing.assert_close(head.detach(), before - 0.01 * gradient.sign(), rtol=0, atol=1e-5)


def test_a_batch_that_processes_cannot_share_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="6 divides, for 3 processes"):
        next(train(TINY, tmp_path, samples=samples, world=World(0, 3, 0, 3)))


def test_a_relabelled_copy_of_a_sample_stops_training(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(Exception, match="both real and fake"):
        next(train(TINY, tmp_path, samples=[*samples, replace(samples[0], is_fake=not samples[0].is_fake)]))
    assert not list(tmp_path.iterdir())
