"""The diffusion model learns, goes on as if never interrupted, and stops where it breaks."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.diffusion import DiffusionModel
from telltale.generate.diffusion_training import DiffusionConfig, _error, train_diffusion
from telltale.generate.training_loop import STATE_FILE

SETTINGS = DiffusionConfig(steps=6, batch=4, save_every=2)


@pytest.fixture
def pictures() -> Tensor:
    """Bright above, dark below, with noise."""
    random = torch.Generator().manual_seed(0)
    rows = torch.linspace(220, 30, 64)[None, None, :, None]
    return (rows + torch.rand(12, 3, 64, 64, generator=random) * 20).byte()


def run(
    pictures: Tensor, folder: Path, settings: DiffusionConfig = SETTINGS, parts: int | None = None
) -> DiffusionModel:
    torch.manual_seed(0)
    model = DiffusionModel(width=8, steps=4)
    assert [one.step for one in islice(train_diffusion(model, pictures, settings, folder), parts)]
    return model


def test_resumed_equals_uninterrupted(pictures: Tensor, tmp_path: Path) -> None:
    whole = run(pictures, tmp_path / "whole")
    run(pictures, tmp_path / "parts", parts=1)
    resumed = run(pictures, tmp_path / "parts")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)


@pytest.mark.slow
def test_it_learns_where_its_pictures_are_bright(pictures: Tensor, tmp_path: Path) -> None:
    model = run(pictures, tmp_path, DiffusionConfig(steps=150, batch=8, save_every=150, learning_rate=3e-3))
    with torch.inference_mode():
        made = model.eval().sample(8, 0).mean((0, 1, 3))
    assert float(made[:16].mean()) > 0.2
    assert float(made[-16:].mean()) < -0.2


def test_a_loss_that_breaks_leaves_the_last_good_state(pictures: Tensor, tmp_path: Path) -> None:
    model = run(pictures, tmp_path, parts=1)
    before = (tmp_path / STATE_FILE).read_bytes()
    original = model.velocity
    model.velocity = lambda images, times: original(images, times) * float("nan")  # type: ignore[method-assign]
    with pytest.raises(TrainingStopped, match="finite losses"):
        list(train_diffusion(model, pictures, SETTINGS, tmp_path))
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_what_it_refuses(pictures: Tensor, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="at least 4 pictures"):
        run(pictures[:3], tmp_path)
    run(pictures, tmp_path, parts=1)
    with pytest.raises(TrainingStopped, match="settings the run began with"):
        run(pictures, tmp_path, DiffusionConfig(steps=8, batch=4, save_every=2))
    (tmp_path / STATE_FILE).write_bytes(b"nonsense")
    with pytest.raises(TrainingStopped, match="a training state"):
        run(pictures, tmp_path)
    for wrong in ({"steps": 0}, {"learning_rate": 0.0}):
        with pytest.raises(InvalidConfig, match="1 or more"):
            DiffusionConfig(**wrong)


def test_numbers_drawn_on_the_cpu_go_where_the_weights_are() -> None:
    """On the meta device, which has shapes and no numbers: a tensor left on the CPU would not mix with the others."""
    model = DiffusionModel(width=8, steps=2).to("meta")
    pictures = torch.zeros(8, 3, 64, 64, dtype=torch.uint8)
    assert _error(model, pictures, DiffusionConfig(batch=4), 0).device.type == "meta"
