"""The flow learns what is likely, goes on as if never interrupted, and stops where it breaks."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.glow import Glow
from telltale.generate.glow_training import GlowConfig, _bits, train_glow
from telltale.generate.training_loop import STATE_FILE

SETTINGS = GlowConfig(steps=6, batch=4, save_every=2)


@pytest.fixture
def pictures() -> Tensor:
    """Bright above, dark below, with noise."""
    random = torch.Generator().manual_seed(0)
    rows = torch.linspace(220, 30, 16)[None, None, :, None]
    return (rows + torch.rand(12, 3, 16, 16, generator=random) * 20).byte()


def run(pictures: Tensor, folder: Path, settings: GlowConfig = SETTINGS, parts: int | None = None) -> Glow:
    torch.manual_seed(0)
    model = Glow(width=4, side=16)
    assert [one.step for one in islice(train_glow(model, pictures, settings, folder), parts)]
    return model


def test_resumed_equals_uninterrupted(pictures: Tensor, tmp_path: Path) -> None:
    whole = run(pictures, tmp_path / "whole")
    run(pictures, tmp_path / "parts", parts=1)
    resumed = run(pictures, tmp_path / "parts")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)
    assert not resumed.training


def test_its_pictures_become_likelier_than_noise(pictures: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Glow(width=4, side=16)
    settings = GlowConfig(steps=60, batch=8, save_every=20, learning_rate=3e-3)
    bits = [one.bits for one in train_glow(model, pictures, settings, tmp_path)]
    assert bits == sorted(bits, reverse=True)
    with torch.inference_mode():
        known = model.log_likelihood(pictures.float() / 127.5 - 1)
        noise = model.log_likelihood(torch.rand(12, 3, 16, 16) * 2 - 1)
        made = model.sample(16, 0).mean((0, 1, 3))
    assert float(known.min()) > float(noise.max())
    assert float(made[:4].mean() - made[-4:].mean()) > 0.4


def test_a_loss_that_breaks_leaves_the_last_good_state(pictures: Tensor, tmp_path: Path) -> None:
    model = run(pictures, tmp_path, parts=1)
    before = (tmp_path / STATE_FILE).read_bytes()
    original = model.log_likelihood
    model.log_likelihood = lambda images: original(images) * float("nan")  # type: ignore[method-assign]
    with pytest.raises(TrainingStopped, match="finite losses"):
        list(train_glow(model, pictures, SETTINGS, tmp_path))
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_what_it_refuses(pictures: Tensor, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="at least 4 pictures"):
        run(pictures[:3], tmp_path)
    run(pictures, tmp_path, parts=1)
    with pytest.raises(TrainingStopped, match="settings the run began with"):
        run(pictures, tmp_path, GlowConfig(steps=8, batch=4, save_every=2))
    for wrong in ({"steps": 0}, {"learning_rate": 0.0}, {"levels": 0.0}):
        with pytest.raises(InvalidConfig, match="positive"):
            GlowConfig(**wrong)


def test_numbers_drawn_on_the_cpu_go_where_the_weights_are() -> None:
    """On the meta device, which has shapes and no numbers: a tensor left on the CPU would not mix with the others."""
    model = Glow(width=8, side=64).to("meta").eval()
    pictures = torch.zeros(8, 3, 64, 64, dtype=torch.uint8)
    assert _bits(model, pictures, GlowConfig(batch=4), 0).device.type == "meta"
