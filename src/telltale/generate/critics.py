"""Critics that GANs of telltale were trained against, as files: what a finetuning's own loss goes on with.

A critic that begins anew knows less than the generator it judges, and lets it wander (docs/generators.md has figures).
"""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from telltale.errors import InvalidConfig
from telltale.generate.families import GeneratorFacts, read_network_facts, write_network
from telltale.generate.gan import SIDE, ConvolutionalCritic
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


def load_critic(path: Path, *, side: int) -> nn.Module:
    """A critic, images (n, 3, side, side) in [-1, 1] to one logit each, higher for real; as float32.

    Args:
        path: written by `save_critic`.
        side: of the images it is to judge, pixels.

    Raises:
        InvalidConfig: missing, damaged, of an unknown family, or of images of another side.
    """
    facts = read_network_facts(path, HEADER, "a critic's file")
    if facts.family not in CRITICS:
        raise InvalidConfig(
            expected=f"a critic out of {', '.join(CRITICS)}", found=repr(facts.family), do="Name another file."
        )
    if (own := facts.sizes.get("side", SIDE)) != side:
        raise InvalidConfig(
            expected=f"a critic of images of {side} px, as the generator's",
            found=f"one of {own} px",
            do="Name its own.",
        )
    try:
        critic = CRITICS[facts.family](**facts.sizes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidConfig(expected=f"sizes of {facts.family}", found=str(error), do="Name another file.") from error
    # Ready to go on learning: what holds a spectral norm is updated in training only.
    return with_weights(critic, path).train()
