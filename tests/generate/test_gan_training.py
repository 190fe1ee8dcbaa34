"""A GAN learns what its pictures look like, goes on as if never interrupted, and stops where it breaks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.gan import ConvolutionalCritic, ConvolutionalGenerator
from telltale.generate.gan_training import STATE_FILE, GanConfig, GanProgress, _update, train_gan
from telltale.generate.training_state import read_facts

SETTINGS = GanConfig(steps=6, batch=4, save_every=2, seed=1)


@pytest.fixture
def pictures() -> Tensor:
    """Bright above, dark below, with noise."""
    random = torch.Generator().manual_seed(0)
    rows = torch.linspace(220, 30, 64)[None, None, :, None]
    return (rows + torch.rand(12, 3, 64, 64, generator=random) * 20).byte()


def networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(7)
    return ConvolutionalGenerator(upsampling="nearest", latent=8, width=4), ConvolutionalCritic(width=4)


def run(pictures: Tensor, folder: Path, settings: GanConfig = SETTINGS, parts: int | None = None) -> nn.Module:
    generator, critic = networks()
    records: Iterator[GanProgress] = train_gan(generator, critic, pictures, settings, folder)
    steps = [one.step for one in islice(records, parts)]
    assert steps, "something was done"
    return generator


def test_resumed_equals_uninterrupted(pictures: Tensor, tmp_path: Path) -> None:
    whole = run(pictures, tmp_path / "whole")
    run(pictures, tmp_path / "parts", parts=1)
    resumed = run(pictures, tmp_path / "parts")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)


def test_records_name_the_steps_and_a_finished_run_has_none(pictures: Tensor, tmp_path: Path) -> None:
    generator, critic = networks()
    assert [one.step for one in train_gan(generator, critic, pictures, SETTINGS, tmp_path)] == [2, 4, 6]
    again, critic = networks()
    assert list(train_gan(again, critic, pictures, SETTINGS, tmp_path)) == []
    for one, other in zip(generator.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_another_seed_is_another_generator(pictures: Tensor, tmp_path: Path) -> None:
    one = run(pictures, tmp_path / "one")
    other = run(pictures, tmp_path / "other", GanConfig(steps=6, batch=4, save_every=2, seed=2))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.slow
def test_it_learns_where_its_pictures_are_bright(pictures: Tensor, tmp_path: Path) -> None:
    settings = GanConfig(steps=150, batch=8, save_every=150, learning_rate=1e-3)
    generator = run(pictures, tmp_path, settings).eval()
    with torch.inference_mode():
        made = generator.sample(16, 0).mean((0, 1, 3))  # type: ignore[operator]
    assert float(made[:16].mean()) > 0.2
    assert float(made[-16:].mean()) < -0.2


def test_losses_that_break_leave_the_last_good_state(pictures: Tensor, tmp_path: Path) -> None:
    run(pictures, tmp_path, parts=1)
    before = (tmp_path / STATE_FILE).read_bytes()
    generator, critic = networks()
    records = train_gan(generator, critic, pictures, SETTINGS, tmp_path)
    original = critic.forward
    critic.forward = lambda images: original(images) * float("nan")
    with pytest.raises(TrainingStopped, match="finite losses"):
        list(records)
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_other_settings_and_damaged_states_are_refused(pictures: Tensor, tmp_path: Path) -> None:
    run(pictures, tmp_path, parts=1)
    with pytest.raises(TrainingStopped, match="settings the run began with"):
        run(pictures, tmp_path, GanConfig(steps=8, batch=4, save_every=2, seed=1))
    (tmp_path / STATE_FILE).write_bytes(b"nonsense")
    with pytest.raises(TrainingStopped, match="a training state"):
        run(pictures, tmp_path)


def test_a_state_from_before_a_setting_existed_is_taken_up(pictures: Tensor, tmp_path: Path) -> None:
    run(pictures, tmp_path, parts=1)
    path = tmp_path / STATE_FILE
    facts = read_facts(path)
    assert facts is not None
    for name in ("r1", "r1_every", "critic_learning_rate"):
        del facts["settings"][name]
    save_file(load_file(path), path, {"facts": json.dumps(facts)})
    run(pictures, tmp_path)


def test_the_critic_may_learn_at_a_rate_of_its_own(pictures: Tensor, tmp_path: Path) -> None:
    def learned(rate: float | None) -> dict[str, Tensor]:
        name = "usual" if rate is None else f"{rate}"
        settings = replace(SETTINGS, critic_learning_rate=rate)
        return run(pictures, tmp_path / name, settings).state_dict()

    usual, same, faster = learned(None), learned(SETTINGS.learning_rate), learned(1e-2)
    assert all(torch.equal(same[name], usual[name]) for name in usual)
    assert any(not torch.equal(faster[name], usual[name]) for name in usual)


def test_too_few_pictures_and_settings_that_mean_nothing(pictures: Tensor, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="at least 4 pictures"):
        run(pictures[:3], tmp_path)
    wrongs: list[dict[str, Any]] = [{"steps": 0}, {"batch": 0}]
    wrongs += [{name: rate} for name in ("learning_rate", "critic_learning_rate") for rate in (0.0, float("nan"))]
    for wrong in wrongs:
        with pytest.raises(InvalidConfig, match="1 or more"):
            GanConfig(**wrong)


def test_numbers_drawn_on_the_cpu_go_where_the_weights_are() -> None:
    """On the meta device, which has shapes and no numbers: a tensor left on the CPU would not mix with the others."""
    generator, critic = ConvolutionalGenerator(upsampling="transposed", latent=8, width=4), ConvolutionalCritic(width=4)
    networks = {"generator": generator.to("meta"), "critic": critic.to("meta")}
    optimisers = {name: torch.optim.Adam(one.parameters(), 1e-4) for name, one in networks.items()}
    settings = GanConfig(batch=4, r1=0.1, r1_every=1)
    with pytest.raises(RuntimeError, match="cannot be called on meta"):
        _update(generator, critic, optimisers, torch.zeros(4, 3, 64, 64), settings, 0)
