"""A generator learns to fool a fixed classifier, goes on as if never interrupted, and stops where it breaks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from telltale.errors import InvalidConfig, TrainingStopped
from telltale.generate.finetuning import STATE_FILE, finetune, fingerprint, history
from telltale.generate.finetuning_config import FinetuneConfig, Step, reached
from telltale.generate.finetuning_errors import ClassifierChanged, Collapsed, NotDifferentiable, NotFinite, WrongImages
from telltale.generate.finetuning_judge import Judge, judge_of
from telltale.generate.finetuning_losses import MovedLatents, OwnLoss, adversarial, resynthesis, staying
from telltale.generate.gan import ConvolutionalCritic, ConvolutionalGenerator
from telltale.generate.gan_training import squared_slope
from telltale.generate.latents import normal_latents
from telltale.generate.resnet_gan import ResidualCritic
from telltale.generate.training_state import read_facts
from telltale.generate.vae import Vae
from telltale.image import Preparation
from telltale.learn.classifier import PatchClassifier, build
from telltale.spec import DetectorSpec

SETTINGS = FinetuneConfig(
    steps=4, batch=4, checked=8, check_every=2, warm_up=1, target=None, learning_rate=1e-3, least_diversity=0.0, seed=1
)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    random = torch.Generator().manual_seed(0)
    rows = torch.linspace(220, 30, 64)[None, None, :, None]
    return (rows + torch.rand(12, 3, 64, 64, generator=random) * 20).byte()


def judged(classifier: PatchClassifier, name: str) -> Judge:
    preparation = Preparation(side=None)
    spec = DetectorSpec(name=name, architecture="resnet18_layer1", preparation=preparation, grid=classifier.grid)
    return judge_of(classifier, spec)


@pytest.fixture(scope="module")
def judge() -> Judge:
    torch.manual_seed(3)
    classifier = build("resnet18_layer1").eval()
    with torch.no_grad():  # steep, and every first sample looks fake
        classifier.get_parameter("convout.weight").mul_(20)
        classifier.get_parameter("convout.bias").copy_(torch.tensor([2.2, -2.2]))
    return judged(classifier, "judge")


def gan(pictures: Tensor, settings: FinetuneConfig = SETTINGS) -> tuple[nn.Module, OwnLoss]:
    torch.manual_seed(7)
    generator = ConvolutionalGenerator(upsampling="nearest", latent=8, width=4)
    return generator, adversarial(ConvolutionalCritic(width=4), pictures, settings, latent=8)


def run(
    pictures: Tensor, judge: Judge, out: Path, settings: FinetuneConfig = SETTINGS, parts: int | None = None
) -> tuple[nn.Module, list[Step]]:
    generator, own = gan(pictures, settings)
    records: Iterator[Step] = finetune(generator, [judge], own, settings, out)
    return generator, list(islice(records, parts))


def test_the_first_record_is_the_generator_as_it_was_and_the_classifier_never_moves(
    pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    before = fingerprint(judge.classifier)
    generator, steps = run(pictures, judge, tmp_path)
    assert [one.step for one in steps] == [0, 2, 4]
    assert steps[0].distance == 0
    assert steps[0].own_loss is None
    assert steps[0].fooled == 0
    assert steps[2].distance > 0
    assert fingerprint(judge.classifier) == before
    assert all(one.grad is None for one in judge.classifier.parameters())
    assert not generator.training
    assert history(tmp_path) == steps


def test_resumed_equals_uninterrupted(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    whole, steps = run(pictures, judge, tmp_path / "whole")
    run(pictures, judge, tmp_path / "parts", parts=2)
    resumed, rest = run(pictures, judge, tmp_path / "parts")
    assert [one.step for one in rest] == [4]
    assert replace(rest[0], seconds=0.0) == replace(steps[2], seconds=0.0)
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)
    assert run(pictures, judge, tmp_path / "parts")[1] == []
    longer, more = run(pictures, judge, tmp_path / "parts", replace(SETTINGS, steps=6))
    assert [one.step for one in more] == [6]
    assert fingerprint(longer) != fingerprint(resumed)


def test_what_is_judged_and_kept_is_the_average_of_the_weights(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    """Of two runs whose weights move alike, the one that keeps an average stays nearer to its start."""
    averaged = replace(SETTINGS, average=0.75)
    generator, steps = run(pictures, judge, tmp_path / "averaged", averaged)
    last, plain = run(pictures, judge, tmp_path / "plain")
    state = load_file(tmp_path / "averaged" / STATE_FILE)
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, state[f"network.average.{name}"])
    for name, parameter in last.named_parameters():
        assert torch.equal(parameter, state[f"network.generator.{name}"])
    assert [one.own_loss for one in steps] == [one.own_loss for one in plain]
    assert 0 < steps[-1].distance < plain[-1].distance


def test_an_averaged_run_resumed_equals_an_uninterrupted_one(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    averaged = replace(SETTINGS, average=0.75)
    whole, steps = run(pictures, judge, tmp_path / "whole", averaged)
    run(pictures, judge, tmp_path / "parts", replace(averaged, steps=2))
    resumed, rest = run(pictures, judge, tmp_path / "parts", averaged)
    assert fingerprint(resumed) == fingerprint(whole)
    assert [(one.step, one.fooled, one.distance) for one in rest] == [
        (one.step, one.fooled, one.distance) for one in steps[2:]
    ]


def test_a_state_from_before_weights_were_averaged_goes_on(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    run(pictures, judge, tmp_path, parts=2)
    path = tmp_path / STATE_FILE
    with safe_open(path, "pt") as stream:
        about = stream.metadata()
    facts = json.loads(about["facts"])
    del facts["settings"]["average"]
    save_file(load_file(path), path, {"facts": json.dumps(facts)})
    assert [one.step for one in run(pictures, judge, tmp_path)[1]] == [4]


def test_it_stops_at_the_target(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    settings = replace(SETTINGS, target=0.9, steps=200, weight=5.0, check_every=10)
    _, steps = run(pictures, judge, tmp_path, settings)
    assert steps[-1].fooled >= 0.9
    assert steps[-1].step < 200
    assert all(one.fooled < 0.9 for one in steps[:-1])


def test_a_target_counts_only_at_a_quality_that_is_asked_for() -> None:
    settings = FinetuneConfig(target=0.5, quality_within=0.1)
    began = _step(fooled=0.0, quality=2.0)
    assert reached(settings, began, _step(fooled=0.6, quality=2.19))
    assert not reached(settings, began, _step(fooled=0.6, quality=2.21))
    assert not reached(settings, began, _step(fooled=0.4, quality=2.0))
    assert reached(replace(settings, quality_within=None), began, _step(fooled=0.5, quality=9.0))
    assert not reached(replace(settings, target=None), began, _step(fooled=1.0, quality=1.0))
    below = _step(fooled=0.0, quality=-0.002)
    assert reached(settings, below, _step(fooled=0.6, quality=-0.002))
    assert not reached(settings, below, _step(fooled=0.6, quality=0.001))


def test_the_largest_seed_draws_and_a_larger_one_is_refused(pictures: Tensor) -> None:
    _, own = gan(pictures, replace(SETTINGS, seed=2**31 - 1))
    assert own.learn is not None
    assert np.isfinite(own.learn(torch.zeros(4, 3, 64, 64), 2**30))
    for weight in (-1.0, 1e30, float("nan")):
        with pytest.raises(InvalidConfig, match=r"weight: 0 to 1e\+06"):
            FinetuneConfig(weight=weight)
    with pytest.raises(InvalidConfig, match="seed: below"):
        replace(SETTINGS, seed=2**31)


def _step(*, fooled: float, quality: float) -> Step:
    return Step(
        step=1,
        own_loss=None,
        classifier_loss=None,
        critic_loss=None,
        fooled=fooled,
        patches_fooled=0.0,
        distance=0.0,
        diversity=9.0,
        quality=quality,
        quality_error=0.1,
        seconds=0.0,
    )


def test_quality_is_measured_on_the_checked_pixels(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    seen = []

    def quality(pixels: np.ndarray) -> tuple[float, float]:
        seen.append(pixels.shape)
        return float(len(seen)), 0.5

    generator, own = gan(pictures)
    steps = list(finetune(generator, [judge], own, SETTINGS, tmp_path, quality=quality))
    assert [(one.quality, one.quality_error) for one in steps] == [(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)]
    assert set(seen) == {(8, 64, 64, 3)}
    with pytest.raises(InvalidConfig, match="a measure of quality"):
        list(finetune(generator, [judge], own, replace(SETTINGS, quality_within=0.1), tmp_path / "b"))


def test_a_share_of_a_quality_that_the_start_did_not_measure_is_refused(
    pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    run(pictures, judge, tmp_path)
    settings = replace(SETTINGS, steps=6, target=0.5, quality_within=0.1)
    generator, own = gan(pictures, settings)
    with pytest.raises(InvalidConfig, match="at the start of the run"):
        list(finetune(generator, [judge], own, settings, tmp_path, quality=lambda pixels: (9.0, 0.5)))


def test_a_classifier_of_nan_is_refused_by_its_name(pictures: Tensor, tmp_path: Path) -> None:
    broken = build("resnet18_layer1").eval()
    with torch.no_grad():
        broken.get_parameter("convout.weight").fill_(float("nan"))
    with pytest.raises(NotFinite, match="the classifier broken"):
        run(pictures, judged(broken, "broken"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


class Rounded(nn.Module):
    """Pictures without a gradient to the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.side = 8, 64
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, latents: Tensor) -> Tensor:
        images = (latents[:, :3, None, None] * self.weight).expand(-1, 3, 64, 64)
        return torch.tanh(images).round()


