"""The autoencoder learns, goes on as if never interrupted, and stops where it breaks."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.vae import LATENT, Vae
from telltale.generate.vae_training import STATE_FILE, VaeConfig, _update, train_vae

SETTINGS = VaeConfig(steps=6, batch=4, save_every=2)


@pytest.fixture
def pictures() -> Tensor:
    """Grey levels, with noise."""
    random = torch.Generator().manual_seed(0)
    levels = torch.linspace(20, 220, 12)[:, None, None, None]
    return (levels + torch.rand(12, 3, 64, 64, generator=random) * 20).byte()


def run(pictures: Tensor, folder: Path, settings: VaeConfig = SETTINGS, parts: int | None = None) -> Vae:
    torch.manual_seed(0)
    model = Vae()
    assert list(islice(train_vae(model, pictures, settings, folder), parts))
    return model


def test_resumed_equals_uninterrupted(pictures: Tensor, tmp_path: Path) -> None:
    whole = run(pictures, tmp_path / "whole")
    run(pictures, tmp_path / "parts", parts=1)
    resumed = run(pictures, tmp_path / "parts")
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)


@pytest.mark.slow
def test_it_learns_the_levels(pictures: Tensor, tmp_path: Path) -> None:
    model = run(pictures, tmp_path, VaeConfig(steps=150, batch=8, save_every=150, deviation=0.3))
    real = pictures.float() / 127.5 - 1
    with torch.inference_mode():
        made = model(model.encode(real)[0])
    torch.testing.assert_close(made.mean((1, 2, 3)), real.mean((1, 2, 3)), atol=0.15, rtol=0)


def test_a_loss_that_breaks_leaves_the_last_good_state(pictures: Tensor, tmp_path: Path) -> None:
    model = run(pictures, tmp_path, parts=1)
    before = (tmp_path / STATE_FILE).read_bytes()
    records = train_vae(model, pictures, SETTINGS, tmp_path)
    model.encode = lambda images: (images[:, 0, 0, :LATENT] * float("nan"), images[:, 0, 0, :LATENT])  # type: ignore[method-assign]
    with pytest.raises(TrainingStopped, match="finite loss"):
        list(records)
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_what_it_refuses(pictures: Tensor, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="at least 4 pictures"):
        run(pictures[:3], tmp_path)
    run(pictures, tmp_path, parts=1)
    with pytest.raises(TrainingStopped, match="settings the run began with"):
        run(pictures, tmp_path, VaeConfig(steps=8, batch=4, save_every=2))
    for steps, deviation in ((0, 0.3), (1, 0.0)):
        with pytest.raises(InvalidConfig, match="1 or more"):
            VaeConfig(steps=steps, deviation=deviation)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidConfig, match="warm_up"):
            VaeConfig(warm_up=share)


def test_a_larger_deviation_brings_codes_nearer_to_the_prior(pictures: Tensor, tmp_path: Path) -> None:
    divergences = []
    for deviation in (0.3, 3.0):
        settings = VaeConfig(steps=20, batch=8, save_every=20, deviation=deviation, warm_up=0.0)
        torch.manual_seed(0)
        (last,) = train_vae(Vae(), pictures, settings, tmp_path / str(deviation))
        divergences.append(last.divergence)
    assert divergences[1] < divergences[0]


def test_numbers_drawn_on_the_cpu_go_where_the_weights_are() -> None:
    """On the meta device, which has shapes and no numbers: a tensor left on the CPU would not mix with the others."""
    model, settings = Vae().to("meta"), VaeConfig(batch=4)
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)
    with pytest.raises(RuntimeError, match="cannot be called on meta"):
        _update(model, optimiser, torch.zeros(4, 3, 64, 64), settings, 0)
