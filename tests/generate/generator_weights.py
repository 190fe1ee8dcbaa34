"""Generators' files with random numbers and the right names, and where the true ones lie if they are there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from telltale.generate.autoencoder import decoder, encoder
from telltale.generate.dcgan import Dcgan
from telltale.generate.srgan import Upsampler
from telltale.generate.vae import Vae

MAKERS: dict[str, Callable[[], nn.Module]] = {
    "taef2_encoder": encoder,
    "taef2_decoder": decoder,
    "fast_srgan_x4": Upsampler,
    "vae_celeba64": Vae,
    "dcgan_celeba32": Dcgan,
}


@contextmanager
def one_thread() -> Iterator[None]:
    """As `build` runs generators; on small pictures, threads cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights from a seed, and the random state of other tests left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def write_weights(folder: Path, *names: str) -> Path:
    """Files of untrained generators; all of them where no name is given."""
    for name in names or MAKERS:
        with seeded(len(name)):
            save_file(MAKERS[name]().state_dict(), folder / f"{name}.safetensors")
    return folder


def shared_data() -> Path:
    """The folder of the research data; skips the test where it is absent."""
    folder = Path(os.environ.get("TELLTALE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (folder / "generators").is_dir():
        pytest.skip(f"needs the research data: no {folder / 'generators'}; point TELLTALE_DATA at it")
    return folder


@contextmanager
def normalisation_inputs(model: nn.Module) -> Iterator[dict[str, list[torch.Tensor]]]:
    """What reaches each BatchNorm while the context is open, by the layer's name."""
    seen: dict[str, list[torch.Tensor]] = {}
    hooks = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            arrived = seen.setdefault(name, [])
            hooks.append(layer.register_forward_pre_hook(lambda _, given, arrived=arrived: arrived.append(given[0])))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def deviation(model: nn.Module, name: str, features: torch.Tensor) -> float:
    """How far a layer's inputs lie, on average over channels, from the spread its training saw: |log of variances|.

    Near 0 where the structure before the layer is the one that was trained.
    """
    stored = model.get_submodule(name).get_buffer("running_var")
    return float((features.var((0, 2, 3)).log() - stored.log()).abs().mean())