class Constant(nn.Module):
    """One picture of a given shape and value, times a weight."""

    def __init__(self, shape: tuple[int, ...], value: float = 0.5) -> None:
        super().__init__()
        self.shape, self.value = shape, value
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), *self.shape), self.value) * self.weight


def test_what_no_gradient_reaches_is_refused(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    frozen = gan(pictures)[0].requires_grad_(False)
    for generator in (Rounded(), frozen):
        with pytest.raises(NotDifferentiable, match="none reached"):
            list(finetune(generator, [judge], gan(pictures)[1], SETTINGS, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("generator", "error"),
    [
        (Constant((3, 32, 32)), WrongImages),
        (Constant((1, 64, 64)), WrongImages),
        (Constant((3, 64, 64), 200.0), WrongImages),
        (Constant((3, 64, 64), float("nan")), NotFinite),
        (Constant((3, 64, 64), float("inf")), NotFinite),
    ],
)
def test_pictures_that_do_not_fit_are_refused(
    generator: nn.Module, error: type[Exception], pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    with pytest.raises(error):
        list(finetune(generator, [judge], gan(pictures)[1], SETTINGS, tmp_path))


def test_what_breaks_later_leaves_the_last_good_state(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    generator, own = gan(pictures)
    steps = finetune(generator, [judge], own, SETTINGS, tmp_path)
    next(steps)
    before = (tmp_path / STATE_FILE).read_bytes()
    with torch.no_grad():
        next(generator.parameters())[0] = float("nan")
    with pytest.raises(NotFinite, match="the last good state"):
        list(steps)
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_a_critic_that_breaks_alone_leaves_no_state(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    generator, own = gan(pictures)
    broken = replace(own, learn=lambda images, step: float("nan"))
    with pytest.raises(NotFinite, match="after 1 of its steps alone"):
        next(finetune(generator, [judge], broken, replace(SETTINGS, warm_up=3), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_collapse_is_named(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    generator, own = gan(pictures)
    settings = replace(SETTINGS, least_diversity=0.5)
    steps = finetune(generator, [judge], own, settings, tmp_path)
    next(steps)
    before = (tmp_path / STATE_FILE).read_bytes()
    with torch.no_grad():
        generator.get_parameter("first.weight").zero_()
        generator.get_parameter("norm.bias").zero_()
    with pytest.raises(Collapsed, match="differ"):
        list(steps)
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_a_classifier_that_moves_is_noticed(pictures: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(3)
    moving = judged(build("resnet18_layer1"), "moving")
    generator, own = gan(pictures)
    steps = finetune(generator, [moving], own, SETTINGS, tmp_path)
    next(steps)
    with torch.no_grad():
        moving.classifier.get_parameter("convout.bias").add_(1)
    with pytest.raises(ClassifierChanged, match="moving as it was"):
        list(steps)


@pytest.mark.parametrize("history", [None, [], [{"step": 0}], 3])
def test_a_state_without_its_records_is_damaged(
    history: object, pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    run(pictures, judge, tmp_path, parts=1)
    path = tmp_path / STATE_FILE
    facts, tensors = read_facts(path), load_file(path)
    assert facts is not None
    facts.pop("history")
    kept = facts if history is None else {**facts, "history": history}
    save_file(tensors, path, {"facts": json.dumps(kept)})
    with pytest.raises(TrainingStopped, match="records of checks"):
        run(pictures, judge, tmp_path)
    save_file(tensors, path, {"facts": "[1]"})
    with pytest.raises(TrainingStopped, match="a training state"):
        read_facts(path)


def test_a_state_with_nan_is_damaged_though_nothing_is_left_to_do(
    pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    run(pictures, judge, tmp_path)
    path = tmp_path / STATE_FILE
    facts, tensors = read_facts(path), load_file(path)
    tensors["network.generator.rgb.weight"][0] = torch.nan
    save_file(tensors, path, {"facts": json.dumps(facts)})
    with pytest.raises(TrainingStopped, match="finite weights"):
        run(pictures, judge, tmp_path)


def test_another_run_s_state_is_refused(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    run(pictures, judge, tmp_path, parts=1)
    with pytest.raises(TrainingStopped, match=r"other weight 2\.0, which was 1\.0"):
        run(pictures, judge, tmp_path, replace(SETTINGS, weight=2.0))
    generator, own = gan(pictures)
    with torch.no_grad():
        next(generator.parameters()).add_(1)
    with pytest.raises(TrainingStopped, match="other generator"):
        list(finetune(generator, [judge], own, SETTINGS, tmp_path))
    with pytest.raises(InvalidConfig, match="a classifier"):
        list(finetune(generator, [], own, SETTINGS, tmp_path))
    path = tmp_path / STATE_FILE
    with safe_open(path, "pt") as stream:
        facts = json.loads(stream.metadata()["facts"])
    save_file(load_file(path), path, {"facts": json.dumps(facts | {"settings": ["none"]})})
    with pytest.raises(TrainingStopped, match="list: a damaged file"):
        run(pictures, judge, tmp_path)


def test_a_critic_without_normalisation_is_held_as_in_its_training(pictures: Tensor) -> None:
    """The penalty lowers the slope at photographs that the same steps without it leave."""
    slopes = []
    for r1 in (0.0, 100.0):
        torch.manual_seed(0)
        critic = ResidualCritic(width=2)
        own = adversarial(critic, pictures, SETTINGS, latent=8, r1=r1, r1_every=2)
        assert own.learn is not None
        for step in range(8):
            own.learn(torch.zeros(4, 3, 64, 64), step)
        slopes.append(squared_slope(critic, pictures.float() / 127.5 - 1).item())
    assert slopes[1] < slopes[0]


def test_a_decoder_is_finetuned_by_resynthesis_and_its_encoder_stays(
    pictures: Tensor, judge: Judge, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    vae = Vae().eval()
    encoder = {name: one.clone() for name, one in vae.state_dict().items() if name.startswith(("e", "fc"))}
    own = resynthesis(lambda images: vae.encode(images)[0], pictures, SETTINGS)
    steps = list(finetune(vae, [judge], own, SETTINGS, tmp_path))
    assert steps[-1].distance > 0
    assert steps[-1].critic_loss is None
    for name, one in encoder.items():
        torch.testing.assert_close(vae.state_dict()[name], one, rtol=0, atol=0)


def test_latents_move_while_the_generator_stays(pictures: Tensor, judge: Judge, tmp_path: Path) -> None:
    generator = gan(pictures)[0].eval()
    before = fingerprint(generator)
    moved = MovedLatents(generator, normal_latents(8, 8, 5))
    settings = replace(SETTINGS, learning_rate=0.05, steps=12, check_every=6)
    steps = list(finetune(moved, [judge], staying(moved, settings), settings, tmp_path))
    assert fingerprint(generator) == before
    assert steps[-1].distance > 0
    assert steps[2].classifier_loss is not None
    assert steps[1].classifier_loss is not None
    assert steps[2].classifier_loss < steps[1].classifier_loss


def test_settings_that_mean_nothing_are_refused() -> None:
    for wrong in (
        {"steps": 0},
        {"batch": 0},
        {"checked": 1},
        {"weight": -1.0},
        {"weight": float("nan")},
        {"target": 0.0},
        {"target": 1.5},
        {"learning_rate": 0.0},
        {"least_diversity": 2.0},
        {"quality_within": -0.1},
        {"quality_within": float("inf")},
        {"warm_up": -1},
    ):
        with pytest.raises(InvalidConfig, match=next(iter(wrong))):
            FinetuneConfig(**wrong)
