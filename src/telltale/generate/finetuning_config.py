"""How a generator is finetuned against a classifier, and what is measured on the way: plain records."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from telltale.errors import InvalidConfig

# These say when a run ends, not what a step computes: they may differ when it goes on.
FREE_ON_RESUME = frozenset(("steps", "target", "quality_within"))
# The stream of a step is numbered 2**32 * seed + step, and torch takes 64 bits.
_SEEDS = 2**31
# Far beyond what still keeps a picture; from about 1e18 on Adam's squares overflow, and nothing would move at all.
_HEAVIEST = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """How a generator is finetuned.

    Attributes:
        weight: lambda of equation 4: of the classifier's cross-entropy towards real, beside the generator's own loss.
        target: stop when this share of the samples looks real to the classifier; None goes on to the last step.
        quality_within: the target counts only while the quality's distance is at most this share above its start, as
            0.1 for ten percent; None does not ask.
        steps: at most.
        warm_up: steps of the critic alone before the first one: for a critic that begins anew, or knows a twin.
        batch: pictures a step.
        checked: samples, always the same latents, that are judged at every check.
        check_every: steps between two checks, each of which saves the state and yields a record.
        learning_rate: of Adam (betas 0 and 0.99), for the generator.
        critic_learning_rate: for what the own loss learns.
        average: memory, per step, of the running average of the weights, which is then what is judged and kept: 0.995
            remembers some 200 steps. Networks at odds circle, and the average lies in the middle (Yazici et al., ICLR
            2019); 0 takes the weights as the last step left them.
        least_diversity: a check below this share of the first one's diversity is a collapse.
        seed: of latents, order and augmentation.
    """

    weight: float = 1.0
    target: float | None = 0.5
    quality_within: float | None = None
    steps: int = 1000
    warm_up: int = 300
    batch: int = 32
    checked: int = 256
    check_every: int = 50
    learning_rate: float = 5e-5
    critic_learning_rate: float = 2e-4
    average: float = 0.0
    least_diversity: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InvalidConfig: naming the setting.
        """
        for name in ("steps", "batch", "checked", "check_every"):
            _require(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("warm_up", "seed"):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _require(self.seed < _SEEDS, "seed", f"below {_SEEDS}", self.seed)
        for name in ("learning_rate", "critic_learning_rate"):
            _require(0 < getattr(self, name) < 1, name, "above 0 and below 1", getattr(self, name))
        _require(0 <= self.average < 1, "average", "0 or more, below 1", self.average)
        _require(0 <= self.weight <= _HEAVIEST, "weight", f"0 to {_HEAVIEST:g}", self.weight)
        _require(self.target is None or 0 < self.target <= 1, "target", "a share above 0, at most 1", self.target)
        within = self.quality_within
        # JSON, which keeps the settings, has no infinity.
        _require(within is None or 0 <= within < inf, "quality_within", "a share of 0 or more, finite", within)
        _require(0 <= self.least_diversity <= 1, "least_diversity", "a share, 0 to 1", self.least_diversity)
        _require(self.checked >= 2, "checked", "2 or more samples, which can differ", self.checked)

    def fixed(self) -> dict[str, Any]:
        """What may not change when a run goes on."""
        return {name: value for name, value in asdict(self).items() if name not in FREE_ON_RESUME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A finetuning at one of its checks; losses are means since the check before, none at the first.

    Where weights are averaged, losses are of those that move, and everything else is of the average.

    Attributes:
        step: updates done; 0 is the generator as it was.
        own_loss: the generator's own loss.
        classifier_loss: the classifier's cross-entropy per patch towards real, nats.
        critic_loss: of what the own loss learns.
        fooled: share of the checked samples whose score is below 0.5.
        patches_fooled: share of their patches whose log-odds are below 0.
        distance: root mean square difference to the generator as it was, same latents, grey levels of 0 to 255.
        diversity: standard deviation over samples, mean over pixels, grey levels.
        quality: a distance to photographs, lower is better (see `telltale.generate.quality`); None if not measured.
        quality_error: its standard error.
        seconds: since this process began or went on.
    """

    step: int
    own_loss: float | None
    classifier_loss: float | None
    critic_loss: float | None
    fooled: float
    patches_fooled: float
    distance: float
    diversity: float
    quality: float | None
    quality_error: float | None
    seconds: float


def reached(settings: FinetuneConfig, began: Step, now: Step) -> bool:
    """Whether the target is met, at a quality that counts."""
    if settings.target is None or now.fooled < settings.target:
        return False
    if settings.quality_within is None or now.quality is None or began.quality is None:
        return True
    # An unbiased distance can be a little below 0, where a share of it would ask for better than the start.
    return now.quality <= began.quality + settings.quality_within * abs(began.quality)


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InvalidConfig(expected=f"{name}: {expected}", found=repr(found), do=f"Correct {name}.")
