"""Critics that GANs of telltale were trained against, as files: what a finetuning's own loss goes on with.

A critic that begins anew knows less than the generator it judges, and lets it wander (docs/finetune.md has figures).
Only the weights are kept: a finetuning brings an optimiser and a learning rate of its own.
"""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from telltale.errors import InvalidConfig
from telltale.generate.families import GeneratorFacts, read_network_facts, write_network
from telltale.generate.gan import SIDE, ConvolutionalCritic
from telltale.generate.gan_training import GanConfig
from telltale.generate.loading import with_weights
from telltale.generate.resnet_gan import ResidualCritic

# In the metadata of a file.
HEADER = "telltale_critic"
CRITICS: dict[str, Callable[..., nn.Module]] = {"convolutional": ConvolutionalCritic, "residual": ResidualCritic}


def save_critic(path: Path, critic: nn.Module, facts: GeneratorFacts) -> None:
    """Write weights and facts as `families.save_generator` does; `facts.family` is a name out of CRITICS.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    write_network(path, critic, facts, HEADER)


def read_critic_facts(path: Path) -> GeneratorFacts:
    """What a critic's file says of itself.

    Raises:
        InvalidConfig: missing, damaged, or not written by `save_critic`.
    """
    return read_network_facts(path, HEADER, "a critic's file")


def load_critic(path: Path, *, side: int) -> nn.Module:
    """A critic, images (n, 3, side, side) in [-1, 1] to one logit each, higher for real; as float32.

    Args:
        path: written by `save_critic`.
        side: of the images it is to judge, pixels.

    Raises:
        InvalidConfig: missing, damaged, not finite, of an unknown family, or of images of another side.
    """
    facts = read_critic_facts(path)
    if facts.family not in CRITICS:
        raise _unfit(f"a critic out of {', '.join(CRITICS)}: {path}", repr(facts.family))
    if not all(type(one) is int for one in facts.sizes.values()):
        raise _unfit(f"whole numbers as sizes in {path}", str(dict(facts.sizes)))
    if (own := facts.sizes.get("side", SIDE)) != side:
        raise _unfit(f"a critic of images of {side} px: {path}", f"one of {own} px")
    try:
        critic = CRITICS[facts.family](**facts.sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _unfit(f"sizes of a {facts.family} critic in {path}", str(error)) from error
    filled = with_weights(critic, path)
    if not all(bool(one.isfinite().all()) for one in filled.state_dict().values()):
        raise _unfit(f"finite weights in {path}", "NaN or infinity")
    # Ready to go on learning: what holds a spectral norm is updated in training only.
    return filled.train()


def penalty_of(facts: GeneratorFacts) -> tuple[float, int]:
    """The R1 penalty that held a critic in its training, and every how many steps; a weight of 0 is none.

    Raises:
        InvalidConfig: the header's settings are none of a GAN's training.
    """
    said = facts.made_with.get("settings", {})
    try:
        settings = GanConfig(**said)
    except TypeError as error:
        raise _unfit("settings of a GAN's training in the critic's header", str(error)) from error
    return settings.r1, settings.r1_every


def _unfit(expected: str, found: str) -> InvalidConfig:
    return InvalidConfig(expected=expected, found=found, do="Name the critic of the generator's training.")
