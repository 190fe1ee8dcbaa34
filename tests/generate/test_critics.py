"""A critic as a file goes on judging as it did, and is refused where it does not fit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from telltale.errors import InvalidConfig
from telltale.generate.critics import HEADER, load_critic, penalty_of, save_critic
from telltale.generate.families import GeneratorFacts, build_generator, load_generator, save_generator
from telltale.generate.gan import ConvolutionalCritic
from telltale.generate.resnet_gan import ResidualCritic

SIZES = {"width": 4}


def kept(path: Path, critic: nn.Module, family: str, **sizes: int) -> Path:
    save_critic(path, critic, GeneratorFacts(family=family, sizes={**SIZES, **sizes}, made_with={"seed": 0}))
    return path


@pytest.mark.parametrize(
    ("critic", "family"), [(ConvolutionalCritic(**SIZES), "convolutional"), (ResidualCritic(**SIZES), "residual")]
)
def test_a_critic_read_again_says_the_same_and_goes_on_learning(critic: nn.Module, family: str, tmp_path: Path) -> None:
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    again = load_critic(kept(tmp_path / "critic", critic, family), side=64)
    # In training each forward pass moves a spectral norm's estimate.
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images), critic.eval()(images), atol=5e-3, rtol=5e-3)
    assert all(one.requires_grad for one in again.parameters())
    assert load_critic(tmp_path / "critic", side=64).training


def test_what_is_no_critic_of_these_pictures_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "critic", ConvolutionalCritic(**SIZES, side=32), "convolutional", side=32)
    with pytest.raises(InvalidConfig, match="one of 32 px"):
        load_critic(path, side=64)
    with pytest.raises(InvalidConfig, match="a critic's file written by telltale"):
        load_critic(tmp_path / "none", side=64)
    generator = build_generator("gan_nearest", latent=4, width=2)
    facts = GeneratorFacts(family="gan_nearest", sizes={"latent": 4, "width": 2}, made_with={})
    save_generator(tmp_path / "generator", generator, facts)
    with pytest.raises(InvalidConfig, match="a critic's file written by telltale"):
        load_critic(tmp_path / "generator", side=64)
    with pytest.raises(InvalidConfig, match="a generator's file written by telltale"):
        load_generator(path)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"family": "transformer", "sizes": SIZES, "made_with": {}}, "transformer"),
        ({"family": "convolutional", "sizes": {"depth": 3}, "made_with": {}}, "depth"),
        ({"family": "convolutional", "sizes": {"width": 4, "side": 64.0}, "made_with": {}}, "whole numbers"),
        ({"family": "convolutional", "sizes": {"width": 5}, "made_with": {}}, "do not fit"),
    ],
)
def test_a_header_of_another_critic_is_refused(said: dict[str, object], found: str, tmp_path: Path) -> None:
    path = kept(tmp_path / "critic", ConvolutionalCritic(**SIZES), "convolutional")
    save_file(load_file(path), path, {HEADER: json.dumps(said)})
    with pytest.raises(InvalidConfig, match=found):
        load_critic(path, side=64)


def test_a_critic_that_broke_is_refused_and_named(tmp_path: Path) -> None:
    critic = ConvolutionalCritic(**SIZES)
    with torch.no_grad():
        critic.get_parameter("last.bias").fill_(float("nan"))
    path = kept(tmp_path / "broken", critic, "convolutional")
    with pytest.raises(InvalidConfig, match=f"finite weights in {path}"):
        load_critic(path, side=64)


def test_the_penalty_of_its_training_is_known() -> None:
    made_with = {"settings": {"r1": 0.1, "r1_every": 16}}
    assert penalty_of(GeneratorFacts(family="residual", sizes=SIZES, made_with=made_with)) == (0.1, 16)
    assert penalty_of(GeneratorFacts(family="convolutional", sizes=SIZES, made_with={}))[0] == 0
    for damaged in ({"r1": 0.1, "depth": 3}, ["r1"]):
        with pytest.raises(InvalidConfig, match="settings of a GAN's training"):
            penalty_of(GeneratorFacts(family="residual", sizes=SIZES, made_with={"settings": damaged}))
